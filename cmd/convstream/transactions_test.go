package main

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/proof/proxy"
	"github.com/convstream/convstream/cmd/internal/proof/scenario"
)

// transactions follows the transactions of a world's workers on their way to the brokers.
type transactions struct {
	mu      sync.Mutex
	phase   phase
	asked   int // requests that count for the moment
	moment  scenario.Moment
	act     func()
	met     chan struct{}
	found   phase         // in which phase the moment was
	commits chan struct{} // closed with the next commit
	at      time.Time     // of the last commit
}

// phase is how far a transaction is, as the brokers know.
type phase string

const (
	idle   phase = "no transaction"
	opened phase = "open"
	ending phase = "at commit" // asked for; the answer has not come back
)

func newTransactions() *transactions { return &transactions{phase: idle, commits: make(chan struct{})} }

// see is for proxy.Proxy.Watch.
func (x *transactions) see(what proxy.Passing) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if what.Answer {
		x.answered(what)
		return true
	}
	if what.Key == kmsg.EndTxn || !x.moment.Ends && (what.Key == kmsg.AddPartitionsToTxn || what.Key == kmsg.Produce) {
		if x.asked++; x.met != nil && x.asked == x.moment.Request && !x.reached() {
			return false
		}
	}
	switch what.Key {
	case kmsg.InitProducerID:
		x.phase = idle
	case kmsg.AddPartitionsToTxn:
		x.phase = opened
	case kmsg.EndTxn:
		x.phase = ending
	}
	return true
}

func (x *transactions) answered(what proxy.Passing) {
	if what.Key != kmsg.EndTxn || what.Error != 0 || x.phase != ending {
		return
	}
	x.phase, x.at = idle, time.Now()
	close(x.commits)
	x.commits = make(chan struct{})
}

// reached acts at the moment, or has it done later; false is that the request must not pass.
func (x *transactions) reached() bool {
	act, met := x.act, x.met
	x.met = nil
	if x.moment.After == 0 {
		x.found = x.phase
		act()
		close(met)
		return false
	}
	time.AfterFunc(x.moment.After, func() {
		act()
		x.mu.Lock()
		x.found = x.phase
		x.mu.Unlock()
		close(met)
	})
	return true
}

// expect acts at the moment; what it gives is closed thereafter.
func (x *transactions) expect(m scenario.Moment, act func()) (met <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked, x.moment, x.act, x.met = 0, m, act, make(chan struct{})
	return x.met
}

// forget makes nothing of answers that come for a worker that has died.
func (x *transactions) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.phase = idle
}

// was tells in which phase the last moment was.
func (x *transactions) was() phase {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.found
}

// next gives a channel that is closed with the next commit.
func (x *transactions) next() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.commits
}

// last is when a commit was answered last.
func (x *transactions) last() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.at
}
