package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// Pages are clamped to 50 and offsets above 10 are refused: both stand in service.md as unknown.
func TestClampAndCap(t *testing.T) {
	for _, answer := range []simulator.CapAnswer{simulator.CapError, simulator.CapEmpty, simulator.CapRepeat} {
		for _, pages := range []bool{false, true} {
			t.Run(fmt.Sprint(answer, pages), func(t *testing.T) {
				t.Parallel()
				c := simulator.Config{History: 12 * time.Hour, PerMinute: 1, LateBy: -1,
					Burst:    []simulator.Burst{{At: bubble.Add(-3 * time.Hour), Rows: 40}, {At: bubble.Add(-5 * time.Hour), Rows: 45}},
					Switches: simulator.Switches{Clamp: 50, OffsetCap: 10, CapAnswer: answer, OffsetCountsPages: pages}}
				inWorld(t, c, map[string]string{"START_FROM": "12h"}, func(w *world) {
					w.run(3 * time.Hour)
					r := w.verify(w.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
					t.Log(describe(r))
				})
			})
		}
	}
}
