package poller

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Read is what was found in a window.
type Read struct {
	Window
	Rows     []smartassist.Row // each row once, by identity and session; the newest content that was met
	At       time.Time         // when it was read: the earlier of our clock and the service's, at the first page; of a part, at its first
	First    time.Time         // that of the whole read
	Clock    Clock             // at the first page
	Requests int
	All      int           // requests of the whole read, where it was taken in parts
	Met      int           // rows of the whole read
	Began    int           // of these, those that began in the window
	Withheld bool          // some of its rows are not published yet
	Proven   bool          // all pages of the window were read, and that is certain
	Partial  Reason        // why the window cannot be read whole, now or later; "" if it can
	Narrow   time.Duration // how wide to ask for its beginning instead, since the window holds more than can be proven; else 0
	Err      error         // why it ended before that was known; the rows are those that came until then
}

const (
	margin    = time.Second // asked for on both sides beyond what is to be covered
	maxPasses = 5           // walks over one window until two agree
)

// observed is the density after the read. Rows count of which a narrower window would show fewer: where the service returns whole
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

var errStopped = errors.New("the read was given up")

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
		n, before := len(page.Rows), c.known()
		if err := r.learnUnit(c, page); err != nil {
			return false, err
		}
		for _, offset := range r.nextOffsets(c, n) {
			if _, _, err := c.behind(c.limit, offset, true); err != nil {
				return false, err
			}
		}
		if c.known() == before {
			if c.usual() {
				r.Paging.proved(n)
			}
			return true, nil
		}
		var err error
		if page, err = c.page(0); err != nil {
			return false, err
		}
		if len(page.Rows) < c.known() {
			if c.usual() {
				r.Paging.disproved()
			}
			return false, nil
		}
	}
	return false, nil
}

// nextOffsets are the offsets at which more rows would show if a page of n rows were not the last. Where offsets count
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

// rowKey tells rows apart within a read: identity and session, or the bytes of a row without identity.
type rowKey struct {
	identity, session string
	raw               [sha256.Size]byte
}

func keyOfRow(row smartassist.Row) rowKey {
	if row.Err != nil {
		return rowKey{raw: sha256.Sum256(row.Raw)}
	}
	return rowKey{identity: row.Identity(), session: row.SessionID}
}

// collector gathers the pages of one window.
type collector struct {
	reader *Reader
	window Window
	limit  int // rows asked for in a page
	ask    Ask

	met      map[rowKey]bool // rows of the whole read
	rows     rowSet          // those that came since they were last taken
	at       time.Time       // of the first page
	partAt   time.Time       // of the first page since it was last taken
	clock    Clock
	began    int              // of those met
	all      int              // requests
	absent   map[int]bool     // offsets at which there is no page
	tries    int              // how often the question at hand is asked, where it may be one for nothing; 0 is as usual
	broken   smartassist.Page // the last answer, where it was no whole page
	requests int              // since they were last taken
}

func (r *Reader) collector(t Task, ask Ask) *collector {
	c := &collector{reader: r, window: t.Window, limit: r.Limit, ask: ask, met: map[rowKey]bool{}, absent: map[int]bool{}}
	if t.Limit > 0 {
		c.limit = t.Limit
	}
	return c
}

// usual reports whether pages are of the usual size: only those say something about others.
func (c *collector) usual() bool { return c.limit == c.reader.Limit }

func (c *collector) trusted(n int) bool { return c.usual() && c.reader.Paging.trusted(n) }

// known returns how many rows the read has met.
func (c *collector) known() int { return len(c.met) }

// page asks for one page of the usual limit.
func (c *collector) page(offset int) (smartassist.Page, error) { return c.pageOf(c.limit, offset) }

// pageOf asks for one page and adds its rows; what was met before is replaced by the newer content.
func (c *collector) pageOf(limit, offset int) (smartassist.Page, error) {
	page, err := c.ask(smartassist.Query{
		Start: c.window.Start.Add(-margin), End: c.window.End.Add(margin),
		Limit: limit, Offset: offset,
	})
	if err != nil {
		c.broken = page
		return page, err
	}
	if c.partAt.IsZero() {
		c.clock = observe(page.Sent, c.reader.Now(), page.Date)
		c.partAt = c.clock.Earlier(page.Sent)
	}
	if c.at.IsZero() {
		c.at = c.partAt
	}
	for _, row := range page.Rows {
		key := keyOfRow(row)
		if !c.met[key] && (row.Start.IsZero() || c.window.Contains(row.Start)) {
			c.began++
		}
		c.met[key] = true
	}
	c.rows.add(page.Rows)
	if c.usual() {
		c.reader.Paging.Largest = max(c.reader.Paging.Largest, len(page.Rows))
	}
	return page, nil
}

