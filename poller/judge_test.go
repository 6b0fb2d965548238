package poller

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestTwinsArePublishedOnceEach: two contents of one identity and session on a page are both published, and neither comes again
// while both are shown; a third content is a revision.
func TestTwinsArePublishedOnceEach(t *testing.T) {
	a, b, c := contact("c-1", "s1", "TRANSIENT_OPEN"), contact("c-1", "s1", "CLOSED"), contact("c-1", "s1", "Dropped")
	var s Seen
	numbers := func(rows ...smartassist.Row) (out []int32) {
		t.Helper()
		j := judgeAndApply(&s, ByRevision, at(0), rows...)
		if len(j.Fresh)+j.Unchanged+len(j.Dead) != len(rows) {
			t.Errorf("%d rows: %d fresh, %d unchanged, %d dead", len(rows), len(j.Fresh), j.Unchanged, len(j.Dead))
		}
		for _, r := range j.Fresh {
			out = append(out, r.Number)
		}
		return out
	}
	for i, step := range []struct {
		rows []smartassist.Row
		want []int32
	}{
		{[]smartassist.Row{a, b}, []int32{1, 2}},
		{[]smartassist.Row{a, b}, nil},
		{[]smartassist.Row{b, a}, nil},
		{[]smartassist.Row{b}, nil},
		{[]smartassist.Row{a}, nil},
		{[]smartassist.Row{c, b}, []int32{3}},
		{[]smartassist.Row{a, b, c}, []int32{4}}, // a had become c, and is back beside it
		{[]smartassist.Row{a, b, c}, nil},
	} {
		if got := numbers(step.rows...); !slices.Equal(got, step.want) {
			t.Errorf("step %d: revisions %v, want %v", i, got, step.want)
		}
	}
}

// TestByConversationPublishesNoTwin: a conversation is published once.
func TestByConversationPublishesNoTwin(t *testing.T) {
	var s Seen
	now := at(10 * 86_400)
	j := judgeAndApply(&s, ByConversation, now, contact("c-1", "s1", "CLOSED"), contact("c-1", "s1", "Dropped"))
	if len(j.Fresh) != 1 || j.Unchanged != 1 || j.Twins != 1 {
		t.Errorf("%d fresh, %d unchanged, %d twins", len(j.Fresh), j.Unchanged, j.Twins)
	}
}

// TestARefusedTwin is a dead letter, uses up no revision, and is not tried with every read.
func TestARefusedTwin(t *testing.T) {
	var s Seen
	a, b := contact("c-1", "s1", "TRANSIENT_OPEN"), contact("c-1", "s1", "CLOSED")
	by := Deduplication{Mode: ByRevision, Refused: func(row smartassist.Row, _ uint64) error {
		if row.FinalStatus == "CLOSED" {
			return errors.New("refused")
		}
		return nil
	}}
	for i, want := range [][3]int{{1, 1, 0}, {0, 0, 2}} {
		d := s.Draft()
		j := d.Judge([]smartassist.Row{a, b}, by, at(0), at(0))
		s.Apply(d.Changes)
		if got := [3]int{len(j.Fresh), len(j.Dead), j.Unchanged}; got != want {
			t.Errorf("read %d: fresh, dead and unchanged %v, want %v", i, got, want)
		}
		if i == 0 && (j.Fresh[0].Number != 1 || j.Dead[0].Err == nil) {
			t.Errorf("revision %d, dead letter for %v", j.Fresh[0].Number, j.Dead[0].Err)
		}
	}
}

