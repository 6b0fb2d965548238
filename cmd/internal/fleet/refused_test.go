package fleet

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

// TestSeveralRefusedRecordsAreTakenOutOneByOne: a broker refuses every batch that holds one of some records, and does not
// say which. They must end in the dead letters, they alone, and polling must go on.
func TestSeveralRefusedRecordsAreTakenOutOneByOne(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, map[string]string{"START_FROM": "1h"}, func(w *world) {
		bad := map[string]bool{}
		for row := range w.service.RowsAt(time.Now(), time.Now().Add(-time.Hour), time.Now()) {
			if len(bad) < 3 && !row.Dead {
				bad[row.Key.Identity] = true
			}
		}
		w.refuse("", kerr.InvalidRecord, func(_ *kmsg.RecordBatch, records []kmsg.Record) bool {
			return slices.ContainsFunc(records, func(r kmsg.Record) bool { return bad[string(r.Key)] && !isDeadLetter(r) })
		})
		w.run(2 * time.Hour)
		r := w.verify(onlyAbout("has revisions", "twice")) // the refused contents are missing: that is what is looked at here
		if r.DeadLetters < len(bad) || r.DeadLetters > 10*len(bad) {
			t.Errorf("%d dead letters for %d conversations that are refused in every content", r.DeadLetters, len(bad))
		}
		if behind := time.Since(r.CompleteThrough); behind > 10*time.Minute {
			t.Errorf("complete through %v: polling has not gone on\n%s", r.CompleteThrough, w.log.tail())
		}
		if n := w.gauge("convstream_refused_contents"); n != 0 {
			t.Errorf("%v verdicts are still remembered", n)
		}
		if n := w.failedCommits("refused"); n < len(bad) {
			t.Errorf("%d commits are counted as refused", n)
		}
	})
}

// failedCommits returns how many commits with this outcome the process started last has counted.
func (w *world) failedCommits(outcome string) (n int) {
	w.t.Helper()
	families, err := w.fleet.gather()
	w.must(err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "convstream_commits_total" && l.GetName() == "outcome" && l.GetValue() == outcome {
					n += int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return n
}

func isDeadLetter(r kmsg.Record) bool {
	return slices.ContainsFunc(r.Headers, func(h kmsg.Header) bool { return h.Key == "error" })
}
