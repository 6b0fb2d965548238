package poller

import (
	"context"
	"iter"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Source is where pages come from: the service's client.
type Source interface {
	// Page answers one query with one request. Its errors are [smartassist.Error] values or the context's. With an error it
	// may return the rows that stood before what could not be read.
	Page(ctx context.Context, q smartassist.Query) (smartassist.Page, error)
}

// reading is a window on its way through a Reader: the requests are made one at a time, so that those of other windows can come
// between them, and one that fails is made again without the others.
type reading struct {
	task      Task
	collector *collector
	query     smartassist.Query // the question at hand
	asking    bool              // there is one; else result is the outcome
	result    Read

	met       pagesMet
	withheld  bool      // a row of it is not published yet
	failures  int       // of the question at hand
	notBefore time.Time // it is not asked again before
	// answeredBefore is how many requests had been answered when it failed first.
	answeredBefore int
	page           smartassist.Page
	err            error
	next           func() (smartassist.Query, bool)
	stop           func()
}

// begin starts to read a window; the first question is at hand then.
func (r *Reader) begin(t Task) *reading {
	g := &reading{task: t}
	g.next, g.stop = iter.Pull(func(yield func(smartassist.Query) bool) {
		g.collector = r.collector(t, func(q smartassist.Query) (smartassist.Page, error) {
			if !yield(q) {
				return smartassist.Page{}, errStopped
			}
			return g.page, g.err
		})
		g.result = r.read(g.collector)
	})
	g.query, g.asking = g.next()
	return g
}

// answered hands over what came of the question at hand; the next one is at hand then, or the result.
func (g *reading) answered(page smartassist.Page, err error) {
	g.page, g.err, g.failures = page, err, 0
	g.collector.requests++
	g.query, g.asking = g.next()
}

const (
	// tries is how often a question is asked before its window counts as one that fails.
	tries = 5
	// triesAlone is that while nothing else was read either.
	triesAlone = 12
	// triesAgain is that of a window that failed before.
	triesAgain = 2
	// timeout is what one counts for that took too long: nothing else is read meanwhile.
	timeout = 3
)

// failed reports whether the question at hand is asked again, after it was answered with an error: after half a
// second, then 1, 2 and 4 seconds. answers is how many requests have been answered so far. A read of which there are pages is not
// given up before something else could be read meanwhile: it is more likely to be the service that fails. In an outage, when each
// try waits longer, the newest rows are not asked for with the same question twice: the next head begins behind it, and shows
// whether it is the service that fails or this window.
func (g *reading) failed(err error, answers int, outage bool, now time.Time) (again bool) {
	if g.failures == 0 {
		g.answeredBefore = answers
	}
	most := tries
	switch {
	case g.task.Retry:
		most = triesAgain
	case outage && g.task.Reason == Head && len(g.collector.met) == 0:
		most = 1
	case g.collector.known() > 0 && g.task.Reason != Head && answers == g.answeredBefore:
		most = triesAlone
	}
	if g.failures++; isTimeout(err) {
		g.failures += timeout - 1
	}
	if refused(err) || g.failures >= most || g.collector.isAbsent(g.failures, err) {
		return false
	}
	g.collector.requests++
	g.notBefore = now.Add((time.Second << min(g.failures-1, 4)) / 2)
	return true
}

func isTimeout(err error) bool {
	category, _ := explain(err)
	return category == smartassist.CategoryTimeout
}

func throttled(err error) bool {
	category, _ := explain(err)
	return category == smartassist.CategoryThrottled
}

// stepped keeps the read where it is after our clock was set by so much.
func (g *reading) stepped(by time.Duration) {
	g.notBefore, g.collector.clock = moved(g.notBefore, by), g.collector.clock.stepped(by)
}

// wait returns how long it is until the question at hand may be asked.
func (g *reading) wait(now time.Time) time.Duration {
	return waitUntil(g.notBefore, now, 8*time.Second)
}

// waitUntil returns how long it is until the instant; 0 where that is longer than any wait: then the clock was
// set back.
func waitUntil(at, now time.Time, longest time.Duration) time.Duration {
	if d := at.Sub(now); d <= longest {
		return max(0, d)
	}
	return 0
}
