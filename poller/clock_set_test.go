package poller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// stepping is a service without rows, and a clock of ours that is set while one of its answers is on the way.
type stepping struct {
	keeps
	ahead   time.Duration // our clock
	n       int           // requests so far
	setAt   int           // the request during which it is set
	through time.Time     // completeThrough of the last commit
}

func (s *stepping) now() time.Time { return time.Now().Add(s.ahead).Round(0) }

func (s *stepping) Page(_ context.Context, q smartassist.Query) (smartassist.Page, error) {
	s.n++
	page := smartassist.Page{Sent: s.now(), NumResults: 0}
	began := time.Now()
	time.Sleep(time.Second)
	if s.n == s.setAt {
		s.ahead = 0
	}
	page.Date = time.Now().Truncate(time.Second)
	page.Took = time.Since(began)
	return page, nil
}

func (s *stepping) Commit(_ context.Context, b Bundle) error {
	s.through = b.Batches[len(b.Batches)-1].CompleteThrough
	return nil
}

// TestOurClockIsSetBackDuringARequest: what was read counts by the clock as it is now. Before, completeThrough was ahead of the time
// by as much as our clock had been.
func TestOurClockIsSetBackDuringARequest(t *testing.T) {
	for setAt := 20; setAt < 40; setAt++ {
		synctest.Test(t, func(t *testing.T) {
			s := &stepping{ahead: 50 * time.Minute, setAt: setAt}
			cfg := Config{StartFrom: time.Hour, PageLimit: 100, Interval: 30 * time.Second, Settle: 2 * time.Minute, Deduplicate: ByRevision, Log: zerolog.Nop(), Now: s.now,
				Tiers: []Tier{{time.Hour, 5 * time.Minute}}}
			state := &State{Account: "a"}
			state.Paging = Paging{Unit: UnitRows, BeyondCap: true, Largest: 100, Proven: 99, Examined: true}
			p := New(cfg, s, s, state)
			defer p.giveUp()
			for s.n < setAt+30 {
				wait, err := p.RunOnce(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if ahead := time.Until(s.through); ahead > -time.Minute {
					t.Errorf("set at request %d (now %d): completeThrough is %v ahead of the true time", setAt, s.n, ahead)
					return
				}
				time.Sleep(wait)
			}
		})
	}
}
