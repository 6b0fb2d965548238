package poller

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

func row(format string, args ...any) smartassist.Row {
	return smartassist.ParseRow(fmt.Appendf(nil, format, args...))
}

func contact(id, session, status string) smartassist.Row {
	return row(`{"conversationId":%q,"sessionId":%q,"finalStatus":%q,"sessionStartTime":"2026-03-01T00:00:00"}`, id, session, status)
}

// judge1 judges the rows of one read and applies the result, as a commit does.
func judgeAndApply(s *Seen, mode Deduplicate, now time.Time, rows ...smartassist.Row) Judgement {
	d := s.Draft()
	j := d.Judge(rows, Deduplication{Mode: mode}, now, now)
	s.Apply(d.Changes)
	return j
}

func TestEachContentOfEachSessionIsPublishedOnceAndRevisionsCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Seen
		last := map[string]string{}     // identity+session -> content
		revisions := map[string]int32{} // identity -> last revision
		for range rapid.IntRange(1, 40).Draw(t, "rows") {
			id := rapid.SampledFrom([]string{"c-1", "c-2", "c-3"}).Draw(t, "id")
			session := rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "session")
			status := rapid.SampledFrom([]string{"TRANSIENT_OPEN", "CLOSED", "Dropped"}).Draw(t, "status")
			j := judgeAndApply(&s, ByRevision, at(0), contact(id, session, status))
			if changed := last[id+session] != status; changed != (len(j.Fresh) == 1) || changed == (j.Unchanged == 1) {
				t.Fatalf("%s %s %s after %q: fresh %d, unchanged %d", id, session, status, last[id+session], len(j.Fresh), j.Unchanged)
			}
			for _, r := range j.Fresh {
				revisions[id]++
				if r.Number != revisions[id] || (r.Change == First) != (r.Number == 1) {
					t.Fatalf("%s: revision %d %s, want %d", id, r.Number, r.Change, revisions[id])
				}
			}
			last[id+session] = status
		}
	})
}

func TestRowsOfOneReadSeeEachOther(t *testing.T) {
	var s Seen
	j := judgeAndApply(&s, ByRevision, at(0),
		contact("c-1", "s1", "CLOSED"), contact("c-1", "s2", "CLOSED"), contact("c-1", "s1", "CLOSED"))
	if len(j.Fresh) != 2 || j.Fresh[1].Number != 2 || j.Unchanged != 1 || j.New != 1 {
		t.Fatalf("fresh %d (second is revision %d), unchanged %d, new %d", len(j.Fresh), j.Fresh[1].Number, j.Unchanged, j.New)
	}
}

func TestByConversationPublishesOnceWhenClosedOrADayOld(t *testing.T) {
	var s Seen
	steps := []struct {
		name  string
		after time.Duration
		row   smartassist.Row
		fresh int
	}{
		{"open and young waits", time.Minute, contact("c-1", "s1", "TRANSIENT_OPEN"), 0},
		{"closed is published", time.Hour, contact("c-1", "s1", "CLOSED"), 1},
		{"changed later is not", 2 * time.Hour, contact("c-1", "s1", "Dropped"), 0},
		{"on another session is not", 2 * time.Hour, contact("c-1", "s2", "CLOSED"), 0},
		{"open for 23 hours waits", 23 * time.Hour, contact("c-2", "s3", "TRANSIENT_OPEN"), 0},
		{"open for a day is published", 24 * time.Hour, contact("c-2", "s3", "TRANSIENT_OPEN"), 1},
		{"and closed later is not", 25 * time.Hour, contact("c-2", "s3", "CLOSED"), 0},
	}
	for _, step := range steps {
		j := judgeAndApply(&s, ByConversation, t0.Add(step.after), step.row)
		if len(j.Fresh) != step.fresh || j.Unchanged != 1-step.fresh {
			t.Errorf("%s: fresh %d, unchanged %d", step.name, len(j.Fresh), j.Unchanged)
		}
	}
}

func TestContactSupersedesTheBotRowOfItsSession(t *testing.T) {
	var s Seen
	judgeAndApply(&s, ByRevision, at(0), row(`{"sessionId":"66c97ba342aad0ced15f0001","channel":"voice"}`))
	j := judgeAndApply(&s, ByRevision, at(60), contact("c-1", "66c97ba342aad0ced15f0001", "CLOSED"), contact("c-2", "other", "CLOSED"))
	if j.Fresh[0].Supersedes != "66c97ba342aad0ced15f0001" || j.Fresh[1].Supersedes != "" {
		t.Fatalf("supersedes %q and %q", j.Fresh[0].Supersedes, j.Fresh[1].Supersedes)
	}
}

// A bot session that no broker took, or that is the assist side of a conversation, is nothing to supersede.
func TestContactSupersedesNothingThatWasNotPublished(t *testing.T) {
	var s Seen
	d := s.Draft()
	refuse := func(smartassist.Row, uint64) error { return errors.New("refused") }
	d.Judge([]smartassist.Row{row(`{"sessionId":"s1","channel":"voice"}`)}, Deduplication{Mode: ByRevision, Refused: refuse}, at(0), at(0))
	s.Apply(d.Changes)
	judgeAndApply(&s, ByRevision, at(0), row(`{"sessionId":"s2","channel":"agentassist"}`))
	j := judgeAndApply(&s, ByRevision, at(60), contact("c-1", "s1", "CLOSED"), contact("c-2", "s2", "CLOSED"))
	for _, r := range j.Fresh {
		if r.Supersedes != "" {
			t.Errorf("%s supersedes %q", r.Row.Identity(), r.Supersedes)
		}
	}
	if len(j.Fresh) != 2 {
		t.Errorf("%d fresh", len(j.Fresh))
	}
}

