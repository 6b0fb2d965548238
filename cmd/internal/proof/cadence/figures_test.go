package cadence

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/convstream/convstream/poller"
)

// The titles of columns of which something is wanted.
const (
	rowsARequest = "rows a request"
	gapsPer100   = "gap requests per 100 rows"
	backlogRead  = "backlog read after"
	backlogShare = "of the backlog"
	perMinute    = "requests a minute, by reason (rows a request)"
	freshness    = "new row after: median, p90, p99"
	lagging      = "complete through, ago: median, p99"
	firstHour    = "change at 0-1 h seen after: median, p99"
	sixHours     = "at 1-6 h"
	twoDays      = "at 6-48 h"
	tierWorst    = "worst tier, in its cadences: median, max"
)

var (
	requests = column{"requests, by reason (rows a request)", func(_ outcome, s *span) string { return fmt.Sprintf("%d: %s", s.sent, s.reasons(1)) }}
	rows     = column{rowsARequest, func(_ outcome, s *span) string { return fmt.Sprintf("%.0f", ratio(s.rows, s.sent)) }}
	fresh    = column{freshness, func(_ outcome, s *span) string { return quantiles(s.fresh, 0.5, 0.9, 0.99) }}
	lag      = column{lagging, func(_ outcome, s *span) string { return quantiles(s.lag, 0.5, 0.99) }}
	tiers    = column{tierWorst, func(_ outcome, s *span) string {
		return fmt.Sprintf("%.2f, %.2f", quantile(s.worst, 0.5), quantile(s.worst, 1))
	}}
	eachTier = column{"each tier's max", func(_ outcome, s *span) string { return strings.Trim(fmt.Sprintf("%.1f", s.most), "[]") }}
	unseen   = column{"not seen at the end", func(_ outcome, s *span) string { return fmt.Sprint(s.open) }}
	cpuUsed  = column{"CPU s", func(o outcome, _ *span) string { return fmt.Sprintf("%.0f", o.cpu.Seconds()) }}
	seeded   = column{"seed", func(o outcome, _ *span) string { return fmt.Sprint(o.seed) }}
)

// catchUpColumns are those of a first start.
func catchUpColumns() []column {
	return []column{
		requests, rows,
		{gapsPer100, func(_ outcome, s *span) string {
			return fmt.Sprintf("%.2f", 100*ratio(s.effort(poller.Gap).requests, s.firstInGap))
		}},
		{backlogRead, func(o outcome, _ *span) string {
			if o.unread > 0 {
				return fmt.Sprintf("%d of %d unread", o.unread, o.backlog)
			}
			return duration(o.read)
		}},
		{backlogShare, func(o outcome, _ *span) string {
			return fmt.Sprintf("%.0f %%", 100*ratio(o.backlog-o.unread, o.backlog))
		}},
		fresh, lag, cpuUsed, seeded,
	}
}

// liveColumns are those of an account whose backlog was read long ago.
func liveColumns() []column {
	perMinute := column{perMinute, func(_ outcome, s *span) string {
		minutes := s.to.Sub(s.from).Minutes()
		return fmt.Sprintf("%.1f: %s", float64(s.sent)/minutes, s.reasons(minutes))
	}}
	changes := func(title string, age int) column {
		return column{title, func(_ outcome, s *span) string { return quantiles(s.changes[age], 0.5, 0.99) }}
	}
	return []column{
		perMinute, rows, fresh, lag, changes(firstHour, 0), changes(sixHours, 1), changes(twoDays, 2), tiers, eachTier, unseen, cpuUsed, seeded,
	}
}

// reasons are the requests by the reason for which they were made, divided, and in brackets the rows that one brought; last
// those of reads that were not committed.
func (s *span) reasons(by float64) string {
	number, rest := "%.1f", s.sent
	if by == 1 {
		number = "%.0f"
	}
	order := []poller.Reason{poller.Head, poller.Settled, poller.Reread, poller.Gap}
	reasons := slices.SortedFunc(maps.Keys(s.efforts), func(a, b poller.Reason) int {
		return cmp.Or(cmp.Compare(uint(slices.Index(order, a)), uint(slices.Index(order, b))), cmp.Compare(a, b))
	})
	var out []string
	for _, reason := range reasons {
		e := s.efforts[reason]
		out = append(out, fmt.Sprintf("%s "+number+" (%.0f)", reason, float64(e.requests)/by, ratio(e.rows, e.requests)))
		rest -= e.requests
	}
	if rest > 0 {
		out = append(out, fmt.Sprintf("not committed "+number, float64(rest)/by))
	}
	return strings.Join(out, ", ")
}

func ratio(a, b int) float64 { return float64(a) / max(1, float64(b)) }

// quantile sorts the values and returns that of which the fraction q is not larger; zero of no values.
func quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		return *new(T)
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}

func quantiles(values []time.Duration, qs ...float64) string {
	if len(values) == 0 {
		return "-"
	}
	var out []string
	for _, q := range qs {
		out = append(out, duration(quantile(values, q)))
	}
	return strings.Join(out, ", ")
}

// duration is in the unit in which it is read most easily.
func duration(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.1f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
