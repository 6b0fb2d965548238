package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestLostStateStopsTheWorker: whatever became of the state topic, the worker must notice before it publishes anything.
func TestLostStateStopsTheWorker(t *testing.T) {
	const topic = "conversations.state"
	for name, lose := range map[string]func(*world) error{
		"deleted":   func(w *world) error { return w.cluster.DeleteTopic(topic) },
		"truncated": func(w *world) error { return w.cluster.DeleteRecords(topic, 0, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, map[string]string{"START_FROM": "1h"}, func(w *world) {
				w.run(time.Hour)
				before := w.verify()
				if err := lose(w); err != nil {
					t.Fatal(err)
				}
				stop := w.start()
				time.Sleep(10 * time.Minute)
				err := stop()
				if err == nil || !strings.Contains(err.Error(), "state is lost") || !strings.Contains(err.Error(), "STATE_LOST") {
					t.Fatalf("worker ended with %v, want it to say that the state is lost", err)
				}
				if after := w.verify(); after.Commits != before.Commits {
					t.Errorf("%d commits, %d before the state was lost", after.Commits, before.Commits)
				}
			})
		})
	}
}
