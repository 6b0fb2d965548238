// Package verify holds what a worker published against what the service told it. It believes neither: the service's side
// are the pages that left it (Journal, fed by simulator.Config.Observe), the worker's side is what an independent
// read_committed consumer sees (Consume). Rows are compared by the simulator's own notion of equality, which shares no
// code with the worker's.
package verify

import (
	"slices"
	"sync"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// Journal is every page that left the service whole, in order.
type Journal struct {
	mu      sync.Mutex
	answers []answer
	off     []time.Duration
}

type answer struct {
	simulator.Answered
	at time.Time // by our clock
}

// Observe notes a page; it is for simulator.Config.Observe.
func (j *Journal) Observe(a simulator.Answered) {
	at := time.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answers = append(j.answers, answer{a, at})
}

// ClockOff says that the clock of a worker was so far ahead of ours for a while, or behind it, if negative.
func (j *Journal) ClockOff(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if d != 0 && !slices.Contains(j.off, d) {
		j.off = append(j.off, d)
	}
}

// clocks are how far the clocks of workers may have been ahead of ours.
// A clock that was set while an answer was on its way makes it older by as much.
func (j *Journal) clocks() []time.Duration {
	out := append([]time.Duration{0}, j.off...)
	for _, d := range j.off {
		out = append(out, -d)
	}
	return out
}

// said is when a worker whose clock was so far ahead of ours says that it was answered: the earlier of its clock and the Date header.
func (a answer) said(ahead time.Duration) time.Time {
	at := a.at.Add(ahead)
	if date := a.At.Truncate(time.Second); !a.At.IsZero() && date.Before(at) {
		return date
	}
	return at
}

func (j *Journal) served() map[simulator.AnsweredRow]bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := map[simulator.AnsweredRow]bool{}
	for _, a := range j.answers {
		for _, row := range a.Rows {
			out[row] = true
		}
	}
	return out
}
