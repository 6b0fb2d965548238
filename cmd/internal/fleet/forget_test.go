package fleet

import (
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// steppedClock is a clock that is set, beside the true one.
type steppedClock struct{ ahead atomic.Int64 }

// set makes the clock so much ahead; negative: behind.
func (c *steppedClock) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

func (c *steppedClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// once fails the test where anything was published twice: an identity that begins anew, or a content that did not change.
func (w *world) once(least int) *verify.Report {
	w.t.Helper()
	r := w.verify()
	if r.Twice > 0 {
		w.t.Errorf("%d of %d revisions are there twice", r.Twice, r.Revisions)
	}
	if r.Conversations < least {
		w.t.Errorf("%d conversations, want %d at least: the test shows nothing", r.Conversations, least)
	}
	w.t.Log(describe(r))
	return r
}

// freshWithin is fresh where the head is read seldom.
func (w *world) freshWithin(most time.Duration, r *verify.Report) {
	w.t.Helper()
	if behind := time.Since(r.CompleteThrough); behind > most {
		w.t.Errorf("complete through %v, %v ago", r.CompleteThrough, behind)
	}
}

// TestRereadRaised: what was forgotten under a shorter horizon is not read again under a longer one.
func TestRereadRaised(t *testing.T) {
	long(t)
	t.Parallel()
	c := simulator.Config{History: 72 * time.Hour, PerMinute: 0.2}
	env := frugal(map[string]string{"START_FROM": "72h", "POLL_INTERVAL": "15m", "REREAD": "1h:30m,6h:2h"})
	inWorld(t, c, env, func(w *world) {
		w.run(30 * time.Hour) // the memory has time to forget: the horizon has been the same for a day
		before := w.worker.Status().Poller.Remembered
		w.env["REREAD"] = "1h:30m,6h:2h,168h:3h"
		w.run(6 * time.Hour)
		w.freshWithin(20*time.Minute, w.once(800))
		t.Logf("%d entries were remembered", before)
	})
}

// TestRereadLoweredForAMinute: a setting that was wrong for some minutes makes the worker forget nothing.
func TestRereadLoweredForAMinute(t *testing.T) {
	long(t)
	t.Parallel()
	c := simulator.Config{History: 168 * time.Hour, PerMinute: 0.1}
	env := frugal(map[string]string{"START_FROM": "168h", "POLL_INTERVAL": "15m", "REREAD": "1h:30m,168h:3h"})
	inWorld(t, c, env, func(w *world) {
		w.run(26 * time.Hour)
		w.env["REREAD"] = "1h:30m"
		w.run(10 * time.Minute)
		w.env["REREAD"] = env["REREAD"]
		w.run(7 * time.Hour)
		w.freshWithin(20*time.Minute, w.once(800))
	})
}

// TestAPartialWindowOfLongAgo: where something else is asked for, the coverage begins anew no earlier than the memory reaches,
// though completeThrough has stood at a window of twenty days ago ever since.
func TestAPartialWindowOfLongAgo(t *testing.T) {
	long(t)
	t.Parallel()
	const ago = 20 * 24 * time.Hour
	c := simulator.Config{
		History: ago, PerMinute: 0.04, Burst: []simulator.Burst{{At: bubble.Add(-ago + 5*time.Hour), Rows: 1300}},
		Switches: simulator.Switches{OffsetCountsPages: true, OffsetCap: 10},
	}
	env := frugal(map[string]string{"START_FROM": ago.String(), "POLL_INTERVAL": "15m", "REREAD": "1h:30m,24h:6h"})
	inWorld(t, c, env, func(w *world) {
		w.run(30 * time.Hour)
		if w.worker.Status().Poller.CompleteThrough.After(bubble) {
			t.Error("nothing was partial: the test shows nothing")
		}
		w.env["SMARTASSIST_CHANNELS"] = "voice,rtm"
		w.run(3 * time.Hour)
		w.freshWithin(20*time.Minute, w.once(800))
	})
}

// TestAClockNineDaysAhead for an hour makes the worker forget nothing; and once it is put right, new rows are published.
func TestAClockNineDaysAhead(t *testing.T) {
	t.Parallel()
	c := simulator.Config{History: 48 * time.Hour, PerMinute: 0.2, LateBy: -1}
	env := frugal(map[string]string{"START_FROM": "48h", "POLL_INTERVAL": "2m", "REREAD": "1h:10m,168h:2h"})
	inWorld(t, c, env, func(w *world) {
		var clock steppedClock
		w.now = clock.now
		stop := w.start()
		time.Sleep(3 * time.Hour)
		clock.set(9 * 24 * time.Hour)
		time.Sleep(time.Hour)
		clock.set(0)
		right := time.Now()
		time.Sleep(5 * time.Hour)
		w.must(stop())
		w.fresh(w.once(400))
		w.flows(right.Add(time.Minute), time.Now().Add(-5*time.Minute), time.Time{}, 4*time.Minute)
	})
}

// TestAClockNineDaysAheadAtAStart is the same with a worker that is started under the wrong clock, and another under the right one.
func TestAClockNineDaysAheadAtAStart(t *testing.T) {
	t.Parallel()
	c := simulator.Config{History: 48 * time.Hour, PerMinute: 0.2, LateBy: -1}
	env := frugal(map[string]string{"START_FROM": "48h", "POLL_INTERVAL": "2m", "REREAD": "1h:10m,168h:2h"})
	inWorld(t, c, env, func(w *world) {
		w.run(3 * time.Hour)
		var clock steppedClock
		clock.set(9 * 24 * time.Hour)
		w.now = clock.now
		w.run(time.Hour)
		w.now = nil
		right := time.Now()
		w.run(5 * time.Hour)
		w.fresh(w.once(400))
		w.flows(right.Add(time.Minute), time.Now().Add(-5*time.Minute), time.Time{}, 4*time.Minute)
	})
}

// TestWithheldConversationsAreNotForgotten: what was open when work came to a stand, and would have been published when it was
// closed, is published after that, though the horizon has passed over it meanwhile.
func TestWithheldConversationsAreNotForgotten(t *testing.T) {
	t.Parallel()
	const open, works, stands = 3 * time.Hour, 6 * time.Hour, 52 * time.Hour
	var c simulator.Config
	starts := map[string]time.Time{}
	for at := bubble.Add(-4 * time.Hour); at.Before(bubble.Add(works + stands + 2*time.Hour)); at = at.Add(15 * time.Minute) {
		id := "c-" + at.Format("0215-0405")
		starts[id] = at
		c.Extra = append(c.Extra, extra(id, "@"+at.Add(open).Format(time.DateTime)+"@", at, at, ""))
	}
	g := &gateway{changes: func(_ pageRequest, _ http.Header, page []byte) []byte {
		return untilThen.ReplaceAllFunc(page, func(mark []byte) []byte {
			if until, err := time.Parse(time.DateTime, string(mark[1:len(mark)-1])); err == nil && time.Now().Before(until) {
				return []byte("TRANSIENT_OPEN")
			}
			return []byte("CLOSED")
		})
	}}
	env := frugal(map[string]string{"START_FROM": "4h", "POLL_INTERVAL": "5m", "REREAD": "1h:5m,48h:6h", "DEDUPLICATE": "conversation"})
	inWorldBehind(t, g, c, env, func(w *world) {
		w.run(works)
		stopped := time.Now()
		time.Sleep(stands)
		w.run(12 * time.Hour)
		times := map[string]int{}
		for _, s := range w.stored() {
			if times[s.ID]++; times[s.ID] > 1 {
				t.Errorf("%s is there %d times", s.ID, times[s.ID])
			}
		}
		missing, withheld := 0, 0
		for id, at := range starts {
			if at.Before(stopped) && at.Add(open).After(stopped) {
				withheld++
			}
			if times[id] == 0 {
				missing++
				t.Logf("missing: started %v", at)
			}
		}
		if missing > 0 || withheld < 10 {
			t.Errorf("%d of %d conversations are not published; %d were open when work came to a stand", missing, len(starts), withheld)
		}
	})
}

// untilThen marks, in a row of a test, a status that is open until then.
var untilThen = regexp.MustCompile(`@[0-9: -]{19}@`)
