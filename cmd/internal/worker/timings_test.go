package worker

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// TestFreshness: the bound on how long a new conversation was visible goes back to the reading of the newest rows before, and not beyond
// its start; only conversations that the newest rows show first have one.
func TestFreshness(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	batch := func(reason poller.Reason, read, number int, started time.Time) poller.Batch {
		b := poller.Batch{Reason: reason, Fresh: []poller.Revision{{Row: smartassist.Row{Start: started}, Number: int32(number)}}}
		b.Read.At = second(read)
		return b
	}
	m := newTimings(prometheus.NewRegistry())
	last := &dto.Histogram{}
	delays := 0.0
	for _, step := range []struct {
		what      string
		batch     poller.Batch
		committed int
		want      float64 // -1 for none
	}{
		{"the first reading", batch(poller.Head, 100, 1, second(40)), 102, 62},
		{"shown late", batch(poller.Head, 130, 1, second(90)), 131, 31},
		{"started since the reading before", batch(poller.Head, 160, 1, second(150)), 164, 14},
		{"a change", batch(poller.Head, 190, 2, second(10)), 191, -1},
		{"found by another reading", batch(poller.Reread, 200, 1, second(10)), 201, -1},
		{"of a gap", batch(poller.Gap, 205, 1, second(10)), 206, -1},
		{"after another reading", batch(poller.Head, 220, 1, second(30)), 222, 32},
		{"without a start", batch(poller.Head, 250, 1, time.Time{}), 251, -1},
		{"with a start in the future", batch(poller.Head, 280, 1, second(400)), 281, 0},
		{"a letter tried again", batch(poller.Replay, 10, 1, second(1)), 290, -1},
	} {
		m.published(step.batch, second(step.committed))
		if step.batch.Reason != poller.Replay {
			delays += second(step.committed).Sub(step.batch.Read.At).Seconds()
		}
		got, now := -1.0, read(t, m.freshness)
		if now.GetSampleCount() > last.GetSampleCount() {
			got = now.GetSampleSum() - last.GetSampleSum()
		}
		if last = now; got != step.want {
			t.Errorf("%s: %v s, want %v", step.what, got, step.want)
		}
	}
	if all := read(t, m.publishDelay); all.GetSampleCount() != 9 || all.GetSampleSum() != delays {
		t.Errorf("from reading to commit: %v s in %d", all.GetSampleSum(), all.GetSampleCount())
	}
}

func read(t *testing.T, h prometheus.Histogram) *dto.Histogram {
	t.Helper()
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram()
}
