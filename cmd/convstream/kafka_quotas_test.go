package main

import (
	"context"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
)

// tight are quotas far below what a worker needs: bytes a second, and percent of a thread, on each broker.
var tight = kraft.Quota{"producer_byte_rate": 1000, "consumer_byte_rate": 700, "request_percentage": 2}

// workers is the client id of all workers' producers.
const workers = "convstream"

// TestKafkaQuotas sets quotas while a worker works, has another one start under them, and removes them: all becomes slower, recovery
// included, and comes; nothing is lost and nothing comes twice. It is beside no other test: the quotas are for all workers.
func TestKafkaQuotas(t *testing.T) {
	w := newRealWorld(t, "quotas", seedOf(t))
	y := &tally{}
	worker := w.Start("", alone).(*realWorker)
	w.AwaitCommits(4)
	worker, free := w.another(worker)
	w.do(func(ctx context.Context) error { return w.kafka.SetQuota(ctx, workers, tight) })
	t.Cleanup(w.unlimited) // else the tests that follow have them, if this one ends early
	w.AwaitCommits(1)
	worker, slow := w.another(worker)
	w.unlimited()
	w.AwaitCommits(1)
	if y.judge(w, worker); slow < free+time.Second {
		t.Errorf("a start took %v without quotas and %v under them: they change nothing, the test shows nothing", free, slow)
	}
	t.Logf("SUMMARY a start until its first commit: %v without quotas, %v under them; %d revisions in %d commits: lost %d, twice %d",
		free.Round(time.Millisecond), slow.Round(time.Millisecond), y.revisions, y.commits, y.lost, y.twice)
}

// another kills the worker, and returns one that took over, and how long its first commit took.
func (w *realWorld) another(worker *realWorker) (*realWorker, time.Duration) {
	w.t.Helper()
	worker.Kill()
	began, next := time.Now(), w.seen.next()
	worker = w.Start("", alone).(*realWorker)
	select {
	case <-next:
	case <-time.After(2 * patient):
		w.t.Fatalf("no commit within %v of the start\n%s", 2*patient, worker.stderr)
	}
	return worker, w.seen.last().Sub(began)
}

// unlimited removes the quotas.
func (w *realWorld) unlimited() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), time.Minute)
	defer cancel()
	w.must(w.kafka.RemoveQuota(ctx, workers, tight))
}