// behind asks for a page that may stand behind the last one; last is whether the page before it says that it is. A service that
// fails there, and not at page 0 in between, has none, as one that refuses the offset. Where services are known to do that,
// they are not asked as often.
func (c *collector) behind(limit, offset int, last bool) (page smartassist.Page, none bool, err error) {
	paging := &c.reader.Paging
	if c.absent[offset] && limit == c.limit {
		return smartassist.Page{}, true, nil
	}
	known := paging.FailsBehind
	if known {
		c.tries = 2
	}
	if known && last {
		c.tries = 1
	}
	defer func() { c.tries = 0 }()
	if page, err = c.pageOf(limit, offset); !noSuchPage(err) {
		return page, false, err
	}
	if !refused(err) && !(known && last) {
		if _, err := c.page(0); err != nil {
			return page, false, err
		}
		if page, err = c.pageOf(limit, offset); !noSuchPage(err) {
			return page, false, err
		}
		paging.FailsBehind = paging.FailsBehind || !refused(err)
	}
	if limit == c.limit {
		c.absent[offset] = true
	}
	return smartassist.Page{}, true, nil
}

// mayNotBe reports whether so many failures of the question at hand are enough to say that there is no such page.
func (c *collector) mayNotBe(failures int, err error) bool {
	return c.tries > 0 && failures >= c.tries && noSuchPage(err)
}

// settled reports whether the answers count for the whole window.
func (c *collector) settled() bool { return !c.at.Add(-c.reader.Settle).Before(c.window.End) }

// mostlyOutside reports whether more than half of the rows started outside what was asked for. Rows that started after the
// window's end show that the service looks at dates only; rows before it may also have ended in it.
func (c *collector) mostlyOutside(page smartassist.Page) bool {
	asked := Window{c.window.Start.Add(-margin), c.window.End.Add(2 * margin)}
	outside, after := 0, 0
	for _, row := range page.Rows {
		if row.Start.IsZero() || asked.Contains(row.Start) {
			continue
		}
		if outside++; row.Start.After(asked.End) {
			after++
		}
	}
	most := outside*2 > len(page.Rows)
	if most && after > 0 {
		c.reader.Paging.IgnoresTime = true
	}
	return most
}

// take returns the read as far as it came since it was last taken.
func (c *collector) take() Read {
	c.all += c.requests
	r := Read{
		Window: c.window, Rows: c.rows.list, At: cmp.Or(c.partAt, c.at), First: c.at, Clock: c.clock, Requests: c.requests,
		All: c.all, Met: c.known(), Began: c.began,
	}
	c.rows, c.requests, c.partAt = rowSet{}, 0, time.Time{}
	return r
}

// whole is the read of a window that is known to be read whole. A page whose shortness was neither trusted nor proven (in a
// window that has not settled) covers nothing.
func (c *collector) whole() Read {
	r := c.take()
	r.Proven = c.settled() || c.reader.Paging.ShortUnsafe || c.trusted(c.known())
	return r
}

func (c *collector) unproven() Read { return c.take() }

func (c *collector) failed(err error) Read {
	r := c.take()
	r.Err = err
	return r
}

func (c *collector) partial(why Reason) Read {
	r := c.take()
	r.Partial = why
	return r
}

// narrow is the read of a window that holds more rows than can be proven at once. Its page shows how many there are: its rows
// have times, or the service counts them.
func (c *collector) narrow(page smartassist.Page) Read {
	r := c.take()
	density := float64(page.NumResults) / c.window.Len().Seconds()
	var starts []time.Time
	for _, row := range page.Rows {
		if c.window.Contains(row.Start) {
			starts = append(starts, row.Start)
		}
	}
	if len(starts) > 1 {
		span := slices.MaxFunc(starts, time.Time.Compare).Sub(slices.MinFunc(starts, time.Time.Compare)) + time.Second
		density = max(density, float64(len(starts))/span.Seconds())
	}
	r.Narrow = c.window.FirstHalf().Len()
	if density > 0 {
		width := max(time.Duration(rowsToAPage(c.limit)/density)*time.Second, c.window.Len()/16).Truncate(time.Second)
		r.Narrow = min(r.Narrow*3/2, max(width, time.Second)).Truncate(time.Second)
		if len(starts) < 2 { // one row says nothing of where others are
			r.Narrow = min(r.Narrow, c.window.FirstHalf().Len())
		}
	}
	r.Narrow = max(r.Narrow, time.Second)
	return r
}

// rowsToAPage is how many rows a window is made for that holds too many.
func rowsToAPage(limit int) float64 { return min(pageRows, 0.8*float64(limit)) }
