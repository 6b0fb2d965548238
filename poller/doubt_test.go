package poller

import (
	"testing"
	"time"
)

// TestWhatWasBelievedIsReadAgain: once a short page was found not to be the last, all that was covered on the strength of
// short pages is due, and what was promised of it stands.
func TestWhatWasBelievedIsReadAgain(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	covered := Window{now.Add(-20 * time.Hour), now.Add(-time.Hour)}
	a := newAgenda(Rules{Settle: time.Minute, Interval: time.Minute, Tiers: []Tier{{24 * time.Hour, 6 * time.Hour}}, Rows: 100}, Ledger{
		Sequence: 1, From: covered.Start, Coverage: Coverage{}.Add(Stretch{Window: covered, ReadAt: now.Add(-time.Minute)}),
	}, now)
	due := func() time.Duration {
		d := time.Duration(0)
		for _, piece := range a.pieces(now) {
			if piece.overdue >= 1 {
				d += piece.Len()
			}
		}
		return d
	}
	if got := due(); got != 0 {
		t.Errorf("%v due before anything was found out", got)
	}
	a.doubt(now)
	if got := due(); got != covered.Len() {
		t.Errorf("%v due, want all of the %v that were believed", got, covered.Len())
	}
	if through := a.Coverage.Through(covered.Start); !through.Equal(covered.End) {
		t.Errorf("complete through %v, want %v: what was promised stands", through, covered.End)
	}
}
