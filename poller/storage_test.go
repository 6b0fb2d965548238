package poller

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// storedLedger is a ledger as workers have written it since format 1. What it means must not change: topics hold it.
const storedLedger = `{"format":1,"sequence":41,"from":1772323200,"asked":"5e1ec7","changes":2,` +
	`"coverage":[[1772323200,1772326800,1772330000,0],[1772326800,1772326801,1772330000,1],[1772326801,1772327000,1772330100,3,1]],` +
	`"failing":[{"start":"2026-03-01T02:00:00Z","end":"2026-03-01T02:00:01Z","why":"gap","since":"2026-03-01T03:00:00Z","notBefore":"2026-03-01T03:10:00Z",` +
	`"failures":4,"blamed":3,"category":"status_5xx","partial":true}],` +
	`"reach":1772150400,"horizon":604800,"lower":1772320000,"density":{"hours":[],"mean":0.25},` +
	`"paging":{"unit":"pages","largest":100,"proven":80,"leaves":7,"shortUnsafe":false,"beyondCap":true,"capped":false,"failsBehind":false,"ignoresTime":false,"examined":true,"probesFailed":0},` +
	`"pagingOf":"ba5e","remembered":12,"ignored":[[],["/metaInfo"]],"lastRow":1772329999}`

// TestAStoredLedgerIsRead: every member of it.
func TestAStoredLedgerIsRead(t *testing.T) {
	hours := strings.TrimSuffix(strings.Repeat("0,", 168), ",")
	s := State{Account: "a"}
	if err := s.Restore(Record{ledgerKey("a"), []byte(strings.Replace(storedLedger, `"hours":[]`, `"hours":[`+hours+`]`, 1))}); err != nil {
		t.Fatal(err)
	}
	l := s.Ledger
	if l.Sequence != 41 || !l.From.Equal(at(0)) || l.Selection() != "5e1ec7.2" || l.Remembered != 12 || !l.LastRow.Equal(time.Unix(1772329999, 0)) || l.PagingOf != "ba5e" {
		t.Errorf("%+v", l)
	}
	if want := (Kept{7 * 24 * time.Hour, time.Unix(1772320000, 0).UTC()}); l.Horizon != want || !l.Reach.Equal(at(-172_800)) {
		t.Errorf("horizon %v, reach %v", l.Horizon, l.Reach)
	}
	want := []Stretch{{Window: window(0, 3600), ReadAt: at(6800), Partial: "", Withheld: false}, {Window: window(3600, 3601), ReadAt: at(6800), Partial: Capped, Withheld: false}, {Window: window(3601, 3800), ReadAt: at(6900), Partial: Unanswered, Withheld: true}}
	if !slices.Equal(l.Coverage.Stretches(), want) {
		t.Errorf("coverage %v, want %v", l.Coverage.Stretches(), want)
	}
	failing := Failing{Window: window(7200, 7201), Reason: Gap, Since: at(10_800), NotBefore: at(11_400), Failures: 4, Blamed: 3, Category: "status_5xx", Partial: true}
	if len(l.Failing) != 1 || l.Failing[0] != failing {
		t.Errorf("failing %+v, want %+v", l.Failing, failing)
	}
	if p := l.Paging; p.Unit != UnitPages || p.Proven != 80 || p.Leaves != 7 || !p.BeyondCap || !p.Examined || p.Capped || l.Density.Mean != 0.25 {
		t.Errorf("paging %+v, density %g", l.Paging, l.Density.Mean)
	}
	if fmt.Sprint(l.Ignored) != "[[] [/metaInfo]]" || l.Learned != (Learned{}) {
		t.Errorf("ignored %q, learned %v", l.Ignored, l.Learned)
	}
	for _, part := range []string{`"why":"gap"`, `[1772326801,1772327000,1772330100,3,1]`, `"sequence":41`, `"lower":1772320000`, `"remembered":12`} {
		if text := string(l.encode()); !strings.Contains(text, part) {
			t.Errorf("%s is not written again: %s", part, text)
		}
	}
}

// TestAnEarlyLedgerIsRead: one without the members that came later. It does not say how many entries there are.
func TestAnEarlyLedgerIsRead(t *testing.T) {
	s := State{Account: "a"}
	if err := s.Restore(Record{ledgerKey("a"), []byte(`{"format":1,"sequence":3,"from":0,"asked":"x","changes":0,"coverage":null,"paging":{"unit":"rows"},"pagingOf":"y"}`)}); err != nil {
		t.Fatal(err)
	}
	if s.Remembered != -1 || !s.From.IsZero() || !s.Reach.IsZero() || s.Paging.Unit != UnitRows || s.Failing != nil || !s.Complete() {
		t.Errorf("%+v", s.Ledger)
	}
}

