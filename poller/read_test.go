package poller

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// paged is a service of rows that do not change, with the habits of paging that the documents leave open.
type paged struct {
	rows     []smartassist.Row // in the order in which it shows them
	pages    bool              // an offset counts pages, not rows
	counts   bool              // numResults is the number of rows of the window; else -1
	largest  int               // rows of a page, whatever the limit; 0 is as many as asked for
	thinned  bool              // every seventh row is taken out of a page after paging
	cap      int               // offsets beyond it are answered as beyond says; 0: there is no cap
	beyond   string            // "empty", "repeat" (page 0 again), "refuse" or "fail"
	hidden   int               // of the last rows it counts, shows none and has no page of
	daysOnly bool              // it looks at the dates of a window only
	asked    int
}

func (s *paged) Page(_ context.Context, q smartassist.Query) (smartassist.Page, error) {
	s.asked++
	all := s.within(q)
	page := smartassist.Page{Sent: at(100_000), Date: at(100_000), NumResults: -1}
	if s.counts {
		page.NumResults = len(all)
	}
	all = all[:len(all)-min(len(all), s.hidden)]
	limit := q.Limit
	if s.largest > 0 {
		limit = min(limit, s.largest)
	}
	first := q.Offset
	if s.pages {
		first = q.Offset * limit
	}
	if s.cap > 0 && q.Offset > s.cap || first >= len(all) && s.beyond == "fail" && q.Offset > 0 {
		switch s.beyond {
		case "refuse":
			return smartassist.Page{}, serviceError(smartassist.Refused, 400, smartassist.CategoryStatus4xx)
		case "fail":
			return smartassist.Page{}, serviceError(smartassist.Temporary, 500, smartassist.CategoryStatus5xx)
		case "repeat":
			first = 0
		default:
			first = len(all)
		}
	}
	shown := all[min(first, len(all)):min(first+limit, len(all))]
	for i, r := range shown {
		if !s.thinned || (first+i)%7 != 3 {
			page.Rows = append(page.Rows, r)
		}
	}
	return page, nil
}

// within returns the rows that the service has for the query.
func (s *paged) within(q smartassist.Query) []smartassist.Row {
	start, end := q.Start, q.End
	if s.daysOnly {
		start, end = start.Truncate(24*time.Hour), end.Truncate(24*time.Hour).Add(24*time.Hour-time.Second)
	}
	return slices.DeleteFunc(slices.Clone(s.rows), func(r smartassist.Row) bool { return r.Start.Before(start) || r.Start.After(end) })
}

func serviceError(kind smartassist.ErrorKind, status int, category string) error {
	return &smartassist.Error{Kind: kind, Status: status, Category: category, Err: errors.New("no")}
}

// rowsEvery returns n conversations, one every so many seconds from the second on.
func rowsEvery(n, from int, every float64) []smartassist.Row {
	rows := make([]smartassist.Row, n)
	for i := range rows {
		rows[i] = row(`{"conversationId":"c-%d","sessionStartTime":%q}`, i, at(from+int(float64(i)*every)).Format("2006-01-02T15:04:05"))
	}
	return rows
}

func newReader(now time.Time) *Reader {
	return &Reader{Limit: 100, Settle: 2 * time.Minute, Now: func() time.Time { return now }}
}

// identities returns how many different conversations that began in the window a read brought.
func identities(read Read) int {
	met := map[string]bool{}
	for _, r := range read.Rows {
		if read.Contains(r.Start) {
			met[r.Identity()] = true
		}
	}
	return len(met)
}

// TestAReadThatIsProvenLacksNoRow: whatever the habits of the service, in whatever order windows of all sizes are read, and with
// what was learned from those before. What lacks rows is narrower, partial, failed, or proves nothing.
func TestAReadThatIsProvenLacksNoRow(t *testing.T) {
	proven := 0
	rapid.Check(t, func(t *rapid.T) {
		s := &paged{
			rows:  rowsEvery(rapid.IntRange(0, 1500).Draw(t, "rows"), 1000, rapid.SampledFrom([]float64{0, 0.1, 2}).Draw(t, "seconds between")),
			pages: rapid.Bool().Draw(t, "pages"), counts: rapid.Bool().Draw(t, "counts"),
			largest: rapid.SampledFrom([]int{0, 0, 50}).Draw(t, "largest"), thinned: rapid.Bool().Draw(t, "thinned"),
			cap: rapid.SampledFrom([]int{0, 0, 10}).Draw(t, "cap"), beyond: rapid.SampledFrom([]string{"empty", "repeat", "refuse", "fail"}).Draw(t, "beyond"),
		}
		s.thinned = s.thinned && s.largest == 0 && s.counts // else what is taken out is in no answer, and nothing shows that it was
		r := newReader(at(100_000))
		for range rapid.IntRange(1, 4).Draw(t, "windows") {
			start := 990 + rapid.IntRange(0, 400).Draw(t, "start")
			w := window(start, start+rapid.SampledFrom([]int{1, 2, 30, 600, 5000}).Draw(t, "length"))
			read := readWithRetries(r, s, Task{Window: w})
			want := len(slices.DeleteFunc(slices.Clone(s.rows), func(r smartassist.Row) bool { return !w.Contains(r.Start) }))
			if s.thinned {
				continue // rows that no request shows cannot be read; it is only to end
			}
			if got := identities(read); read.Proven && got != want {
				t.Fatalf("%v is proven with %d of %d rows; paging %+v", w, got, want, r.Paging)
			}
			if !read.Proven && read.Narrow == 0 && read.Partial == "" && read.Err == nil {
				t.Fatalf("%v: neither proven nor narrowed, partial nor failed", w)
			}
			if read.Proven {
				proven++
			}
		}
	})
	if proven == 0 {
		t.Error("nothing was proven: the test shows nothing")
	}
}

