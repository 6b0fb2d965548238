package encoder

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestNamesAreFound in every spelling, and no other is.
func TestNamesAreFound(t *testing.T) {
	s := newNames(3)
	for _, name := range []string{"sessionId", "Direction", "isVoicemail"} {
		s.add(name)
	}
	for quoted, want := range map[string]struct {
		field    int
		spelling spelling
	}{
		`"sessionId"`:      {0, canonical},
		`"Direction"`:      {1, canonical},
		`"isVoicemail"`:    {2, canonical},
		`"\u0073essionId"`: {0, canonical},
		`"SESSIONID"`:      {0, variant},
		`"direction"`:      {1, variant},
		`"\u0064irection"`: {1, variant},
		`"sessionid "`:     {noField, foreign},
		`"se\u017fsionId"`: {noField, foreign}, // the long s is another letter, whatever Unicode folds it to
		`"\u212a"`:         {noField, foreign},
		`""`:               {noField, foreign},
		"\"\xff\"":         {noField, unreadable},
		`"\ud83d"`:         {noField, unreadable},
	} {
		if field, spelling := s.find(quoted); field != want.field || spelling != want.spelling {
			t.Errorf("%s: field %d in spelling %d, want %d in %d", quoted, field, spelling, want.field, want.spelling)
		}
		for i, name := range []string{"sessionId", "Direction", "isVoicemail"} {
			want := want.spelling
			if field, _ := s.find(quoted); field != i && want != unreadable {
				want = foreign
			}
			if got := spellingOf(quoted, name); got != want {
				t.Errorf("%s beside %s: spelling %d, want %d", quoted, name, got, want)
			}
		}
	}
}

