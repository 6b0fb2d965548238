package main

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

// drainingWorld is one whose broker holds the first request to commit until release is closed; held is closed when it has.
func drainingWorld(t *testing.T, env map[string]string) (w *world, held, release chan struct{}) {
	t.Helper()
	w = newWorld(t, simulator.Config{Seed: 8, History: time.Minute, PerMinute: 60, LateBy: time.Second}, env)
	held, release = make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.cluster.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if r.(*kmsg.EndTxnRequest).Commit { // and not the barrier, which is aborted
			once.Do(func() {
				w.cluster.SleepControl(func() { close(held); <-release })
			})
		}
		return nil, nil, false
	})
	return w, held, release
}

// TestDrainFinishesTheCommit that has begun when the signal comes.
func TestDrainFinishesTheCommit(t *testing.T) {
	t.Parallel()
	w, held, release := drainingWorld(t, map[string]string{"START_FROM": "1m"})
	p := start(t, w.env)
	<-held
	p.signal(syscall.SIGTERM)
	p.await(p.stderr, "draining")
	close(release)
	if code := p.exit(); code != exitDone {
		t.Errorf("exit %d\n%s", code, p.stderr)
	}
	r := w.report()
	complain(t, r)
	if r.Commits != 1 {
		t.Errorf("%d commits, want the one that had begun", r.Commits)
	}
}

// TestDrainIsBounded: a broker that does not answer cannot hold the process beyond SHUTDOWN_TIMEOUT.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	w, held, release := drainingWorld(t, map[string]string{"START_FROM": "1m", "SHUTDOWN_TIMEOUT": "1s"})
	defer close(release)
	p := start(t, w.env)
	<-held
	began := time.Now()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code < 0 {
		t.Errorf("died of a signal\n%s", p.stderr)
	}
	if took := time.Since(began); took > 10*time.Second || took < time.Second {
		t.Errorf("took %v, SHUTDOWN_TIMEOUT is 1s", took)
	}
}
