package main

import (
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/poller"
)

// TestGapsText: those that hold completeThrough up first, then those that may, then the accepted ones, each once, with who did that where it is
// remembered.
func TestGapsText(t *testing.T) {
	second := func(hour int) poller.Window {
		at := march.Start.Add(time.Duration(hour) * time.Hour)
		return poller.Span(at, at.Add(time.Second))
	}
	all := client.Gaps{
		Gaps: []poller.PartialWindow{
			{Window: second(1), Cause: poller.Unanswered, Since: asOf.Add(-2 * time.Hour), Rows: 4},
			{Window: second(2), Cause: poller.Capped, Rows: 1300, Accepted: true},
			{Window: second(3), Cause: poller.Unsteady, Rows: 7, Accepted: true},
		},
		Failing:  []poller.FailingWindow{{Window: second(4), Since: asOf.Add(-time.Minute), Next: asOf.Add(8 * time.Second), Failures: 3, Category: "status_5xx"}},
		Accepted: []poller.Acceptance{{Window: second(2), Cause: poller.Capped, Rows: 1300, At: asOf.Add(-time.Hour), By: "anna"}},
	}
	const want = `WINDOW                                     STATE     SINCE       ROWS  REASON
2026-03-01T01:00:00Z/2026-03-01T01:00:01Z  gap       2h0m0s ago  4     the service fails whenever it is asked for it
2026-03-01T04:00:00Z/2026-03-01T04:00:01Z  failing   1m0s ago    -     status_5xx: failed 3 times, the next try is in 8s
2026-03-01T02:00:00Z/2026-03-01T02:00:01Z  accepted  -           1300  the service returns no more than the first pages, and halves would return the same; accepted 1h0m0s ago by anna
2026-03-01T03:00:00Z/2026-03-01T03:00:01Z  accepted  -           7     its pages moved during each of several readings
completeThrough stops at the first gap; 'convstream gaps accept WINDOW' lets it pass one
`
	if got := gapsText(gapsOf(all), asOf); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	all.Gaps = all.Gaps[1:]
	if got := gapsOf(all); len(got) != 3 || got[0].State != gapFailing {
		t.Errorf("%+v", got)
	}
}
