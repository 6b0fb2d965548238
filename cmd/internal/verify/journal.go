// Package verify holds what a worker published against what the service told it. It believes neither: the service's side
// are the pages that left it (Journal, fed by simulator.Config.Observe), the worker's side is what an independent
// read_committed consumer sees (Consume). Rows are compared by the simulator's own notion of equality, which shares no
// code with the worker's.
package verify

import (
	"sync"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// Journal is every page that left the service whole, in order.
type Journal struct {
	mu      sync.Mutex
	answers []answer
}

type answer struct {
	simulator.Answered
	at time.Time // the earlier of our clock and the Date header
}

// Observe notes a page; it is for simulator.Config.Observe.
func (j *Journal) Observe(a simulator.Answered) {
	at := time.Now()
	if date := a.At.Truncate(time.Second); date.Before(at) {
		at = date
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answers = append(j.answers, answer{a, at})
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