func TestDeadRowIsGivenOnceForItsContent(t *testing.T) {
	var s Seen
	if j := judgeAndApply(&s, ByRevision, at(0), row(`42`), row(`{}`), row(`42`)); len(j.Dead) != 2 || j.Unchanged != 1 {
		t.Fatalf("dead %d, unchanged %d", len(j.Dead), j.Unchanged)
	}
	if j := judgeAndApply(&s, ByRevision, at(0), row(`42`)); len(j.Dead) != 0 || j.Unchanged != 1 {
		t.Fatalf("again: dead %d, unchanged %d", len(j.Dead), j.Unchanged)
	}
}

func TestExpiredEndsWithTheLastWindowThatShowedTheRow(t *testing.T) {
	var s Seen
	judgeAndApply(&s, ByRevision, t0, contact("c-1", "s1", "CLOSED"), contact("c-2", "s2", "CLOSED"))
	judgeAndApply(&s, ByRevision, t0.Add(100*time.Hour), contact("c-2", "s2", "CLOSED"))
	if got := s.Expired(t0, t0, 10); len(got) != 0 {
		t.Fatalf("%d entries expired at the very end of their window", len(got))
	}
	got := s.Expired(t0.Add(3*quantum), t0.Add(3*quantum), 10)
	if len(got) != 1 || got[0].Key != identityKey("c-1") || !got[0].Forget {
		t.Fatalf("expired %v, want c-1 only: c-2 was shown again", got)
	}
	s.Apply(got)
	if s.Len() != 1 {
		t.Fatalf("%d entries left, want 1", s.Len())
	}
}

func TestStateSurvivesRestoring(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := State{Account: "a1", Ledger: Ledger{Sequence: rapid.Int64Range(1, 1<<40).Draw(t, "seq"), From: t0, Asked: "x",
			Paging: Paging{Unit: UnitRows, Proven: 3, Examined: true}, PagingOf: "y",
			Reach: at(-100), Failing: []Failing{{Window: window(3, 4), Reason: Head, Since: at(1), NotBefore: at(2), Failures: 3, Blamed: 2, Category: "c", Partial: true}},
			Horizon: Kept{time.Hour, at(5)}, Ignored: [][]string{{}, {"/a"}}, LastRow: at(7)}}
		s.Learned.At = at(3)
		s.Learned.Watched[3], s.Learned.Changed[9], s.Learned.Late[0] = 1<<20, 0.5, 3
		s.Density = s.Density.Observe(window(0, 100), 70)
		s.Coverage = s.Coverage.Add(Stretch{Window: window(0, 50), ReadAt: at(300), Partial: "", Withheld: false}).Add(Stretch{Window: window(50, 51), ReadAt: at(300), Partial: Capped, Withheld: true})
		var rows []smartassist.Row
		for i := range rapid.IntRange(0, 20).Draw(t, "rows") {
			rows = append(rows, contact(fmt.Sprint("c-", i%7), fmt.Sprint("s", i%3), fmt.Sprint(i)))
		}
		d := s.Seen.Draft()
		d.Judge(rows, Deduplication{Mode: ByRevision}, at(0), at(0))
		s.Seen.Apply(d.Changes)
		other := State{Account: "a"} // a neighbour whose id begins alike
		restored := State{Account: "a1"}
		for _, r := range append(other.Records(Ledger{Sequence: 7}, nil), s.Records(s.Ledger, d.Changes)...) {
			if err := restored.Restore(r); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(restored, s) {
			t.Fatalf("restored %+v of %d entries\nwritten  %+v of %d", restored.Ledger, restored.Seen.Len(), s.Ledger, s.Seen.Len())
		}
	})
}

func TestANewerFormatIsRefused(t *testing.T) {
	var s State
	s.Account = "a1"
	e := Entry{revision: 1}.encode()
	e[0]++
	for name, r := range map[string]Record{
		"entry":       {entryKey("a1", Key{}), e},
		"ledger":      {ledgerKey("a1"), []byte(`{"format":2}`)},
		"unknown key": {[]byte("a1/backfills"), []byte("x")},
	} {
		if err := s.Restore(r); err == nil {
			t.Errorf("%s of a newer format was accepted", name)
		}
	}
}

// TestMemoryOfAConversation holds the promise of at most 64 bytes of heap for a remembered conversation.
func TestMemoryOfAConversation(t *testing.T) {
	if testing.Short() {
		t.Skip("a million entries")
	}
	const n = 1_000_000
	var s Seen
	before := heap()
	for i := range n {
		s.Apply([]Remembered{{Key: identityKey(fmt.Sprint(i)), Entry: Entry{revision: 1}}})
	}
	if each := float64(heap()-before) / n; each > 64 {
		t.Errorf("%.1f bytes of heap for an entry at a million, want at most 64", each)
	} else {
		t.Logf("%.1f bytes of heap for an entry at a million", each)
	}
	runtime.KeepAlive(&s)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRestore is what recovery costs for an entry, once its record is read.
func BenchmarkRestore(b *testing.B) {
	s := State{Account: "65269fe0dd9c622245c10000"}
	records := make([]Record, 100_000)
	for i := range records {
		records[i] = Record{entryKey(s.Account, identityKey(fmt.Sprint(i))), Entry{revision: 1}.encode()}
	}
	for b.Loop() {
		for _, r := range records {
			if err := s.Restore(r); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/entry")
}
