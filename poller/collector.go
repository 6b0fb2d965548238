package poller

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// rowKey distinguishes rows within a read: identity and session, or the bytes of a row without identity.
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

	met           map[rowKey]bool // rows of the whole read
	rows          rowSet          // those that came since they were last taken
	at            time.Time       // of the first page
	partAt        time.Time       // of the first page since it was last taken
	clock         Clock
	began         int // of those met
	totalRequests int
	absent        map[int]bool     // offsets at which there is no page
	maxTries      int              // how often the question at hand is asked, where it may be one for nothing; 0 is as usual
	broken        smartassist.Page // the last answer, where it was not a whole page
	requests      int              // since they were last taken
}

func (r *Reader) collector(t Task, ask Ask) *collector {
	c := &collector{reader: r, window: t.Window, limit: r.Limit, ask: ask, met: map[rowKey]bool{}, absent: map[int]bool{}}
	if t.Limit > 0 {
		c.limit = t.Limit
	}
	return c
}

// usualLimit reports whether pages are of the usual size: only those say something about others.
func (c *collector) usualLimit() bool { return c.limit == c.reader.Limit }

func (c *collector) trusted(n int) bool { return c.usualLimit() && c.reader.Paging.trusted(n) }

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
		c.clock, c.partAt = clockOf(page, c.reader.Now())
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
	if c.usualLimit() {
		c.reader.Paging.Largest = max(c.reader.Paging.Largest, len(page.Rows))
	}
	return page, nil
}

// behind asks for a page that may stand behind the last one; last is whether the page before it says that it is. A service that
// fails there, and not at page 0 in between, has none, as one that refuses the offset. Where services are known to do that,
// they are not asked as often.
func (c *collector) behind(limit, offset int, last bool) (page smartassist.Page, absent bool, err error) {
	paging := &c.reader.Paging
	if c.absent[offset] && limit == c.limit {
		return smartassist.Page{}, true, nil
	}
	known := paging.FailsBehind
	if known {
		c.maxTries = 2
	}
	defer func() { c.maxTries = 0 }()
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

// isAbsent reports whether so many failures of the question at hand are enough to say that there is no such page.
func (c *collector) isAbsent(failures int, err error) bool {
	return c.maxTries > 0 && failures >= c.maxTries && noSuchPage(err)
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
	c.totalRequests += c.requests
	r := Read{
		Window: c.window, Rows: c.rows.list, At: cmp.Or(c.partAt, c.at), First: c.at, Clock: c.clock, Requests: c.requests,
		TotalRequests: c.totalRequests, Met: c.known(), Began: c.began,
	}
	c.rows, c.requests, c.partAt = rowSet{}, 0, time.Time{}
	return r
}

// whole returns the read of a window that is known to be read whole. A page whose shortness was neither trusted nor proven (in a
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

func (c *collector) partial(cause Cause) Read {
	r := c.take()
	r.Partial = cause
	return r
}

// narrow returns the read of a window that holds more rows than can be proven at once. Its page shows how many there are: its rows
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

// rowsToAPage returns how many rows a window is made for that holds too many.
func rowsToAPage(limit int) float64 { return max(1, min(pageRows, 0.8*float64(limit))) }