// TestWithheld: an open conversation waits until it is closed or a day old, is counted, and leaves nothing in the memory meanwhile.
func TestWithheld(t *testing.T) {
	open, closed := contact("c-1", "s1", "TRANSIENT_OPEN"), contact("c-1", "s1", "CLOSED")
	for name, c := range map[string]struct {
		row  smartassist.Row
		age  time.Duration
		want int // published
	}{
		"open":            {open, time.Hour, 0},
		"closed":          {closed, time.Hour, 1},
		"open for a day":  {open, WithheldFor, 1},
		"nearly a day":    {open, WithheldFor - time.Second, 0},
		"without a start": {row(`{"conversationId":"c-1","finalStatus":"TRANSIENT_OPEN"}`), time.Hour, 1},
	} {
		if c.row.FinalStatus == "TRANSIENT_OPEN" && !c.row.Open() {
			t.Fatalf("%s: the row is not open", name)
		}
		var s Seen
		j := judgeAndApply(&s, ByConversation, t0.Add(c.age), c.row)
		if len(j.Fresh) != c.want || j.Withheld != 1-c.want || j.Unchanged != 1-c.want || s.Len() != c.want {
			t.Errorf("%s: %d fresh, %d withheld, %d unchanged, %d remembered", name, len(j.Fresh), j.Withheld, j.Unchanged, s.Len())
		}
	}
}

// TestADraftChangesNothing until it is applied, however many reads are judged with it; each key is changed once.
func TestADraftChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var one, byOne Seen
		d := one.Draft()
		fresh := 0
		for i := range rapid.IntRange(1, 10).Draw(t, "reads") {
			var rows []smartassist.Row
			for range rapid.IntRange(0, 6).Draw(t, "rows") {
				rows = append(rows, contact(rapid.SampledFrom([]string{"c-1", "c-2"}).Draw(t, "id"), rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "session"), rapid.SampledFrom([]string{"CLOSED", "Dropped"}).Draw(t, "status")))
			}
			fresh += len(d.Judge(rows, Deduplication{Mode: ByRevision}, at(i), at(i)).Fresh)
			fresh -= len(judgeAndApply(&byOne, ByRevision, at(i), rows...).Fresh)
			if one.Len() != 0 {
				t.Fatal("the memory changed before the commit")
			}
		}
		keys := map[Key]bool{}
		for _, c := range d.Changes {
			if keys[c.Key] {
				t.Fatalf("key %x is changed twice", c.Key)
			}
			keys[c.Key] = true
		}
		one.Apply(d.Changes)
		if fresh != 0 || one.Len() != byOne.Len() {
			t.Fatalf("judged together %d more are fresh; %d entries, want %d", fresh, one.Len(), byOne.Len())
		}
		for k := range keys {
			a, _ := one.lookup(k)
			if b, ok := byOne.lookup(k); !ok || a != b {
				t.Fatalf("entry %+v, want %+v", a, b)
			}
		}
	})
}

// TestKeysDiffer by what they are of: an identity is not a session, a twin or a row that says the same.
func TestKeysDiffer(t *testing.T) {
	r := contact("x", "y", "CLOSED")
	keys := map[Key]string{}
	for name, k := range map[string]Key{
		"identity": identityKey("x"), "another": identityKey("y"), "session": keyOf("s", "x", "y"), "the other way round": keyOf("s", "y", "x"),
		"joined": keyOf("s", "xy", ""), "twin": twinKey(r, 1), "another twin": twinKey(r, 2), "bytes": bytesKey(r), "tag": keyOf("t", "x", ""),
	} {
		if other, met := keys[k]; met {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[k] = name
	}
	if sessionTag("a") == sessionTag("b") {
		t.Error("sessions are not told apart by their tags")
	}
}

// TestQuanta: an instant is remembered as no earlier than it was, and by less than a quantum later.
func TestQuanta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := epoch.Add(time.Duration(rapid.Int64Range(0, 50*365*86_400).Draw(t, "second")) * time.Second)
		back := epoch.Add(time.Duration(quanta(instant)) * quantum)
		if back.Before(instant) || back.Sub(instant) >= quantum {
			t.Fatalf("%v is remembered as %v", instant, back)
		}
	})
	if quanta(epoch.Add(-time.Hour)) != 0 || quanta(epoch.AddDate(200, 0, 0)) != 1<<16-1 {
		t.Error("instants beyond what is counted are not at its ends")
	}
}
