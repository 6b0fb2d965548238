package fleet

import (
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestThinPagesAndErrorsBehindTheEnd: rows are taken out of pages after paging, so that a short page proves nothing, and the service fails
// at the offset behind the last page, so that none is ever seen to be empty. Everything is covered all the same, and new rows get through.
func TestThinPagesAndErrorsBehindTheEnd(t *testing.T) {
	for name, pages := range map[string]bool{"offset counts pages": true, "offset counts rows": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := simulator.Config{PerMinute: 5, History: time.Hour, LateBy: -1, Switches: simulator.Switches{
				OffsetCountsPages: pages, Thin: 0.1, NumResults: simulator.CountAbsent, ErrorBehindEnd: true,
			}}
			inWorld(t, c, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
				stop := w.start()
				time.Sleep(time.Hour)
				through := w.status().Poller.CompleteThrough
				w.must(stop())
				w.fresh(w.verify(w.complete))
				if behind := time.Since(through); behind > 4*time.Minute {
					t.Errorf("complete through %v, %v ago", through, behind)
				}
			})
		})
	}
}
