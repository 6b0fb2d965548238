package fleet

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestAClockBehindTheCoverage: a worker on a machine whose clock is behind what was read by another publishes new rows at once,
// and goes on covering.
func TestAClockBehindTheCoverage(t *testing.T) {
	long(t)
	t.Parallel()
	c := simulator.Config{History: 2 * time.Hour, PerMinute: 1, LateBy: -1}
	inWorld(t, c, frugal(map[string]string{"START_FROM": "2h"}), func(w *world) {
		w.run(time.Hour)
		var clock steppedClock
		clock.set(-45 * time.Minute)
		w.journal.ClockOff(-45 * time.Minute)
		w.now = clock.now
		again := time.Now()
		w.run(30 * time.Minute)
		w.flows(again, time.Now().Add(-3*time.Minute), time.Time{}, 2*time.Minute)
		clock.set(0)
		w.run(10 * time.Minute)
		w.fresh(w.verify(w.complete))
	})
}

// TestAFirstStartWithAClockAhead reads the day that it was told to read, by the service's clock, and new rows at once when the
// clock is put right.
func TestAFirstStartWithAClockAhead(t *testing.T) {
	t.Parallel()
	c := simulator.Config{History: 36 * time.Hour, PerMinute: 0.5, LateBy: -1}
	inWorld(t, c, frugal(map[string]string{"START_FROM": "24h"}), func(w *world) {
		var clock steppedClock
		clock.set(30 * time.Hour)
		w.now = clock.now
		stop := w.start()
		time.Sleep(10 * time.Minute)
		clock.set(0)
		time.Sleep(80 * time.Minute)
		w.must(stop())
		w.flows(bubble.Add(-24*time.Hour+10*time.Minute), bubble, time.Time{}, 26*time.Hour)
		w.flows(bubble.Add(12*time.Minute), time.Now().Add(-3*time.Minute), time.Time{}, 2*time.Minute)
		r := w.verify(w.complete)
		w.fresh(r)
		if r.CompleteFrom.After(bubble.Add(-23 * time.Hour)) {
			t.Errorf("complete from %v, START_FROM=24h at %v", r.CompleteFrom, bubble)
		}
	})
}

// TestADateHeaderThatIsWrong: a gateway whose Date header is hours behind, or of 1970, keeps completeThrough where it is, and no
// row back. One line of the log, /status and a metric tell.
func TestADateHeaderThatIsWrong(t *testing.T) {
	for name, date := range map[string]func() time.Time{
		"three hours behind": func() time.Time { return time.Now().Add(-3 * time.Hour) },
		"of 1970":            func() time.Time { return time.Unix(17, 0) },
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			var wrong atomic.Bool
			g := &gateway{changes: func(_ pageRequest, header http.Header, page []byte) []byte {
				if wrong.Load() {
					header.Set("Date", date().UTC().Format(http.TimeFormat))
				}
				return page
			}}
			c := simulator.Config{History: time.Hour, PerMinute: 1, LateBy: -1}
			inWorldBehind(t, g, c, frugal(map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "1m"}), func(w *world) {
				stop := w.start()
				time.Sleep(30 * time.Minute)
				wrong.Store(true)
				since, before := time.Now(), w.stuckStatus().Poller.CompleteThrough
				time.Sleep(40 * time.Minute)
				through := w.stuckStatus().Poller.CompleteThrough
				if through.Before(before) || through.After(since) {
					t.Errorf("complete through %v, it was %v when the header became wrong at %v", through, before, since)
				}
				w.toldBehind(true)
				wrong.Store(false)
				until := time.Now()
				time.Sleep(10 * time.Minute)
				w.toldBehind(false)
				w.must(stop())
				w.flows(since.Add(-10*time.Minute), until, time.Time{}, 2*time.Minute)
				lines := w.alarms()
				if len(lines) != 1 || !strings.Contains(lines[0], "clock") {
					t.Errorf("%d lines of the log warn, want one, of the clock:\n%s", len(lines), strings.Join(lines, "\n"))
				}
				w.fresh(w.verify(w.complete, onlyAbout(consumersMind...)))
			})
		})
	}
}

// toldBehind fails the test where /status and the metrics do not tell whether the service's clock is behind ours.
func (w *world) toldBehind(want bool) {
	w.t.Helper()
	var s struct {
		Accounts []struct {
			Poller struct {
				Behind json.RawMessage `json:"behind"` // of any form
			} `json:"poller"`
		}
	}
	w.tellsOf(&s)
	behind := string(s.Accounts[0].Poller.Behind)
	// The header has no fractions: a second is none.
	if told := behind != "" && behind != `0` && behind != `"0s"` && behind != `"1s"` && behind != `null`; behind == "" || told != want {
		w.t.Errorf("/status: behind is %q, the service's clock is behind ours: %v", behind, want)
	}
	most := -1.0
	_, body := w.get("/metrics")
	for line := range strings.Lines(body) {
		var v float64
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, "convstream_") && strings.Contains(name, "behind") {
			if json.Unmarshal([]byte(value), &v) == nil {
				most = max(most, v)
			}
		}
	}
	if most < 0 || (most > 60) != want {
		w.t.Errorf("the metric of the clock that is behind says %v (-1: there is none), it is behind: %v", most, want)
	}
}