// readWithRetries reads a window as the Poller does: a question that fails is asked again some times.
func readWithRetries(r *Reader, s Source, task Task) Read {
	g := r.begin(task)
	defer g.stop()
	for g.asking {
		page, err := s.Page(context.Background(), g.query)
		if err != nil && g.failed(err, 0, false, at(0)) {
			continue
		}
		g.answered(page, err)
	}
	return g.result
}

// TestReadsOfOnePage: how each habit of the service ends the read of a settled window, and what is known of its paging then.
func TestReadsOfOnePage(t *testing.T) {
	few, full := rowsEvery(30, 1000, 1), rowsEvery(300, 1000, 1)
	for name, c := range map[string]struct {
		service paged
		window  Window
		want    func(Read, Paging) bool
	}{
		"no rows": {paged{}, window(1000, 1300), func(r Read, p Paging) bool {
			return r.Proven && len(r.Rows) == 0 && p.Examined && p.Unit == UnitUnknown
		}},
		"a short page, offsets count rows": {paged{rows: few}, window(1000, 1300), func(r Read, p Paging) bool {
			return r.Proven && len(r.Rows) == 30 && p.Unit == UnitRows && p.Proven == 30
		}},
		"a short page, offsets count pages": {paged{rows: few, pages: true}, window(1000, 1300), func(r Read, p Paging) bool {
			return r.Proven && len(r.Rows) == 30 && p.Unit == UnitPages && p.Proven == 30
		}},
		"a page cut to 50 rows": {paged{rows: rowsEvery(120, 1000, 1), largest: 50}, window(1000, 1300), func(r Read, p Paging) bool {
			return r.Proven && len(r.Rows) == 120 && p.ShortUnsafe && p.ProbesFailed == 1
		}},
		"many rows are walked": {paged{rows: full}, window(1000, 1300), func(r Read, p Paging) bool {
			return r.Proven && len(r.Rows) == 300 && p.BeyondCap && p.walks()
		}},
		"many rows, pages behind a cap are empty": {paged{rows: full, cap: 10, beyond: "empty"}, window(1000, 1300), func(r Read, p Paging) bool {
			return !r.Proven && r.Narrow >= time.Second && r.Narrow < 150*time.Second && p.Capped
		}},
		"many rows, offsets behind a cap are refused": {paged{rows: full, cap: 10, beyond: "refuse"}, window(1000, 1300), func(r Read, p Paging) bool {
			return !r.Proven && r.Narrow >= time.Second && p.Capped
		}},
		"a second of many rows behind a cap": {paged{rows: rowsEvery(300, 1000, 0), cap: 10, beyond: "refuse"}, window(1000, 1001), func(r Read, p Paging) bool {
			return !r.Proven && r.Partial == Capped && len(r.Rows) > 100
		}},
		"a service that answers for whole days": {paged{rows: rowsEvery(300, 1000, 60), daysOnly: true}, window(1000, 1060), func(r Read, p Paging) bool {
			return p.IgnoresTime && r.Proven && len(r.Rows) == 300
		}},
		"an error behind the last row": {paged{rows: few, beyond: "fail"}, window(1000, 1300), func(r Read, p Paging) bool {
			return r.Proven && len(r.Rows) == 30 && p.FailsBehind && p.Proven == 0
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(at(100_000))
			read := readWithRetries(r, &c.service, Task{Window: c.window})
			if read.Err != nil || !c.want(read, r.Paging) {
				t.Errorf("%d rows, proven %t, narrow %v, partial %q, %v; paging %+v", len(read.Rows), read.Proven, read.Narrow, read.Partial, read.Err, r.Paging)
			}
		})
	}
}

