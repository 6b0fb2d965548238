package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
)

// simulation is a plan being played.
type simulation struct {
	*play
	plan
	began time.Time
	slots []*living
	last  byte // names the worker started last
	going sync.WaitGroup

	clocks   []atomic.Int64    // of the workers of each slot: nanoseconds ahead of ours
	settings map[string]string // that are others than the plan's now
	partial  []stretchOfTime   // in the end
	passes   []poller.PassStatus

	mu       sync.Mutex
	traps    []*trap
	met      map[string]int // faults by what they were
	problems []string
}

// living is one run of a worker.
type living struct {
	*player
	worker *worker.Worker
	fleet  *Fleet
	frozen bool
}

// trap waits for a request.
type trap struct {
	event
	left    int
	expires time.Time
}

// action is a part of an event: its beginning, or its end.
type action struct {
	at time.Duration
	do func()
}

// simulate plays the plan and gives what is wrong then, and which faults were met.
func simulate(t *testing.T, p plan) (problems []string, met map[string]int) {
	inWorldOf(t, p.brokers, p.withBadSeconds(), p.env, func(w *world) {
		s := &simulation{
			play: &play{world: w, lan: w.wire}, plan: p, began: time.Now(), met: map[string]int{},
			slots: make([]*living, p.workers), clocks: make([]atomic.Int64, p.workers), settings: map[string]string{},
		}
		fencing(w.cluster)
		s.startClocks()
		for i := range s.slots {
			s.start(i)
		}
		s.run()
		s.end()
		problems, met = s.problems, s.met
	})
	return problems, met
}

func (s *simulation) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

func (s *simulation) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.met[what]++
}

// run plays the events, and looks at the workers every two seconds.
func (s *simulation) run() {
	var actions []action
	for _, e := range s.events {
		actions = append(actions, s.actions(e)...)
	}
	slices.SortStableFunc(actions, func(a, b action) int { return cmp.Compare(a.at, b.at) })
	for time.Since(s.began) < eventful {
		for len(actions) > 0 && actions[0].at <= time.Since(s.began) {
			actions[0].do()
			actions = actions[1:]
		}
		s.look()
		time.Sleep(2 * time.Second)
	}
	for _, a := range actions { // what ends now
		a.do()
	}
}

// look holds that one worker at most may ask the service, and starts those again that have ended by themselves.
func (s *simulation) look() {
	var may []string
	for i, l := range s.slots {
		if l == nil {
			continue
		}
		if s.lease && l.fleet.accounts[accountID].lease.Confirmed() {
			may = append(may, l.fleet.Name)
		}
		select {
		case <-l.ended:
			s.endedBy(i, l.stop())
		default:
		}
	}
	if len(may) > 1 {
		s.problem("%v: %v hold the lease", time.Since(s.began), may)
	}
}

// endedBy is right over an answer that trying again would not change, and where two workers have no lease.
func (s *simulation) endedBy(slot int, err error) {
	s.slots[slot] = nil
	if s.count("exit 1"); !s.has(brokersSay) && s.lease {
		s.problem("%v: worker ended: %v", time.Since(s.began), err)
	}
	s.start(slot)
}

func (s *simulation) has(kind string) bool {
	return slices.ContainsFunc(s.events, func(e event) bool { return e.kind == kind })
}

// start starts a worker where there is none.
func (s *simulation) start(slot int) {
	if s.slots[slot] != nil {
		return
	}
	s.last++
	s.now = func() time.Time { return time.Now().Add(time.Duration(s.clocks[slot].Load())) }
	pl := s.play.Start(string([]byte{'a' + s.last}), s.settings).(*player)
	pl.wire.LateBy = 70 * time.Second
	pl.wire.DecideAll(s.fate)
	s.slots[slot] = &living{player: pl, worker: s.worker, fleet: s.fleet}
}

// fate is that of a request of any worker.
func (s *simulation) fate(r request) loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.traps {
		if t.key == r.Key && t.left > 0 && time.Now().Before(t.expires) {
			t.left--
			s.met[t.what()]++
			return t.loss
		}
	}
	return arrives
}

