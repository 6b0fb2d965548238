package poller

import (
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestTwinsAreSilentWhenIgnoreChanges: their contents are known by the list of pointers that they were published with.
func TestTwinsAreSilentWhenIgnoreChanges(t *testing.T) {
	rows := []smartassist.Row{
		row(`{"sessionId":"s-1","botId":"a","note":"x","sessionStartTime":"2024-09-24T07:20:15"}`),
		row(`{"sessionId":"s-1","botId":"b","note":"x","sessionStartTime":"2024-09-24T07:20:15"}`),
	}
	now := time.Date(2024, 9, 24, 8, 0, 0, 0, time.UTC)
	s := &State{Account: "a"}
	judge := func(list ...string) Judgement {
		ig, err := smartassist.ParseIgnore(list)
		if err != nil {
			t.Fatal(err)
		}
		prints := s.Ledger.ignore(ig)
		d := s.Seen.Draft()
		d.prints = prints
		j := d.Judge(rows, Deduplication{Mode: ByRevision, Ignore: ig}, now, now)
		s.Seen.Apply(d.Changes)
		return j
	}
	if j := judge(); len(j.Fresh) != 2 {
		t.Fatalf("first: %d", len(j.Fresh))
	}
	if j := judge(); len(j.Fresh) != 0 {
		t.Fatalf("again: %d", len(j.Fresh))
	}
	if j := judge("/note"); len(j.Fresh) != 0 {
		t.Errorf("after the list changed: %d unchanged rows are published again", len(j.Fresh))
	}
}

// TestTwinsByIgnoredMembersAreNone: twins that differ in nothing but what is ignored are one row.
func TestTwinsByIgnoredMembersAreNone(t *testing.T) {
	rows := []smartassist.Row{
		row(`{"sessionId":"s-1","note":"x","sessionStartTime":"2024-09-24T07:20:15"}`),
		row(`{"sessionId":"s-1","note":"y","sessionStartTime":"2024-09-24T07:20:15"}`),
	}
	now := time.Date(2024, 9, 24, 8, 0, 0, 0, time.UTC)
	ig, _ := smartassist.ParseIgnore([]string{"/note"})
	s := &Seen{}
	d := s.Draft()
	j := d.Judge(rows, Deduplication{Mode: ByRevision, Ignore: ig}, now, now)
	if len(j.Fresh) != 1 {
		t.Errorf("%d revisions of one fingerprint: %v", len(j.Fresh), j.Fresh[len(j.Fresh)-1].Number)
	}
}

// TestReplayWithAClockAhead: a batch of a Replay bears our clock, which may be nine days ahead; how far memory reaches goes by the
// service's.
func TestReplayWithAClockAhead(t *testing.T) {
	real := time.Now().UTC().Truncate(time.Second)
	ahead := 9 * 24 * time.Hour
	ledger := Ledger{Sequence: 1, From: real.Add(-24 * time.Hour), Coverage: Coverage{}.Add(Stretch{Window: Window{real.Add(-24 * time.Hour), real.Add(-2 * time.Minute)}, ReadAt: real})}
	_ = ledger
	cfg := Config{Tiers: defaultTiers, Settle: 2 * time.Minute, Interval: 30 * time.Second, PageLimit: 100, Now: func() time.Time { return real.Add(ahead) }}
	st := &State{Account: "a", Ledger: ledger}
	p := New(cfg, nil, nil, st)
	p.agenda.Clock = Clock{-ahead, true}
	now := p.cfg.Now().UTC().Truncate(time.Second)
	p.addBatch(Batch{Read: Read{Window: Window{now, now}, At: now}, Reason: Replay}, true) // as Replay does
	p.forget(p.cfg.Now())
	if p.agenda.Reach.After(real.Add(-168 * time.Hour)) {
		t.Errorf("Reach is %v, that is %v from the real now", p.agenda.Reach, p.agenda.Reach.Sub(real))
	}
}
