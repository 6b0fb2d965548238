package main

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/scenario"
)

// The long proofs, short by default. Whole, with CONVSTREAM_REAL_KAFKA=required in the environment:
//
//	go test ./cmd/convstream -run TestKafkaWorkerKills -v -parallel 6 -timeout 60m -args -worlds 6 -kills 500
//	go test ./cmd/convstream -run TestKafkaBrokerRounds -v -timeout 60m -args -worlds 3 -rounds 50
var (
	killsFlag  = flag.Int("kills", 20, "how often TestKafkaWorkerKills kills a worker")
	roundsFlag = flag.Int("rounds", 2, "how often TestKafkaBrokerRounds kills a broker")
	worldsFlag = flag.Int("worlds", 5, "worlds that share the cluster in these tests")
)

// tally is what came of a proof, of all its worlds together.
type tally struct {
	mu          sync.Mutex
	phases      map[phase]int
	waits       []time.Duration // from a death to the next commit
	elections   []time.Duration // from a broker's death to the next leader or coordinator
	lost, twice int
	revisions   int
	commits     int
}

func (y *tally) killed(in phase) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.phases[in]++
}

func (y *tally) waited(d time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.waits = append(y.waits, d)
}

// judge ends a world: it catches up, and the topics are held against the service.
func (y *tally) judge(w *realWorld, worker scenario.Worker) {
	w.AwaitComplete()
	worker.Drain()
	r := w.Check()
	w.WithinBudget()
	y.mu.Lock()
	defer y.mu.Unlock()
	y.lost += r.Lost
	y.twice += r.Twice
	y.revisions += r.Revisions
	y.commits += r.Commits
}

// spread tells the median and the worst of times.
func spread(list []time.Duration) string {
	if len(list) == 0 {
		return "never seen"
	}
	slices.Sort(list)
	return fmt.Sprintf("median %.1f s, worst %.1f s (of %d)", list[len(list)/2].Seconds(), list[len(list)-1].Seconds(), len(list))
}

// inWorlds plays in several worlds on the one cluster at a time, and waits for all of them.
func inWorlds(t *testing.T, name string, seed uint64, play func(w *realWorld, n, worlds int)) {
	worlds := min(*worldsFlag, doors)
	t.Run("worlds", func(t *testing.T) {
		for n := range worlds {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				play(newRealWorld(t, name, seed+uint64(n)), n, worlds)
			})
		}
	})
}

// TestKafkaWorkerKills kills workers with SIGKILL at random moments after a commit began. Every content of every read that
// was committed must be in the topics, once.
func TestKafkaWorkerKills(t *testing.T) {
	startKafka(t)
	seed, began := seedOf(t), time.Now()
	y := &tally{phases: map[phase]int{}}
	inWorlds(t, "kills", seed, func(w *realWorld, n, worlds int) {
		worker := w.Start("a", alone)
		for range (*killsFlag + worlds - 1 - n) / worlds {
			worker.KillIn(scenario.AMoment(w.dice))
			y.killed(w.seen.was())
			died, next := time.Now(), w.seen.next()
			worker = w.Start("a", alone)
			select {
			case <-next:
				y.waited(w.seen.last().Sub(died))
			case <-time.After(patient):
				w.t.Fatalf("no commit within %v of the start", patient)
			}
		}
		y.judge(w, worker)
	})
	kills := y.phases[idle] + y.phases[opened] + y.phases[ending]
	t.Logf("SUMMARY seed %d: %d kills of the worker, %d with an open transaction, %d at commit; %d revisions in %d commits: lost %d, twice %d; "+
		"kill to next commit: %s; in %v", seed, kills, y.phases[opened], y.phases[ending], y.revisions, y.commits, y.lost, y.twice,
		spread(y.waits), time.Since(began).Round(time.Second))
	if kills != *killsFlag || y.phases[opened] < kills/4 {
		t.Errorf("%d kills, %d with an open transaction: this run says little", kills, y.phases[opened])
	}
}

var alone = map[string]string{"LEASE": "off"}

// TestKafkaBrokerRounds kills the broker that coordinates a transaction or leads a partition of it, in turn, at random
// moments of it, and starts it again. The workers must go on by themselves.
func TestKafkaBrokerRounds(t *testing.T) {
	startKafka(t)
	seed, began := seedOf(t), time.Now()
	y := &tally{phases: map[phase]int{}}
	var worlds []*realWorld
	var workers []scenario.Worker
	for n := range min(*worldsFlag, doors) {
		w := newRealWorld(t, "rounds", seed+uint64(n))
		worlds, workers = append(worlds, w), append(workers, w.Start("a", alone))
	}
	for _, w := range worlds {
		w.AwaitCommits(2)
	}
	for round := range *roundsFlag {
		worlds[round%len(worlds)].brokerRound(y, round)
	}
	for n, w := range worlds {
		y.judge(w, workers[n])
	}
	t.Logf("SUMMARY seed %d: %d kills of a broker, %d with an open transaction, %d at commit; %d revisions in %d commits: lost %d, twice %d; "+
		"death to next commit: %s; death to next leader or coordinator: %s; in %v", seed, len(y.elections), y.phases[opened], y.phases[ending],
		y.revisions, y.commits, y.lost, y.twice, spread(y.waits), spread(y.elections), time.Since(began).Round(time.Second))
}

// brokerRound is one death, and what comes of it.
func (w *realWorld) brokerRound(y *tally, round int) {
	w.t.Helper()
	holder, what := w.coordinator, "coordinator"
	if round%2 == 1 {
		list := append(w.topics.Published(), w.topics.State())
		topic := list[w.dice.IntN(len(list))]
		holder, what = func() int { return w.leader(topic, 0) }, "leader of "+topic+"-0"
	}
	node, moment := holder(), scenario.AMoment(w.dice)
	ctx, cancel := w.context()
	defer cancel()
	var died time.Time
	var next <-chan struct{}
	met := w.seen.expect(moment, func() {
		if err := w.kafka.Kill(ctx, node); err != nil {
			w.t.Error(err)
		}
		died = time.Now()
	})
	select {
	case <-met:
		next = w.seen.next()
	case <-ctx.Done():
		w.t.Fatal("no commit to kill a broker in")
	}
	for holder() == node {
		time.Sleep(20 * time.Millisecond) // between two questions to the cluster
	}
	y.elections = append(y.elections, time.Since(died))
	y.killed(w.seen.was())
	select {
	case <-next:
		y.waited(w.seen.last().Sub(died))
	case <-ctx.Done():
		w.t.Fatal("no commit after the death of a broker")
	}
	w.t.Logf("round %d: node %d, %s, died %v (%s); next %v, next commit %v", round+1, node, what, moment, w.seen.was(),
		y.elections[round].Round(time.Millisecond), y.waits[round].Round(time.Millisecond))
	w.must(w.kafka.Restart(ctx, node))
	w.must(w.kafka.Await(ctx))
}
