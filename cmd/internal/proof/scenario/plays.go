package scenario

import (
	"testing"
	"time"
)

// alone are the settings of a worker that has no standby: a second one fences it.
var alone = map[string]string{"LEASE": "off"}

// finish lets the worker catch up, ends it, and asks for the judgement.
func finish(w World, worker Worker) {
	w.AwaitComplete()
	worker.Drain()
	w.Check()
}

func pollsAndDrains(_ *testing.T, w World) {
	for range 3 {
		worker := w.Start("a", alone)
		w.AwaitCommits(3)
		worker.Drain()
	}
	finish(w, w.Start("a", alone))
	w.WithinBudget()
}

func killedInCommits(t *testing.T, w World) {
	for range 6 {
		m := AMoment(w.Dice())
		t.Logf("killed %v", m)
		w.Start("a", alone).KillIn(m)
	}
	finish(w, w.Start("a", alone))
	w.WithinBudget()
}

// twoAtOnce: the second fences the first. Were each to fence the other in turn, none would get anywhere.
func twoAtOnce(_ *testing.T, w World) {
	first := w.Start("a", alone)
	w.AwaitCommits(2)
	second := w.Start("b", alone)
	first.Fenced()
	w.AwaitCommits(2)
	finish(w, second)
}

// frozen: the first wakes up in the belief that nothing happened, and publishes nothing.
func frozen(_ *testing.T, w World) {
	first := w.Start("a", alone)
	w.AwaitCommits(2)
	first.Freeze()
	second := w.Start("b", alone)
	w.AwaitCommits(2)
	first.Thaw()
	first.Fenced()
	w.AwaitCommits(2)
	finish(w, second)
}

// frozenForAMoment: nobody took over, so it goes on.
func frozenForAMoment(_ *testing.T, w World) {
	worker := w.Start("a", alone)
	for range 3 {
		w.AwaitCommits(1)
		worker.Freeze()
		w.Wait(1 + w.Dice().IntN(3))
		worker.Thaw()
	}
	finish(w, worker)
	w.WithinBudget()
}

// frozenInACommit: by then the broker has given the transaction up and taken a new epoch for it, which looks like another
// worker. It is none, so the worker goes on.
func frozenInACommit(t *testing.T, w World) {
	worker := w.Start("a", alone)
	w.AwaitCommits(1)
	m := Moment{Request: 1 + w.Dice().IntN(6), After: time.Microsecond}
	t.Logf("frozen %v", m)
	worker.FreezeIn(m)
	w.Pass(transactionTimeout + abortedWithin)
	worker.Thaw()
	w.AwaitCommits(2)
	finish(w, worker)
	w.WithinBudget()
}

const (
	transactionTimeout = 30 * time.Second // the producer's
	abortedWithin      = 12 * time.Second // the broker looks every ten seconds
)

func networkBreaks(_ *testing.T, w World) {
	worker := w.Start("a", alone)
	for range 2 {
		for _, f := range []Fault{NetworkCut, NetworkSlow, HalfClosed} {
			w.AwaitCommits(1)
			mend := w.Break(f)
			w.Wait(1 + w.Dice().IntN(2))
			mend()
		}
	}
	finish(w, worker)
	w.WithinBudget()
}

// broken: one worker sees the fault come, another is started into it and sees it go.
func broken(w World, f Fault) {
	worker := w.Start("a", alone)
	w.AwaitCommits(2)
	mend := w.Break(f)
	w.Wait(3)
	worker.Kill()
	worker = w.Start("a", alone)
	w.Wait(2)
	if f == BrokersDie {
		w.Pass(time.Minute) // longer than transactions, connections and requests live
	}
	mend()
	w.AwaitCommits(2)
	finish(w, worker)
	w.WithinBudget()
}
