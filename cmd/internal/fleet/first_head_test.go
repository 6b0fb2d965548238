package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// TestFirstHeadOfABusyCappedService: the first head of a process holds more than a page, and the service serves no offset above 10.
// All else is read all the same.
func TestFirstHeadOfABusyCappedService(t *testing.T) {
	long(t)
	for answer, intervals := range map[simulator.CapAnswer][]string{simulator.CapError: {"30s", "15m"}, simulator.CapEmpty: {"15m"}} {
		for _, interval := range intervals {
			t.Run(fmt.Sprint(answer, interval), func(t *testing.T) {
				if raceDetector && (answer != simulator.CapError || interval != "15m") {
					t.Skip("without the race detector") // these differ in what one goroutine reads
				}
				t.Parallel()
				perMinute := 60.0
				if interval == "15m" {
					perMinute = 6
				}
				c := simulator.Config{History: 2 * time.Hour, PerMinute: perMinute, LateBy: -1,
					Switches: simulator.Switches{OffsetCap: 10, CapAnswer: answer}}
				inWorld(t, c, frugal(map[string]string{"START_FROM": "1h", "POLL_INTERVAL": interval, "SMARTASSIST_REQUESTS_PER_MINUTE": "60"}), func(w *world) {
					stop := w.start()
					for range 3 {
						time.Sleep(20 * time.Minute)
						if s := w.stuckStatus(); time.Since(s.Poller.CompleteThrough) > 50*time.Minute {
							t.Errorf("%v after the start complete through %v", time.Since(bubble), s.Poller.CompleteThrough)
						}
					}
					w.must(stop())
					r := w.verify(w.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
					t.Log(describe(r))
				})
			})
		}
	}
}
