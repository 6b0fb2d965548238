package poller

import (
	"context"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// twoSources answers like a service that pages two sources by themselves, where offsets count rows, and that counts a row
// which it does not show. cap is the highest offset it goes to; 0 is none.
type twoSources struct {
	of  [2][]smartassist.Row
	cap int
}

func (s twoSources) Page(_ context.Context, q smartassist.Query) (smartassist.Page, error) {
	page := smartassist.Page{Sent: q.End.Add(time.Hour), NumResults: len(s.of[0]) + len(s.of[1]) + 1}
	for _, rows := range s.of {
		if q.Offset <= len(rows) && (s.cap == 0 || q.Offset <= s.cap) {
			page.Rows = append(page.Rows, rows[q.Offset:min(len(rows), q.Offset+q.Limit)]...)
		}
	}
	return page, nil
}

// TestTheEndIsNoCap: a window that cannot be split, with few rows, is whole although a page behind offset 10 is empty.
func TestTheEndIsNoCap(t *testing.T) {
	for rows, whole := range map[int]bool{8: true, 45: false} {
		s := twoSources{cap: 10}
		for i := range rows {
			s.of[0] = append(s.of[0], contact(string(rune('A'+i)), "s", "CLOSED"))
			s.of[1] = append(s.of[1], contact(string(rune('A'+i)), "t", "CLOSED"))
		}
		r := Reader{Limit: 100, Settle: time.Minute, Now: time.Now, Paging: Paging{Unit: UnitRows}}
		read := readAll(t, &r, s, Task{Window: Window{at(0), at(0).Add(time.Second)}})
		if read.Err != nil || read.Proven != whole || (read.Partial == "") != whole || len(read.Rows) != 2*rows {
			t.Errorf("%d rows: %d read, proven %t, partial %q, %v", 2*rows, len(read.Rows), read.Proven, read.Partial, read.Err)
		}
	}
}

// TestAWalkOfPagesThatAreCut: a service that counts pages and cuts each to 50 rows shows 650 to pages of ever lower limits, and the
// next one brings nothing new. That is not the end of the window; nor is an empty page behind the documented cap, since the service
// counts more rows than came.
func TestAWalkOfPagesThatAreCut(t *testing.T) {
	for _, rows := range []int{550, 600, 650, 651, 700, 3000} {
		for _, cap := range []int{0, 10} {
			s := &paged{rows: rowsEvery(rows, 1000, 0), pages: true, largest: 50, counts: true, cap: cap, beyond: "empty"}
			read := readAll(t, newReader(at(100_000)), s, Task{Window: window(990, 1020)})
			if got := identities(read); read.Err != nil || read.Proven && got != rows {
				t.Errorf("%d of %d rows, cap %d, proven %t, %v", got, rows, cap, read.Proven, read.Err)
			}
		}
	}
}

// TestAWindowOfOneRow: where short pages prove nothing and the service fails for a page that is not there, a window of at most one row is whole:
// there is no row that another page could begin with. Random world 5348 halved such windows down to every second of them.
func TestAWindowOfOneRow(t *testing.T) {
	for rows := range 4 {
		for _, counts := range []bool{false, true} {
			s := &paged{rows: rowsEvery(rows, 1000, 0), beyond: "fail", counts: counts}
			r := newReader(at(100_000))
			r.Paging = Paging{Unit: UnitRows, ShortUnsafe: true}
			read := readAll(t, r, s, Task{Window: window(990, 1020)})
			if read.Err != nil || !read.Proven || identities(read) != rows {
				t.Errorf("%d of %d rows, proven %t, %v", identities(read), rows, read.Proven, read.Err)
			}
		}
	}
	// One row is shown of those that the service counts: that is not the whole window.
	s := &paged{rows: rowsEvery(2, 1000, 0), beyond: "fail", counts: true, hidden: 1}
	r := newReader(at(100_000))
	r.Paging = Paging{Unit: UnitRows, ShortUnsafe: true}
	if read := readAll(t, r, s, Task{Window: window(990, 1020)}); read.Proven {
		t.Errorf("%d rows of two are taken for all", identities(read))
	}
}

// readAll reads a window in one go.
func readAll(t *testing.T, r *Reader, s Source, task Task) Read {
	t.Helper()
	g := r.begin(task)
	defer g.stop()
	for g.asking {
		g.answered(s.Page(t.Context(), g.query))
	}
	return g.result
}
