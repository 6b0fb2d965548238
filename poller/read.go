package poller

import (
	"errors"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Read is what was found in a window.
type Read struct {
	Window
	Rows          []smartassist.Row // each row once, by identity and session; the newest content that was met
	At            time.Time         // when it was read: the earlier of our clock and the service's, at the first page; of a part, at its first
	First         time.Time         // that of the whole read
	Clock         Clock             // at the first page
	Requests      int
	TotalRequests int           // of the whole read, where it was taken in parts
	Met           int           // rows of the whole read
	Began         int           // of these, those that began in the window
	Withheld      bool          // some of its rows are not published yet
	Proven        bool          // all pages of the window were read, and that is certain
	Partial       Cause         // why the window cannot be read whole, now or later; "" if it can
	Narrow        time.Duration // how wide to ask for its beginning instead, since the window holds more than can be proven; else 0
	Err           error         // why it ended before that was known; the rows are those that came until then
}

const (
	margin    = time.Second // asked for on both sides beyond what is to be covered
	maxPasses = 5           // walks over one window until two agree
)

// observed returns the density after the read. Rows count of which a narrower window would show fewer: where the service returns whole
// days, or every conversation that was under way, a window may overflow the page however narrow it is; then only those count
// that began in it, or windows would shrink to a second each.
func (r Read) observed(d Density, limit int, ignoresTime bool) Density {
	switch {
	case r.Narrow > 0:
		return d.Observe(Window{r.Start, r.Start.Add(r.Narrow)}, int(rowsToAPage(limit)))
	case r.Met >= limit && 2*r.Began < r.Met, ignoresTime:
		return d.Observe(r.Window, r.Began)
	}
	return d.Observe(r.Window, r.Met)
}

// Ask asks the service for a page. Its errors are [smartassist.Error] values, or [errStopped].
type Ask func(smartassist.Query) (smartassist.Page, error)

var (
	errStopped    = errors.New("read stopped")
	errSmallPages = errors.New("smaller pages did not return all rows")
)

// Reader reads windows whole, whatever the service's paging does, and says so where it cannot.
type Reader struct {
	Limit  int // rows asked for in a page
	Settle time.Duration
	Now    func() time.Time // our clock
	Paging Paging
}

// read reads the window of the collector.
//
// A page that is short, not outnumbered by numResults, and of a size that has been proven, is the whole window. A full one is
// walked where that is proof enough by itself, and else asked for in narrower windows, which the caller does. Walked are also a
// window of one second, one whose rows lie mostly outside it (then the service does not filter as finely as we ask, and
// halves would return the same rows), and a short page that may not be the last. A walk that was stopped by a cap on the offset
// is narrowed after all, where time allows.
func (r *Reader) read(c *collector) Read {
	page, err := c.page(0)
	if err != nil {
		return c.failed(err)
	}
	if whole, err := r.whole(c, page); err != nil {
		return c.failed(err)
	} else if whole {
		return c.whole()
	}
	outside := c.mostlyOutside(page)
	splittable := c.window.Len() >= 2*time.Second && !(outside && r.Paging.IgnoresTime)
	full := len(page.Rows) >= c.limit
	if splittable && full && !outside && !r.Paging.ShortUnsafe && !r.worthWalking(c) {
		return c.narrow(page)
	}
	end, err := r.walk(c, page, splittable && full && !outside)
	switch {
	case err != nil:
		return c.failed(err)
	case end == ended:
		return c.whole()
	case !c.usualLimit(): // other pages may do better
		return c.failed(errSmallPages)
	case end == unsteady && !splittable && c.settled():
		return c.partial(Unsteady)
	case end == unsteady && !c.settled():
		return c.unproven() // it would not have counted anyway
	case !splittable:
		return c.partial(Capped)
	}
	return c.narrow(page)
}

// worthWalking reports whether a full window that could be narrowed is walked instead. One that has not settled proves nothing
// either way: a walk then just brings its rows.
func (r *Reader) worthWalking(c *collector) bool {
	return r.Paging.mayWalk() || !c.settled() && !r.Paging.Capped
}

// whole reports whether page 0 holds all rows of the window, proving it where that is necessary and possible.
func (r *Reader) whole(c *collector, page smartassist.Page) (bool, error) {
	n := len(page.Rows)
	if r.Paging.ShortUnsafe || n >= c.limit || page.NumResults > n {
		return false, nil
	}
	if c.trusted(n) {
		r.Paging.Leaves++
		return true, nil
	}
	if !c.settled() {
		return true, nil // it covers nothing yet that would need a proof: see collector.whole
	}
	return r.prove(c, page)
}

// prove asks for the pages that would follow a short page 0 under every reading of offset not excluded yet. Rows
// that they bring are a proof of the contrary, unless page 0, asked again, has them too: then they have just arrived.
// A service that answers with an error where there is nothing more has none.
func (r *Reader) prove(c *collector, page smartassist.Page) (bool, error) {
	for range maxPasses {
		n, before, fails := len(page.Rows), c.known(), false
		if err := r.learnUnit(c, page); err != nil {
			return false, err
		}
		for _, offset := range r.nextOffsets(c, n) {
			_, absent, err := c.behind(c.limit, offset, true)
			if err != nil {
				return false, err
			}
			fails = fails || absent
		}
		if c.known() == before {
			if c.usualLimit() && !fails { // an error does not prove it
				r.Paging.proved(n)
			}
			return true, nil
		}
		var err error
		if page, err = c.page(0); err != nil {
			return false, err
		}
		if len(page.Rows) < c.known() {
			if c.usualLimit() {
				r.Paging.disproved()
			}
			return false, nil
		}
	}
	return false, nil
}

// nextOffsets returns the offsets at which more rows would show if a page of n rows were not the last. Where offsets count
// pages that is page 1. Where they count rows it is n: what was cut off stands there, and behind it what stands behind
// rows that were taken out of the page; of a page that may have lost most of its rows, also the limit.
func (r *Reader) nextOffsets(c *collector, n int) []int {
	if r.Paging.Unit == UnitPages {
		return []int{1}
	}
	var offsets []int
	if n > 1 || r.Paging.Unit == UnitUnknown {
		offsets = append(offsets, max(1, n))
	}
	if n < c.limit/2 {
		offsets = append(offsets, c.limit)
	}
	if r.Paging.Unit == UnitRows && n > offsetCap && !r.Paging.BeyondCap {
		offsets = append(offsets, offsetCap)
	}
	if r.Paging.Unit == UnitUnknown && n > 1 {
		offsets = append(offsets, 1)
	}
	return offsets
}

// refused reports whether the service did not accept the query itself: an offset it does not allow.
func refused(err error) bool {
	e, ok := errors.AsType[*smartassist.Error](err)
	return ok && e.Kind == smartassist.Refused
}

// noSuchPage reports whether the service has no page at an offset behind others that it does have: it refuses the offset, or
// fails whenever it is asked for it.
func noSuchPage(err error) bool {
	e, ok := errors.AsType[*smartassist.Error](err)
	return ok && (e.Kind == smartassist.Refused || e.Kind == smartassist.Temporary && e.Status >= 500)
}