// TestPointers: a step that is appended to a JSON Pointer is what is split off again.
func TestPointers(t *testing.T) {
	for name, token := range map[string]string{"a": "/a", "": "/", "a/b": "/a~1b", "~": "/~0", "~1": "/~01", "/~/": "/~1~0~1"} {
		if got := string(appendToken([]byte("/x"), name)); got != "/x"+token {
			t.Errorf("%q becomes %q, want %q", name, got, "/x"+token)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a~/01é]{0,8}`).Draw(t, "name")
		if parent, back := splitPointer(string(appendToken([]byte("/p/0"), name))); parent != "/p/0" || back != name {
			t.Fatalf("%q comes back as %q below %q", name, back, parent)
		}
	})
	if parent, name := splitPointer("x"); parent != "" || name != "x" {
		t.Errorf("what is not a pointer is split into %q and %q", parent, name)
	}
}

// TestMembersThatFollow: what comes behind a member is what came there last.
func TestMembersThatFollow(t *testing.T) {
	var s sequence
	s.learn(noField, 4)
	s.learn(4, 2)
	s.learn(2, noField)
	if s.after(noField) != 4 || s.after(4) != 2 || s.after(2) != 0 {
		t.Errorf("4, 2 and an unknown member: %d, %d, %d", s.after(noField), s.after(4), s.after(2))
	}
	s.learn(4, 3)
	if s.after(4) != 3 {
		t.Errorf("behind 4 comes %d, want 3", s.after(4))
	}
}

// TestFieldSets hold every index of a table.
func TestFieldSets(t *testing.T) {
	var s fieldSet
	for i := range maxFields {
		if s.has(i) {
			t.Fatalf("%d is in it already", i)
		}
		if s = s.with(i); !s.has(i) || i > 0 && !s.has(0) {
			t.Fatalf("%d is not in it", i)
		}
	}
}

// TestMemoryKeepsValuesWhereTheyAre while it grows, and lets go of those of an unusual row.
func TestMemoryKeepsValuesWhereTheyAre(t *testing.T) {
	var m memory
	kept := make([]*string, 3*maxPooled)
	for i := range kept {
		kept[i] = m.strings.keep(fmt.Sprint(i))
	}
	for i, p := range kept {
		if *p != fmt.Sprint(i) {
			t.Fatalf("value %d is %q", i, *p)
		}
	}
	m.ints.keep(7)
	m.times.keep(time.Unix(1, 0))
	m.bools.keep(true)
	m.reset()
	if cap(m.strings) != 0 {
		t.Errorf("%d places of an unusual row stay", cap(m.strings))
	}
	if cap(m.ints) == 0 || len(m.ints)+len(m.times)+len(m.bools) != 0 || m.ints[:1][0] != 0 || m.bools[:1][0] || !m.times[:1][0].IsZero() {
		t.Error("those of an ordinary one do not, or still hold its values")
	}
}

// TestReadersCarryNothingOver: a row is encoded alike whatever row was encoded before it.
func TestReadersCarryNothingOver(t *testing.T) {
	e := testEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		row := anyRow(t)
		first, _, errFirst := passage(e, row)
		for range rapid.IntRange(1, 3).Draw(t, "rows between") {
			_, _, _ = passage(e, anyRow(t))
		}
		second, _, err := passage(e, row)
		if (err == nil) != (errFirst == nil) {
			t.Fatalf("%q: %v, then %v", row, errFirst, err)
		}
		a, errA := DecodeConversation(first.Value)
		b, errB := DecodeConversation(second.Value)
		if err == nil && (errA != nil || errB != nil) {
			t.Fatalf("%q: %v, %v", row, errA, errB)
		}
		if err == nil && !bytes.Equal(must(a.Rebuild()), must(b.Rebuild())) {
			t.Fatalf("%q is encoded in two ways", row)
		}
	})
}

// letterMessages are those of a row of n bytes, in parts of at most so many.
func letterMessages(t *testing.T, e *Encoder, n, most int) (row []byte, messages []Message) {
	t.Helper()
	row = []byte(`{"sessionId":7,"x":"` + strings.Repeat("a", n) + `"}`)
	return row, e.DeadLetter(DeadLetter{
		Row: smartassist.ParseRow(row), Error: "bad", MaxBytes: most,
		WindowStart: time.Unix(1e9, 0), WindowEnd: time.Unix(1e9+60, 0), ObservedAt: time.Unix(1e9+61, 250e6),
	})
}

// TestLettersAreJoined, those of several rows and accounts at once, as the topic has them.
func TestLettersAreJoined(t *testing.T) {
	a := testEncoder(t)
	b := must(New(Config{AccountID: "another/account", Topics: Topics{Prefix: "conversations."}}))
	rowA, ofA := letterMessages(t, a, 3000, 2048)
	rowB, ofB := letterMessages(t, b, 3000, 1800)
	if len(ofA) < 2 || len(ofB) <= len(ofA) {
		t.Fatalf("%d and %d parts: the test shows nothing", len(ofA), len(ofB))
	}
	var r LetterReader
	var whole []Letter
	for i := range ofB {
		for _, list := range [][]Message{ofA, ofB} {
			if i >= len(list) {
				continue
			}
			l, ok, err := r.Read(list[i])
			if err != nil || ok != (i == len(list)-1) {
				t.Fatalf("part %d of %d: whole %t, %v", i+1, len(list), ok, err)
			}
			if ok {
				whole = append(whole, l)
			}
		}
	}
	for i, want := range []struct {
		account string
		row     []byte
		parts   int
	}{{a.account, rowA, len(ofA)}, {"another/account", rowB, len(ofB)}} {
		l := whole[i]
		if l.Account != want.account || !bytes.Equal(l.Row, want.row) || l.Parts != want.parts || l.ID != letterID(want.row) || l.Error != "bad" {
			t.Errorf("letter %d: %s of %q in %d parts, %d bytes", i, l.ID, l.Account, l.Parts, len(l.Row))
		}
		if !l.At.Equal(time.Unix(1e9+61, 250e6)) || l.Window != "2001-09-09T01:46:40Z/2001-09-09T01:47:40Z" {
			t.Errorf("letter %d: read at %v in %s", i, l.At, l.Window)
		}
	}
	if len(r.open) != 0 {
		t.Errorf("%d letters are still open", len(r.open))
	}
}

// TestLettersThatLackParts are known by their id, whichever part is missing; one that begins anew is whole.
func TestLettersThatLackParts(t *testing.T) {
	row, messages := letterMessages(t, testEncoder(t), 5000, 2048)
	for missing := range messages {
		var r LetterReader
		var err error
		whole := false
		for i, m := range messages {
			if i != missing {
				_, whole, err = r.Read(m)
			}
		}
		if last := missing == len(messages)-1; whole == last || !last && !errors.Is(err, ErrIncomplete) {
			t.Errorf("without part %d: whole %t, %v", missing+1, whole, err)
		}
		for _, m := range messages {
			if l, ok, err := r.Read(m); ok && (err != nil || !bytes.Equal(l.Row, row)) {
				t.Errorf("sent again after part %d was missing: %v, %d of %d bytes", missing+1, err, len(l.Row), len(row))
			}
		}
	}
}

// TestLettersOfOtherPrograms: what the headers do not say is an error, and what they do say is there all the same.
func TestLettersOfOtherPrograms(t *testing.T) {
	row, messages := letterMessages(t, testEncoder(t), 10, 0)
	m := messages[0]
	header := func(name, value string) Message {
		out := m
		out.Headers = nil
		for _, h := range m.Headers {
			if h.Key == name {
				h.Value = []byte(value)
			}
			out.Headers = append(out.Headers, h)
		}
		return out
	}
	var r LetterReader
	if l, whole, err := r.Read(header("ce_time", "yesterday")); err == nil || !whole || !bytes.Equal(l.Row, row) || !strings.Contains(err.Error(), "ce_time") {
		t.Errorf("without a time: whole %t, %v", whole, err)
	}
	if l, _, err := r.Read(header("ce_source", "/smartassist/%zz")); err != nil || l.Account != "/smartassist/%zz" {
		t.Errorf("a source that cannot be read: account %q, %v", l.Account, err)
	}
	if _, _, err := r.Read(header("ce_id", "0000000000000000")); !errors.Is(err, ErrIncomplete) {
		t.Errorf("another row's id: %v", err)
	}
}

// TestReadingBackRefuses what is of another account, cannot be decoded, or says nothing of its fingerprint.
func TestReadingBackRefuses(t *testing.T) {
	e := testEncoder(t)
	m := encodeRow(t, e, smartassist.ParseRow([]byte(`{"conversationId":"c-1","sessionId":"s"}`)))
	change := func(name, value string) Message {
		out := m
		out.Headers = nil
		for _, h := range m.Headers {
			if h.Key == name {
				h.Value = []byte(value)
			}
			out.Headers = append(out.Headers, h)
		}
		return out
	}
	cut := m
	cut.Value = m.Value[:len(m.Value)-1]
	for name, c := range map[string]struct {
		message Message
		want    string
	}{
		"another account": {change("ce_source", "/smartassist/other"), ErrOtherAccount.Error()},
		"no source":       {Message{Value: m.Value}, ErrOtherAccount.Error()},
		"a cut value":     {cut, "decode conversation"},
		"no fingerprint":  {change("ce_id", "c-1:3"+":x"), "fingerprint"},
		"no id":           {change("ce_id", ""), "fingerprint"},
	} {
		if _, err := e.ReadConversation(t.Context(), nil, c.message); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := e.ReadConversation(t.Context(), nil, change("ce_id", "c:1:00000000000000ff")); err != nil || r.Fingerprint != 0xff || r.Row.Identity() != "c-1" {
		t.Errorf("%+v, %v", r, err)
	}
}
