package poller

import (
	"strings"
	"testing"
)

// TestDamagedState: what this version does not understand says what to do, and that is another thing for a newer format than
// for damage.
func TestDamagedState(t *testing.T) {
	key := entryKey("a", identityKey("c-1"))
	for name, c := range map[string]struct {
		record Record
		newer  bool
	}{
		"ledger, damaged":   {Record{ledgerKey("a"), []byte(`{"format":1,`)}, false},
		"ledger, newer":     {Record{ledgerKey("a"), []byte(`{"format":9}`)}, true},
		"entry, cut":        {Record{key, []byte{1, 0, 0}}, false},
		"entry, empty":      {Record{key, []byte{}}, false},
		"entry, newer":      {Record{key, make([]byte, 3)}, true},
		"entry, key cut":    {Record{key[:8], Entry{}.encode()}, false},
		"letter, damaged":   {Record{letterKey("a", LetterID{1}), []byte(`nonsense`)}, false},
		"letter, newer":     {Record{letterKey("a", LetterID{1}), []byte(`{"format":9}`)}, true},
		"letter, key":       {Record{[]byte("a/letter/xyz"), []byte(`{"format":1}`)}, false},
		"a newer release's": {Record{[]byte("a/something"), nil}, true},
	} {
		if name == "entry, newer" {
			c.record.Value[0] = 9
		}
		state := State{Account: "a"}
		err := state.Restore(c.record)
		if err == nil {
			t.Errorf("%s: restored", name)
			continue
		}
		text := err.Error()
		if newer, remedy := strings.Contains(text, "wrote it, run that"), strings.Contains(text, "all workers of all accounts with this TOPIC_PREFIX (the topic holds their state, too), delete the topic state, and start with STATE_LOST=resume"); newer != c.newer || remedy == c.newer {
			t.Errorf("%s: %s", name, text)
		}
	}
}
