package producer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReadSince: it reads the records of that time and later in every partition; Tail reads the last of each; and Ends returns the
// high watermarks.
func TestReadSince(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		ends := map[string]int64{}
		var times []time.Time
		for i := range 4 {
			times = append(times, time.Now())
			if err := p.Commit(t.Context(), rows(voice, fmt.Sprint(i), 20), func(e map[string]int64) ([]Record, error) {
				for at, end := range e {
					ends[at] = end
				}
				return nil, nil
			}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // virtual
		}
		for i, since := range append(times, time.Now(), time.Time{}) {
			n := 0
			if err := p.ReadSince(t.Context(), voice, since, func(Message) error { n++; return nil }); err != nil {
				t.Fatal(err)
			}
			if want := []int{80, 60, 40, 20, 0, 80}[i]; n != want {
				t.Errorf("%d records since commit %d, want %d", n, i, want)
			}
		}
		for last, want := range map[int64]int{0: 80, 1000: 80, 1: 0} { // the last offset of each partition is a control marker's
			n := 0
			for _, values := range tailed(t, w.config(), TailOptions{Topics: []string{voice}, Last: last}) {
				n += len(values)
			}
			if n != want {
				t.Errorf("%d records among the last %d of each partition, want %d", n, last, want)
			}
		}
		for id, values := range tailed(t, w.config(), TailOptions{Topics: []string{voice}, Last: 3}) {
			if len(values) == 0 || len(values) > 2 || !strings.HasPrefix(values[len(values)-1], "3") {
				t.Errorf("partition %s: %q among the last 3 offsets", id, values)
			}
		}
		found, err := p.Ends(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(found[voice]) != p.Partitions(voice) || !slices.Equal(found[state], []int64{0}) {
			t.Errorf("ends %v", found)
		}
		for id, end := range found[voice] {
			if last, written := ends[fmt.Sprintf("%s-%d", voice, id)]; written && end <= last || !written && end != 0 {
				t.Errorf("partition %d ends at %d, the last record lies at %d", id, end, last)
			}
		}
	})
}
