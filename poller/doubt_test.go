package poller

import (
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestWhatWasBelievedIsReadAgain: once a short page was found not to be the last, all that was covered on the strength of
// short pages is due, and what was promised of it stands.
func TestWhatWasBelievedIsReadAgain(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	covered := Window{now.Add(-20 * time.Hour), now.Add(-time.Hour)}
	state := &State{Account: "a"}
	state.Ledger = Ledger{Sequence: 1, From: covered.Start, Asked: "s", Coverage: Coverage{}.Add(Stretch{covered, now.Add(-time.Minute), false})}
	cfg := Config{Selection: "s", PageLimit: 100, Interval: time.Minute, Settle: time.Minute, Tiers: []Tier{{24 * time.Hour, 6 * time.Hour}}, Log: zerolog.Nop()}
	p := New(cfg, nil, nil, state)
	read := Read{Window: Window{covered.End, now.Add(-30 * time.Minute)}, At: now, Proven: true}
	due := func() time.Duration {
		d := time.Duration(0)
		for _, piece := range (Plan{Now: now, Tiers: cfg.Tiers, Coverage: p.next(read).Coverage}).pieces() {
			if piece.overdue >= 1 {
				d += piece.Len()
			}
		}
		return d
	}
	if got := due(); got != 0 {
		t.Errorf("%v due before anything was found out", got)
	}
	p.reader.Paging.ShortUnsafe = true
	if got := due(); got != covered.Len() {
		t.Errorf("%v due, want all of the %v that were believed", got, covered.Len())
	}
	if through := p.next(read).Coverage.Through(covered.Start); !through.Equal(read.End) {
		t.Errorf("complete through %v, want %v: what was promised stands", through, read.End)
	}
	p.pending.Paging.ShortUnsafe = true
	if got := due(); got != 0 {
		t.Errorf("%v due, although it was known before", got)
	}
}