// TestATrustedPageCostsOneRequest, and every fiftieth is examined all the same.
func TestATrustedPageCostsOneRequest(t *testing.T) {
	s := &paged{rows: rowsEvery(40, 1000, 1)}
	r := newReader(at(100_000))
	r.Paging = Paging{Unit: UnitRows, Largest: 100, Proven: 60, Examined: true}
	for i := range proofEvery {
		s.asked = 0
		if read := readWithRetries(r, s, Task{Window: window(1000, 1300)}); !read.Proven || s.asked != 1 {
			t.Fatalf("read %d: proven %t with %d requests", i, read.Proven, s.asked)
		}
	}
	if readWithRetries(r, s, Task{Window: window(1000, 1300)}); s.asked < 2 || r.Paging.Leaves != 0 {
		t.Errorf("%d requests after %d reads that were trusted, %d since the proof", s.asked, proofEvery, r.Paging.Leaves)
	}
}

// TestAWindowThatHasNotSettled proves nothing, costs one request, and brings its rows.
func TestAWindowThatHasNotSettled(t *testing.T) {
	s := &paged{rows: rowsEvery(40, 99_900, 1)}
	r := newReader(at(100_000))
	read := readWithRetries(r, s, Task{Window: window(99_890, 100_000), Reason: Head})
	if read.Proven || read.Partial != "" || read.Narrow != 0 || len(read.Rows) != 40 || s.asked != 1 {
		t.Errorf("proven %t, partial %q, narrow %v, %d rows, %d requests", read.Proven, read.Partial, read.Narrow, len(read.Rows), s.asked)
	}
	if r.Paging.Examined {
		t.Error("and it is no proof of how the service pages")
	}
}

// TestAReadAsksASecondBeyondItsWindow on both sides, whichever page it asks for.
func TestAReadAsksASecondBeyondItsWindow(t *testing.T) {
	s := &paged{rows: rowsEvery(300, 1000, 1)}
	r := newReader(at(100_000))
	g := r.begin(Task{Window: window(1000, 1300)})
	defer g.stop()
	for g.asking {
		if !g.query.Start.Equal(at(999)) || !g.query.End.Equal(at(1301)) || g.query.Limit > 100 {
			t.Fatalf("asks for %+v", g.query)
		}
		g.answered(s.Page(t.Context(), g.query))
	}
	if g.result.Requests != s.asked || g.result.TotalRequests != s.asked {
		t.Errorf("%d requests, of all %d, want %d", g.result.Requests, g.result.TotalRequests, s.asked)
	}
}

// TestAReadInParts: what was taken before the end is not in the rest, and the counts of the whole read are.
func TestAReadInParts(t *testing.T) {
	s := &paged{rows: rowsEvery(300, 1000, 1)}
	r := newReader(at(100_000))
	g := r.begin(Task{Window: window(1000, 1300)})
	defer g.stop()
	var parts []Read
	for g.asking {
		g.answered(s.Page(t.Context(), g.query))
		if g.asking {
			parts = append(parts, g.collector.take())
		}
	}
	rows, requests := len(g.result.Rows), g.result.Requests
	for _, p := range parts {
		rows, requests = rows+len(p.Rows), requests+p.Requests
	}
	last := g.result
	if last.Met != 300 || last.Began != 300 || last.TotalRequests != requests || requests != s.asked || !last.Proven || rows < 300 {
		t.Errorf("%d rows in %d parts, met %d, began %d; %d requests of %d", rows, len(parts)+1, last.Met, last.Began, requests, s.asked)
	}
	if !last.First.Equal(at(100_000)) {
		t.Errorf("the whole read began at %v", last.First)
	}
}

// TestObservedDensity: of a window that overflows whatever its width only those rows count that began in it.
func TestObservedDensity(t *testing.T) {
	w := window(0, 3600)
	for name, c := range map[string]struct {
		read        Read
		ignoresTime bool
		want        float64 // rows a second
	}{
		"all rows":                      {Read{Window: w, Met: 90, Began: 10}, false, 90. / 3600},
		"a full page of other windows'": {Read{Window: w, Met: 150, Began: 36}, false, 36. / 3600},
		"whole days":                    {Read{Window: w, Met: 72, Began: 36}, true, 36. / 3600},
		"too many for a page":           {Read{Window: w, Met: 100, Began: 100, Narrow: 100 * time.Second}, false, 80. / 100},
	} {
		if got := c.read.observed(Density{}, 100, c.ignoresTime).Mean; got < c.want*0.999 || got > c.want*1.001 {
			t.Errorf("%s: %g rows a second, want %g", name, got, c.want)
		}
	}
}
