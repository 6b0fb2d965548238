package poller

import (
	"fmt"
	"math"
	"time"
)

// What advice needs to be given at all.
const (
	enoughRows    = 200.0
	enoughChanges = 50.0
	// farShare of the changes in the older half of what is read again say that there are more beyond it.
	farShare = 0.01
)

// Advice returns in words what was learned of how late rows appear and how long they change, beside what SETTLE and REREAD are.
func (l Learned) Advice(r Rules) []string {
	return []string{l.onSettle(r), l.onReread(Horizon(r.Tiers))}
}

// Advice returns in words what was learned, beside what SETTLE and REREAD are by these settings.
func (c Config) Advice(l Learned) []string { return l.Advice(c.rules()) }

func (l Learned) onSettle(r Rules) string {
	const most = 0.999
	settle := r.Settle
	if r.Interval > settle/2 { // a row is seen at the next poll
		return fmt.Sprintf("SETTLE %v: POLL_INTERVAL %v is too long to tell how late rows show", short(settle), short(r.Interval))
	}
	if l.Late.total() < enoughRows {
		return fmt.Sprintf("SETTLE %v: too few new rows were seen to say how late they show", short(settle))
	}
	within := l.Late.quantile(most)
	switch covered := l.Late.share(settle); {
	case covered >= most || within <= settle.Seconds(): // SETTLE may lie within the bucket
		return fmt.Sprintf("%s of the rows show within %v of their start: SETTLE %v covers it", percent(most), ageText(min(within, settle.Seconds())), short(settle))
	case math.IsInf(within, 1):
		return fmt.Sprintf("%s of the rows show within SETTLE %v of their start; some show after more than a month", percent(covered), short(settle))
	default:
		return fmt.Sprintf("%s of the rows show within SETTLE %v of their start, %s within %v: those between are found by re-reads, and count as late; a larger SETTLE would cover them, and keep completeThrough further back",
			percent(covered), short(settle), percent(most), ageText(within))
	}
}

func (l Learned) onReread(horizon time.Duration) string {
	if l.Changed.total() < enoughChanges {
		return fmt.Sprintf("REREAD %v: too few changes were seen to say when they come", short(horizon))
	}
	far := 1 - l.Changed.share(horizon/2)
	if far < farShare {
		return fmt.Sprintf("%s of the changes come within %v of the start: REREAD %v covers it", percent(0.99), ageText(l.Changed.quantile(0.99)), short(horizon))
	}
	return fmt.Sprintf("%s of the changes that were seen came after more than %v: there are likely to be some after more than %v, which are not seen with REREAD %[3]v; a larger age in REREAD would find them",
		percent(far), short(horizon/2), short(horizon))
}

// total returns how many were counted.
func (h Histogram) total() (n float64) {
	for _, c := range h {
		n += c
	}
	return n
}

// quantile returns the end of the bucket in which the share of all is reached, in seconds.
func (h Histogram) quantile(share float64) float64 {
	wanted, n := share*h.total(), 0.0
	for i, c := range h {
		if n += c; n >= wanted {
			return ageBounds[i]
		}
	}
	return math.Inf(1)
}

// share returns the share of what was counted in buckets that end by the age, and of the bucket that it lies in its part.
func (h Histogram) share(age time.Duration) float64 {
	n, from := 0.0, 0.0
	for i, c := range h {
		if end := ageBounds[i]; end <= age.Seconds() {
			n += c
		} else if from < age.Seconds() && !math.IsInf(end, 1) {
			n += c * (age.Seconds() - from) / (end - from)
		}
		from = ageBounds[i]
	}
	return n / h.total()
}

// percent is a share as people read it, rounded down: all is said of all only.
func percent(share float64) string {
	return fmt.Sprintf("%g %%", math.Floor(share*1000)/10)
}

// ageText returns an age in seconds, rounded up.
func ageText(s float64) string { return short(time.Duration(math.Ceil(s)) * time.Second) }

// short is a duration without zero minutes and seconds.
func short(d time.Duration) string {
	d = d.Round(time.Second)
	switch hours, minutes, seconds := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60; {
	case hours > 0 && minutes == 0:
		return fmt.Sprintf("%dh", hours)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case minutes > 0 && seconds == 0:
		return fmt.Sprintf("%dm", minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%ds", minutes, seconds)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}
