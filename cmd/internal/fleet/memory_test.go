package fleet

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestMemoryIsFlatOverAWeek: what a worker holds at the end of a week is what it held when it first forgot as much as it
// learned. Simulator and broker share the heap, so the one has drawn its world beforehand, and the other forgets. The heap
// is some hundred kilobytes: what other tests leave in pools would be seen, so the week has a process of its own.
func TestMemoryIsFlatOverAWeek(t *testing.T) {
	long(t)
	if raceDetector {
		t.Skip("the heap under the race detector is not the worker's; the week takes minutes there")
	}
	if os.Getenv(alone) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestMemoryIsFlatOverAWeek$", "-test.v")
		child.Env = append(os.Environ(), alone+"=1")
		out, err := child.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Errorf("in a process of its own: %v", err)
		}
		return
	}
	c := simulator.Config{History: 48 * time.Hour, PerMinute: 0.5, Forgetful: true}
	env := map[string]string{"START_FROM": "48h", "POLL_INTERVAL": "5m", "REREAD": "1h:5m,6h:1h", "TOPIC_PARTITIONS": "1", "KAFKA_COMPRESSION": "none", "LEASE": "off"}
	inWorld(t, c, env, func(w *world) {
		for range w.service.RowsAt(time.Now().Add(8*24*time.Hour), time.Now().Add(-c.History), time.Now().Add(8*24*time.Hour)) {
			// The simulator keeps the minutes that it has drawn: it shall have drawn all of them.
		}
		without := heap()
		stop := w.start()
		w.days(2)
		second := w.weigh(without)
		w.days(5)
		seventh := w.weigh(without)
		t.Logf("end of day 2: %+v", second)
		t.Logf("end of day 7: %+v", seventh)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if grown := float64(seventh.Heap-unsteady) / float64(second.Heap); grown > 1.2 {
			t.Errorf("the heap has grown to %.2f of what it was", grown)
		}
		if second.Remembered < 500 {
			t.Errorf("%d entries at the end of day 2: the test shows nothing", second.Remembered)
		}
		// One day is much like the next, not exactly.
		if grown := float64(seventh.Remembered) / float64(second.Remembered); grown > 1.15 {
			t.Errorf("the memory of conversations has grown to %.2f of what it was", grown)
		}
		if seventh.Stretches > second.Stretches+20 {
			t.Errorf("%d stretches of coverage, %d at the end of day 2", seventh.Stretches, second.Stretches)
		}
		if seventh.Goroutines > second.Goroutines+10 { // a read under way has some of its own
			t.Errorf("%d goroutines, %d at the end of day 2", seventh.Goroutines, second.Goroutines)
		}
	})
}

const (
	alone    = "CONVSTREAM_TEST_ALONE" // set in the process of its own
	unsteady = 128 << 10               // bytes that runtime and libraries hold now and then; growth of the memory is held by Remembered
)

// weight is what the worker holds, and what it makes the brokers hold.
type weight struct {
	Heap                              int64 // bytes
	Goroutines, Remembered, Stretches int
	Sequence                          int64
}

func (w *world) weigh(without int64) weight {
	s := w.worker.Status().Poller
	return weight{heap() - without, runtime.NumGoroutine(), s.Remembered, s.Stretches, s.Sequence}
}

// heap is what is in use, in bytes.
func heap() int64 {
	for range 3 { // what pools hold survives one collection
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// days lets days go by. The brokers forget every hour what was published, and the state too: only a start reads it.
func (w *world) days(n int) {
	w.t.Helper()
	for range n * 24 {
		time.Sleep(time.Hour)
		topics := w.config().Topics()
		for _, topic := range append(topics.Published(), topics.State()) {
			if err := w.cluster.DeleteRecords(topic, 0, -1); err != nil {
				w.t.Fatalf("%s: %v", topic, err)
			}
		}
	}
}