// TestLedgersThatAreRefused: a coverage with what no cause stands for, or in disorder, is damage.
func TestLedgersThatAreRefused(t *testing.T) {
	for name, coverage := range map[string]string{
		"too few numbers":  `[[1,2,3]]`,
		"an unknown cause": `[[1,2,3,9]]`,
		"a negative cause": `[[1,2,3,-1]]`,
		"no seconds":       `[[5,5,9,0]]`,
		"overlapping":      `[[1,9,9,0],[5,12,12,0]]`,
		"out of order":     `[[5,9,9,0],[1,2,12,0]]`,
	} {
		s := State{Account: "a"}
		err := s.Restore(Record{ledgerKey("a"), []byte(`{"format":1,"coverage":` + coverage + `}`)})
		if err == nil || !strings.Contains(err.Error(), "STATE_LOST=resume") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStoredEntriesAreRead: 20 bytes each, of both formats.
func TestStoredEntriesAreRead(t *testing.T) {
	for text, want := range map[string]Entry{
		"02002710" + "00000003" + "0a0b0c0d" + "1111111122222222":          {revision: 3, session: 0x0a0b0c0d, shown: 10_000, fingerprint: [2]uint32{0x22222222, 0x11111111}},
		"02012710" + "00000001" + "00000000" + "0000000000000001":          {revision: 1, shown: 10_000, bot: true, fingerprint: [2]uint32{1, 0}},
		"02022710" + "00000000" + "00000000" + "0000000000000001":          {shown: 10_000, aside: isAside, fingerprint: [2]uint32{1, 0}},
		"02042710" + "00000002" + "00000000" + "0000000000000001":          {revision: 2, shown: 10_000, aside: maybeAside, fingerprint: [2]uint32{1, 0}},
		"02182710" + "00000002" + "00000000" + "0000000000000001":          {revision: 2, shown: 10_000, list: 3, fingerprint: [2]uint32{1, 0}},
		"02002710" + "00000002" + "00000000" + "0000000000000001" + "0007": {revision: 2, shown: 10_000, republished: 7, fingerprint: [2]uint32{1, 0}},
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEntry(b)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
		if again := hex.EncodeToString(got.encode()); again != text {
			t.Errorf("%s is written as %s", text, again)
		}
		b[0] = 1 // an early version did not say for certain what was not put aside
		if want.aside == notAside {
			want.aside = maybeAside
		}
		if early, err := decodeEntry(b); err != nil || early != want {
			t.Errorf("%s of format 1: %+v, %v, want %+v", text, early, err, want)
		}
	}
	if len(Entry{}.encode()) != entrySize {
		t.Errorf("an entry has %d bytes, want %d", len(Entry{}.encode()), entrySize)
	}
}

// TestRecordsOfOthersArePassedOver, and the Sink's note is kept.
func TestRecordsOfOthersArePassedOver(t *testing.T) {
	s := State{Account: "a"}
	for _, r := range []Record{
		{[]byte("b/ledger"), []byte(`{"format":99}`)}, {[]byte("ab/seen/x"), nil}, {[]byte("/"), nil}, {nil, nil}, NoteRecord("b", []byte("theirs")),
		NoteRecord("a", []byte("ours")),
	} {
		if err := s.Restore(r); err != nil {
			t.Errorf("%q: %v", r.Key, err)
		}
	}
	if string(s.Note) != "ours" || s.Sequence != 0 || s.Seen.Len() != 0 {
		t.Errorf("note %q, %+v", s.Note, s.Ledger)
	}
	if err := s.Restore(NoteRecord("a", nil)); err != nil || s.Note != nil {
		t.Errorf("note %q after it was deleted, %v", s.Note, err)
	}
	for _, key := range [][]byte{ledgerKey("a"), noteKey("a"), entryKey("a", Key{}), letterKey("a", LetterID{})} {
		if !strings.HasPrefix(string(key), string(StatePrefix("a"))) {
			t.Errorf("%q does not begin as all keys of the account", key)
		}
	}
}

// TestForgottenEntriesAreDeleted with their records.
func TestForgottenEntriesAreDeleted(t *testing.T) {
	s := State{Account: "a"}
	key := identityKey("c-1")
	for i, change := range []Remembered{{Key: key, Entry: Entry{revision: 1}}, {Key: key, Forget: true}} {
		for _, r := range s.Records(Ledger{Sequence: int64(i + 1)}, []Remembered{change}) {
			if err := s.Restore(r); err != nil {
				t.Fatal(err)
			}
		}
		if s.Seen.Len() != 1-i || s.Sequence != int64(i+1) {
			t.Errorf("after commit %d: %d entries, sequence %d", i+1, s.Seen.Len(), s.Sequence)
		}
	}
}

// TestSelectionsDoNotComeBack: who asks for the same as before asks for another selection all the same, since completeThrough is
// taken back with each change.
func TestSelectionsDoNotComeBack(t *testing.T) {
	l := Ledger{Asked: "x", From: at(0)}
	met := map[string]bool{l.Selection(): true}
	for _, asked := range []string{"y", "x", "y", "x"} {
		l.reselect(time.Hour, at(100))
		l.Asked = asked
		if met[l.Selection()] {
			t.Errorf("selection %s comes back", l.Selection())
		}
		met[l.Selection()] = true
	}
}

// TestReselectionKeepsWithinReach: what the memory does not reach back to would be published again.
func TestReselectionKeepsWithinReach(t *testing.T) {
	covered := Coverage{}.Add(Stretch{Window: window(0, 10_000), ReadAt: at(10_000)})
	for name, c := range map[string]struct {
		reach, from int
		horizon     time.Duration
		want        int
	}{
		"within the horizon":      {0, 0, 1000 * time.Second, 9000},
		"not before it began":     {0, 9500, 1000 * time.Second, 9500},
		"not before memory does":  {9800, 0, 1000 * time.Second, 9800},
		"nothing is read again":   {0, 0, 0, 10_000},
		"a horizon of a lifetime": {0, 0, 1000 * time.Hour, 0},
	} {
		l := Ledger{From: at(c.from), Reach: at(c.reach), Coverage: covered, Failing: []Failing{{Window: window(5, 6)}}}
		l.reselect(c.horizon, at(10_100))
		if !l.From.Equal(at(c.want)) || l.Failing != nil || len(l.Coverage.Stretches()) != 0 || l.Changes != 1 {
			t.Errorf("%s: from %v, want %v; %+v", name, l.From, at(c.want), l)
		}
	}
}

// TestListsOfIgnoredPointers are numbered in the order in which they were configured; there is room for so many.
func TestListsOfIgnoredPointers(t *testing.T) {
	list := func(i int) smartassist.Ignore {
		ig, err := smartassist.ParseIgnore([]string{fmt.Sprintf("/x%d", i)})
		if err != nil {
			t.Fatal(err)
		}
		return ig
	}
	var l Ledger
	for i := range mostLists {
		if p := l.ignore(list(i)); int(p.current) != i || len(p.lists) != i+1 {
			t.Fatalf("list %d has number %d of %d", i, p.current, len(p.lists))
		}
	}
	if p := l.ignore(list(7)); p.current != 7 || len(l.Ignored) != mostLists {
		t.Errorf("configured again, list 7 has number %d of %d", p.current, len(l.Ignored))
	}
	before := l.Ignored
	if p := l.ignore(list(99)); p.current != 0 || len(l.Ignored) != mostLists || l.Ignored[0][0] != "/x99" {
		t.Errorf("one more has number %d of %d", p.current, len(l.Ignored))
	}
	if before[0][0] != "/x0" {
		t.Error("the ledger before was changed: it may still be the committed one")
	}
	l.Ignored = append(l.Ignored[:0:0], []string{"no pointer"})
	if p := l.ignore(list(1)); p.current != 1 || len(p.lists) != 2 {
		t.Errorf("behind another version's list: number %d of %d", p.current, len(p.lists))
	}
}

func TestInstantsInTheLedger(t *testing.T) {
	for _, c := range []time.Time{{}, at(0), at(-1 << 31)} {
		if got := unix(seconds(c)); !got.Equal(c) {
			t.Errorf("%v becomes %v", c, got)
		}
	}
	if seconds(time.Time{}) != 0 {
		t.Error("the zero time is not 0")
	}
}

// TestLetterIDs are 16 hex digits and nothing else.
func TestLetterIDs(t *testing.T) {
	id, ok := ParseLetterID("0123456789abcdef")
	if !ok || id != (LetterID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}) || id.String() != "0123456789abcdef" {
		t.Errorf("%v, %t", id, ok)
	}
	for _, text := range []string{"", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg", "0123456789abcdef01", " 123456789abcdef"} {
		if id, ok := ParseLetterID(text); ok {
			t.Errorf("%q is %v", text, id)
		}
	}
}

// TestAStoredResolutionIsRead, of any account; what is no letter's record, or damaged, is not.
func TestAStoredResolutionIsRead(t *testing.T) {
	const text = `{"format":1,"fate":"published","revision":7,"at":1772323200250,"written":1772323100000}`
	want := Resolution{LetterPublished, 7, at(0).Add(250 * time.Millisecond), at(-100)}
	account, id, res, ok := LetterRecord(Record{[]byte("acc/letter/0100000000000000"), []byte(text)})
	if !ok || account != "acc" || id != (LetterID{1}) || res != want {
		t.Errorf("%q %v %+v %t", account, id, res, ok)
	}
	if got := string(want.encode()); got != text {
		t.Errorf("written as %s", got)
	}
	if got := string(Resolution{Fate: LetterSuperseded, At: at(0), Written: at(0)}.encode()); strings.Contains(got, "revision") {
		t.Errorf("a superseded one has a revision: %s", got)
	}
	if _, _, res, ok := LetterRecord(Record{letterKey("a", id), nil}); !ok || res != (Resolution{}) {
		t.Errorf("a deletion: %+v %t", res, ok)
	}
	for _, r := range []Record{
		{[]byte("acc/ledger"), []byte(text)}, {[]byte("acc/letter/01"), []byte(text)}, {letterKey("a", id), []byte("nonsense")},
		{letterKey("a", id), []byte(`{"format":9}`)}, {nil, nil},
	} {
		if account, _, _, ok := LetterRecord(r); ok || account != "" {
			t.Errorf("%q %q is a letter's record of %q", r.Key, r.Value, account)
		}
	}
}

// TestRestoringALetterTwice: a deletion takes away what was there, and nothing else.
func TestRestoringALetterTwice(t *testing.T) {
	s := State{Account: "a"}
	restore := func(id byte, value []byte) {
		t.Helper()
		if err := s.Restore(Record{letterKey("a", LetterID{id}), value}); err != nil {
			t.Fatal(err)
		}
	}
	restore(1, nil)
	restore(1, Resolution{Fate: LetterPublished, Revision: 1}.encode())
	restore(2, Resolution{Fate: LetterSuperseded}.encode())
	restore(1, Resolution{Fate: LetterPublished, Revision: 2}.encode())
	restore(2, nil)
	if len(s.Letters) != 1 || s.Letters[LetterID{1}].Revision != 2 {
		t.Errorf("%v", s.Letters)
	}
}

// TestReplayIsOneTransaction: what was read before it is committed by itself, so that a refusal points to the letters, and a
// letter that stays is not in it.
func TestReplayIsOneTransaction(t *testing.T) {
	s := &keepsBundle{keeps: keeps(ForEver)}
	p := New(Config{PageLimit: 100, Tiers: defaultTiers, Deduplicate: ByRevision, Now: func() time.Time { return at(0) }}, nil, s, &State{Account: "a"})
	good := contact("c-1", "s1", "CLOSED")
	readOnce(p.state, refuseAll, good)
	p.pending = p.newPending()
	p.addBatch(Batch{Read: Read{Window: window(0, 1), At: at(0)}, Reason: Gap}, false)
	broken := Letter{LetterID{2}, row(`7`), at(0)}
	out, err := p.Replay(t.Context(), []Letter{{LetterID{1}, good, at(-5)}, broken})
	if err != nil || len(out) != 2 || out[0].Fate != LetterPublished || out[0].Revision != 1 || out[1].Fate != LetterDead || out[1].Err == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	if p.state.Sequence != 2 || len(p.pending.batches) != 0 {
		t.Errorf("sequence %d, %d batches left; want the read and the replay, committed one after the other", p.state.Sequence, len(p.pending.batches))
	}
	if _, ok := p.state.Letters[LetterID{1}]; !ok || len(p.state.Letters) != 1 {
		t.Errorf("remembered %v", p.state.Letters)
	}
	out, err = p.Replay(t.Context(), []Letter{{LetterID{1}, good, at(-5)}, broken})
	if err != nil || !out[0].Before || out[0].Revision != 1 || p.state.Sequence != 2 {
		t.Errorf("again: %+v, %v, sequence %d: nothing is to be committed", out, err, p.state.Sequence)
	}
}

// TestAReplayThatIsNotCommitted remembers nothing: it is not known what became of the letters.
func TestAReplayThatIsNotCommitted(t *testing.T) {
	s := &stage{keeps: keeps(ForEver), refuses: errors.New("no brokers")}
	p := New(Config{PageLimit: 100, Deduplicate: ByRevision, Now: func() time.Time { return at(0) }}, s, s, &State{Account: "a"})
	good := contact("c-1", "s1", "CLOSED")
	readOnce(p.state, refuseAll, good)
	p.pending = p.newPending()
	if _, err := p.Replay(t.Context(), []Letter{{LetterID{1}, good, at(-5)}}); !errors.Is(err, s.refuses) {
		t.Errorf("%v", err)
	}
	if p.state.Letters != nil || p.state.Sequence != 0 {
		t.Errorf("remembered %v, sequence %d", p.state.Letters, p.state.Sequence)
	}
}

// TestTheLedgerKnowsHowRowsWereRedacted, and an early one that they were not.
func TestTheLedgerKnowsHowRowsWereRedacted(t *testing.T) {
	for _, redaction := range []string{"", "5a17c0de5a17c0de"} {
		var got Ledger
		if err := got.restore(Ledger{Sequence: 1, Redaction: redaction}.encode()); err != nil || got.Redaction != redaction {
			t.Errorf("%q, %v, want %q", got.Redaction, err, redaction)
		}
	}
}
