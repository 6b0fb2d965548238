package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// TestClampAndCap: pages are clamped to 50 and offsets above 10 are not served, so that the page behind a short one says nothing.
func TestClampAndCap(t *testing.T) {
	long(t)
	answers := []simulator.CapAnswer{simulator.CapError, simulator.CapEmpty, simulator.CapRepeat}
	lasts := time.Hour
	if raceDetector { // the others differ in what one goroutine reads
		answers, lasts = answers[:1], 40*time.Minute
	}
	for _, answer := range answers {
		for _, pages := range []bool{false, true} {
			t.Run(fmt.Sprint(answer, pages), func(t *testing.T) {
				t.Parallel()
				c := simulator.Config{History: 6 * time.Hour, PerMinute: 1, LateBy: -1,
					Burst:    []simulator.Burst{{At: bubble.Add(-3 * time.Hour), Rows: 40}, {At: bubble.Add(-5 * time.Hour), Rows: 45}},
					Switches: simulator.Switches{Clamp: 50, OffsetCap: 10, CapAnswer: answer, OffsetCountsPages: pages}}
				inWorld(t, c, frugal(map[string]string{"START_FROM": "6h"}), func(w *world) {
					w.run(lasts)
					r := w.verify(w.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
					t.Log(describe(r))
				})
			})
		}
	}
}
