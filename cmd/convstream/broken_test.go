package main

import (
	"sync"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/scenario"
)

// Break implements scenario.World.
func (w *realWorld) Break(f scenario.Fault) (mend func()) {
	w.t.Helper()
	switch f {
	case scenario.BrokersDie:
		return w.kill(1, 2, 3)
	case scenario.LeaderDies:
		return w.kill(w.leader(w.topics.Progress(), 0))
	case scenario.CoordinatorDies:
		return w.kill(w.coordinator())
	case scenario.TooFewReplicas:
		return w.starve()
	case scenario.NetworkCut:
		w.proxy.Cut()
	case scenario.NetworkSlow:
		w.proxy.Delay(500 * time.Millisecond)
	case scenario.HalfClosed:
		w.halfCloseInCommit()
	default:
		w.t.Fatalf("no way to break: %s", f)
	}
	return w.proxy.Mend
}

func (w *realWorld) leader(topic string, partition int32) int {
	ctx, cancel := w.context()
	defer cancel()
	node, err := w.kafka.LeaderOf(ctx, topic, partition)
	w.must(err)
	return node
}

func (w *realWorld) coordinator() int {
	ctx, cancel := w.context()
	defer cancel()
	node, err := w.kafka.TransactionCoordinatorOf(ctx, w.prefix+"convstream."+account)
	w.must(err)
	return node
}

// kill ends nodes as kill -9 does; mend starts them again and waits until they are whole.
func (w *realWorld) kill(nodes ...int) (mend func()) {
	ctx, cancel := w.context()
	defer cancel()
	for _, node := range nodes {
		w.must(w.kafka.Kill(ctx, node))
	}
	return func() {
		ctx, cancel := w.context()
		defer cancel()
		for _, node := range nodes {
			w.must(w.kafka.Restart(ctx, node))
		}
		w.must(w.kafka.Await(ctx))
	}
}

// starve leaves two replicas of topics that want three in sync.
func (w *realWorld) starve() (mend func()) {
	ctx, cancel := w.context()
	defer cancel()
	topics := append(w.topics.Published(), w.topics.State())
	w.must(w.kafka.SetTopics(ctx, topics, "min.insync.replicas", "3"))
	restart := w.kill(1 + w.dice.IntN(3))
	return func() {
		restart()
		ctx, cancel := w.context()
		defer cancel()
		w.must(w.kafka.SetTopics(ctx, topics, "min.insync.replicas", ""))
	}
}

// halfCloseInCommit closes the way back at a request of a commit, whose answer is then lost.
func (w *realWorld) halfCloseInCommit() {
	w.t.Helper()
	var once sync.Once
	met := w.seen.expect(scenario.Moment{Request: 1 + w.dice.IntN(8), After: time.Microsecond}, func() { once.Do(w.proxy.HalfClose) })
	select {
	case <-met:
	case <-time.After(patient):
		w.t.Errorf("no commit within %v", patient)
	}
}
