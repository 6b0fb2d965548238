package worker

import (
	"slices"
	"sync"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/poller"
)

// history remembers how old the newest data was, at the worst, in each step of the last hours. The zero value knows nothing. It is of one
// process: a worker that takes over begins anew.
type history struct {
	mu    sync.Mutex
	read  time.Time               // when a reading of the newest rows was last committed, by our clock; zero while none was
	worst map[int64]time.Duration // by number of the step since 1970
}

// note notes that a bundle was committed at the instant.
func (h *history) note(u poller.Bundle, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.ContainsFunc(u.Batches, func(b poller.Batch) bool { return b.Reason == poller.Head }) {
		h.grow(now)
		h.read = now
	}
}

// grow makes every step up to the instant know how old the newest data was in it.
func (h *history) grow(now time.Time) {
	if h.worst == nil {
		h.worst = map[int64]time.Duration{}
	}
	if h.read.IsZero() || h.read.After(now) {
		return
	}
	last := stepOf(now)
	for n := max(stepOf(h.read), last-admin.FreshnessSteps+1); n <= last; n++ {
		end := time.Unix(0, 0).Add(time.Duration(n+1) * admin.FreshnessStep)
		if end.After(now) {
			end = now
		}
		h.worst[n] = max(h.worst[n], end.Sub(h.read))
	}
	for n := range h.worst {
		if n <= last-admin.FreshnessSteps {
			delete(h.worst, n)
		}
	}
}

func stepOf(t time.Time) int64 { return t.Unix() / int64(admin.FreshnessStep/time.Second) }

// shown returns the steps of the last hours, the oldest first; those without a figure are left out.
func (h *history) shown(now time.Time) (out []admin.Freshness) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.grow(now)
	for n := stepOf(now) - admin.FreshnessSteps + 1; n <= stepOf(now); n++ {
		if worst, known := h.worst[n]; known {
			out = append(out, admin.Freshness{At: time.Unix(n*int64(admin.FreshnessStep/time.Second), 0).UTC(), Worst: poller.Seconds(worst)})
		}
	}
	return out
}
