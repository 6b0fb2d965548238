package poller

import (
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestSmallPagesMakeNothingPartial: a second of 60 rows fails some times; asked again with a limit of a tenth it is answered, by a service that caps offsets at 10.
func TestSmallPagesMakeNothingPartial(t *testing.T) {
	start := time.Date(2024, 9, 24, 7, 0, 0, 0, time.UTC)
	var all []smartassist.Row
	for i := range 60 {
		all = append(all, row(`{"conversationId":"c-%d","sessionStartTime":"2024-09-24T07:00:00"}`, i))
	}
	now := start.Add(time.Hour)
	r := &Reader{Limit: 100, Settle: 2 * time.Minute, Now: func() time.Time { return now }, Paging: Paging{Unit: UnitRows, Largest: 100, Proven: 80, Examined: true, Capped: true}}
	read := func(limit int) Read {
		g := r.begin(Task{Window: Window{start, start.Add(time.Second)}, Reason: Gap, Retry: true, Limit: limit})
		for g.asking {
			q := g.query
			if q.Offset > 10 {
				g.answered(smartassist.Page{}, &smartassist.Error{Kind: smartassist.Refused, Status: 400})
				continue
			}
			g.answered(smartassist.Page{Rows: all[min(q.Offset, 60):min(60, q.Offset+q.Limit)], NumResults: -1, Sent: now, Date: now}, nil)
		}
		return g.result
	}
	if x := read(100); x.Partial != "" || len(x.Rows) != 60 {
		t.Fatalf("usual limit: %d rows, partial %q", len(x.Rows), x.Partial)
	}
	if x := read(10); x.Partial != "" {
		t.Errorf("limit 10: %d of 60 rows, partial %q (a page of the usual limit holds all)", len(x.Rows), x.Partial)
	}
}
