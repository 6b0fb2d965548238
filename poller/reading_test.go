package poller

import (
	"errors"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestHowOftenAQuestionIsAsked until its window counts as one that fails.
func TestHowOftenAQuestionIsAsked(t *testing.T) {
	down := serviceError(smartassist.Temporary, 503, smartassist.CategoryStatus5xx)
	slow := serviceError(smartassist.Temporary, 0, smartassist.CategoryTimeout)
	for name, c := range map[string]struct {
		task    Task
		err     error
		met     int  // rows that came before
		others  bool // other requests are answered meanwhile
		outage  bool
		offset  bool // of a page that may not be there
		maxAsks int
		want    int
	}{
		"as usual":                               {task: Task{Reason: Gap}, err: down, want: tries},
		"a window that failed before":            {task: Task{Reason: Gap, Retry: true}, err: down, want: triesAgain},
		"too slow":                               {task: Task{Reason: Gap}, err: slow, want: 2},
		"refused":                                {task: Task{Reason: Gap}, err: serviceError(smartassist.Refused, 400, smartassist.CategoryStatus4xx), want: 1},
		"the newest rows in an outage":           {task: Task{Reason: Head}, err: down, outage: true, want: 1},
		"in an outage, with rows":                {task: Task{Reason: Head}, err: down, outage: true, met: 1, want: tries},
		"a walk while nothing else is read":      {task: Task{Reason: Gap}, err: down, met: 100, want: triesAlone},
		"a walk while other windows are read":    {task: Task{Reason: Gap}, err: down, met: 100, others: true, want: tries},
		"a page behind others that is not there": {task: Task{Reason: Gap}, err: down, met: 100, maxAsks: 2, want: 2},
		"an error of another kind":               {task: Task{Reason: Gap}, err: errors.New("no"), want: tries},
	} {
		t.Run(name, func(t *testing.T) {
			g := newReader(at(0)).begin(c.task)
			defer g.stop()
			for i := range c.met {
				g.collector.met[rowKey{session: string(rune('a' + i))}] = true
			}
			g.collector.maxTries = c.maxAsks
			asked, answers := 1, 7
			for g.failed(c.err, answers, c.outage, at(0)) {
				if asked++; c.others {
					answers++
				}
				if asked > 100 {
					t.Fatal("it is asked for ever")
				}
			}
			if asked != c.want {
				t.Errorf("asked %d times, want %d", asked, c.want)
			}
		})
	}
}

// TestAQuestionWaits half a second after its first failure, and twice as long after each other one, up to eight seconds.
func TestAQuestionWaits(t *testing.T) {
	g := newReader(at(0)).begin(Task{Reason: Gap})
	defer g.stop()
	for i := range 3 {
		g.collector.met[rowKey{session: string(rune('a' + i))}] = true
	}
	now := at(0)
	for i, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 8000} {
		if !g.failed(errors.New("no"), 0, false, now) {
			t.Fatalf("given up after %d failures", i+1)
		}
		if got := g.wait(now); got != want*time.Millisecond {
			t.Errorf("after failure %d: %v, want %v", i+1, got, want*time.Millisecond)
		}
		now = now.Add(want * time.Millisecond)
		if got := g.wait(now); got != 0 {
			t.Errorf("and then another %v", got)
		}
	}
	g.answered(smartassist.Page{}, nil)
	if g.failures != 0 {
		t.Errorf("%d failures after an answer", g.failures)
	}
}

// TestAReadGoesOnWhenOurClockIsSet: how long it waits stays as it was.
func TestAReadGoesOnWhenOurClockIsSet(t *testing.T) {
	g := newReader(at(0)).begin(Task{Reason: Gap})
	defer g.stop()
	g.notBefore, g.collector.clock = at(4), Clock{Ahead: time.Minute, Known: true}
	g.stepped(-time.Hour)
	if d := g.wait(at(0).Add(-time.Hour)); d != 4*time.Second || g.collector.clock.Ahead != time.Hour+time.Minute {
		t.Errorf("waits for %v, the service's clock is %v ahead", d, g.collector.clock.Ahead)
	}
}

func TestWaitUntil(t *testing.T) {
	for _, c := range []struct{ at, want int }{{0, 0}, {-5, 0}, {3, 3}, {10, 10}, {11, 0}, {86400, 0}} {
		if got := waitUntil(at(c.at), at(0), 10*time.Second); got != time.Duration(c.want)*time.Second {
			t.Errorf("until second %d: %v, want %d s", c.at, got, c.want)
		}
	}
}

// TestAReadThatIsStopped asks nothing more, and its result is an error.
func TestAReadThatIsStopped(t *testing.T) {
	s := &paged{rows: rowsEvery(300, 1000, 1)}
	g := newReader(at(100_000)).begin(Task{Window: window(1000, 1300)})
	g.answered(s.Page(t.Context(), g.query))
	if !g.asking {
		t.Fatal("one page was all")
	}
	g.stop()
	if !errors.Is(g.result.Err, errStopped) || g.result.Proven || len(g.result.Rows) != 100 {
		t.Errorf("%v, proven %t, %d rows", g.result.Err, g.result.Proven, len(g.result.Rows))
	}
}

func TestKindsOfFailure(t *testing.T) {
	for name, c := range map[string]struct {
		err                                                 error
		timeout, throttled, refused, noSuchPage, everywhere bool
		category                                            string
	}{
		"timeout":   {serviceError(smartassist.Temporary, 0, smartassist.CategoryTimeout), true, false, false, false, false, "timeout"},
		"throttled": {serviceError(smartassist.Throttled, 429, smartassist.CategoryThrottled), false, true, false, false, true, "throttled"},
		"refused":   {serviceError(smartassist.Refused, 400, smartassist.CategoryStatus4xx), false, false, true, true, false, "status_4xx"},
		"500":       {serviceError(smartassist.Temporary, 500, smartassist.CategoryStatus5xx), false, false, false, true, false, "status_5xx"},
		"408":       {serviceError(smartassist.Temporary, 408, smartassist.CategoryStatus5xx), false, false, false, false, false, "status_5xx"},
		"login":     {serviceError(smartassist.Login, 401, smartassist.CategoryLogin), false, false, false, false, true, "login"},
		"dns":       {serviceError(smartassist.Temporary, 0, smartassist.CategoryDNS), false, false, false, false, true, "dns"},
		"another":   {errors.New("no"), false, false, false, false, false, "unknown"},
		"wrapped":   {errors.Join(serviceError(smartassist.Login, 401, smartassist.CategoryLogin)), false, false, false, false, true, "login"},
	} {
		if isTimeout(c.err) != c.timeout || throttled(c.err) != c.throttled || refused(c.err) != c.refused || noSuchPage(c.err) != c.noSuchPage || everywhere(c.err) != c.everywhere {
			t.Errorf("%s: timeout %t, throttled %t, refused %t, no such page %t, everywhere %t", name, isTimeout(c.err), throttled(c.err), refused(c.err), noSuchPage(c.err), everywhere(c.err))
		}
		if category, _ := explain(c.err); category != c.category {
			t.Errorf("%s: category %q, want %q", name, category, c.category)
		}
	}
}