// actions are the parts of an event.
func (s *simulation) actions(e event) []action {
	until := min(e.at+e.lasts, eventful)
	var do func()
	undo := func() {}
	switch e.kind {
	case requestsGo:
		do = func() { s.trap(e) }
	case brokersSay:
		var f *kfake.FaultHandle
		do = func() { f = s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{e.key}, Err: e.code, Count: e.times}) }
		undo = func() { s.removed(e, f) }
	case serviceSays:
		do = func() { s.count(e.what()); s.service.Script(slices.Repeat([]simulator.Fault{e.fault}, e.times)...) }
	case workerDies:
		do = func() { s.count(e.what()); s.kill(e.slot) }
		undo = func() { s.start(e.slot) }
	case workerGoes:
		do = func() { s.count(e.what()); s.replace(e.slot) }
	case brokersAway:
		do = func() { s.count(e.what()); s.lan.CutBrokers() }
		undo = s.lan.Mend
	case secondIsBad, flakyTime, clockSteps, serviceSteps, settingChanges:
		do, undo = s.troubleOf(e)
	case operatorBackfills, operatorCancels, operatorAccepts, operatorAudits:
		do = s.operator(e)
	default:
		do, undo = s.pairOf(e)
	}
	return []action{{e.at, do}, {until, undo}}
}

// pairOf is an event that befalls whoever is there when it begins, and ends for the same one.
func (s *simulation) pairOf(e event) (do, undo func()) {
	mend := func() {}
	return func() {
		if s.count(e.what()); e.kind == brokerGone {
			mend = s.gone(int32(e.slot))
			return
		}
		l := s.slots[e.slot]
		switch {
		case l == nil:
		case e.kind == workerIsCut:
			l.wire.CutBrokers()
			mend = l.wire.Mend
		default:
			s.freeze(l)
			mend = func() { s.thaw(l) }
		}
	}, func() { mend() }
}

// gone takes a broker away, unless it is already.
func (s *simulation) gone(node int32) (mend func()) {
	if s.cluster.RemoveNode(node) != nil {
		return func() {}
	}
	port := 9092 + int(node)
	s.lan.Cut(fmt.Sprintf("127.0.0.1:%d", port))
	return func() {
		_, _, _ = s.cluster.AddNode(node, port)
		s.lan.Mend()
	}
}

func (s *simulation) removed(e event, f *kfake.FaultHandle) {
	f.Remove()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.met[e.what()] += f.Hits()
}

func (s *simulation) trap(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traps = append(s.traps, &trap{event: e, left: e.times, expires: time.Now().Add(e.lasts)})
}

func (s *simulation) freeze(l *living) {
	if !l.frozen {
		l.frozen = true
		l.Freeze()
	}
}

func (s *simulation) thaw(l *living) {
	if l.frozen {
		l.frozen = false
		l.Thaw()
	}
}

func (s *simulation) kill(slot int) {
	l := s.slots[slot]
	if l == nil {
		return
	}
	s.slots[slot] = nil
	l.wire.Cut("")
	s.thaw(l)
	s.going.Go(func() { _ = l.stop() })
}

// replace starts the new one first, where workers stand by for each other.
func (s *simulation) replace(slot int) {
	l := s.slots[slot]
	if l == nil {
		return
	}
	s.slots[slot] = nil
	if !s.lease {
		s.thaw(l)
		_ = l.stop()
	}
	s.start(slot)
	s.going.Go(func() {
		s.thaw(l)
		_ = l.stop() // what it is in the middle of may fail
	})
}

// end mends everything, lets the workers catch up, and holds the topics against the service.
func (s *simulation) end() {
	s.mu.Lock()
	s.traps = nil
	s.mu.Unlock()
	s.lan.Mend()
	s.service.Script(slices.Repeat([]simulator.Fault{simulator.Healthy}, 2000)...)
	for i, l := range s.slots {
		if l != nil {
			l.wire.Mend()
			s.thaw(l)
		}
		s.start(i)
	}
	for range int(s.calms() / (10 * time.Second)) {
		time.Sleep(10 * time.Second)
		s.look()
	}
	s.notePartial()
	for _, l := range s.slots {
		if err := l.stop(); err != nil {
			s.problem("drain: %v", err)
		}
	}
	s.going.Wait()
	s.judgement()
}

func (s *simulation) judgement() {
	r, err := s.report()
	if err != nil {
		s.problem("%v", err)
		return
	}
	s.complete(r)
	r.CheckClaims(2 * time.Minute)
	s.problems = append(s.problems, r.Problems...)
	s.notStuck(r)
	s.backfilled(r)
	if most := s.service.MaxPerMinute(); s.lease && most > 30 {
		s.problem("%d requests in a minute, the budget is 30", most)
	}
}
