package client

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// longestAgo bounds durations: what is longer is a typo, and less than would overflow.
const longestAgo = 100 * 365 * 24 * time.Hour

// Instant reads an instant as it is typed: in RFC 3339, as a date (midnight UTC), or as a duration, so long before now; a duration may
// begin with days.
func Instant(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	ago, err := daysAndMore(text)
	if err != nil || ago < 0 || ago > longestAgo {
		return time.Time{}, fmt.Errorf("%.40q is not a time like 2026-03-01T10:00:00Z, a date like 2026-03-01, or how long ago, like 36h or 30d", text)
	}
	return now.Add(-ago).UTC(), nil
}

// daysAndMore reads a duration, before which there may be a number of days: "30d", "1d12h".
func daysAndMore(text string) (time.Duration, error) {
	number, more, with := strings.Cut(text, "d")
	if !with {
		return time.ParseDuration(text)
	}
	days, err := strconv.ParseUint(number, 10, 16)
	if err != nil || more == "" {
		return time.Duration(days) * 24 * time.Hour, err
	}
	rest, err := time.ParseDuration(more)
	if rest < 0 {
		return rest, err
	}
	return time.Duration(days)*24*time.Hour + rest, err
}
