package poller

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Source is where pages come from: the service's client.
type Source interface {
	// Page answers one query with one request. Its errors are [smartassist.Error] values or the context's.
	Page(ctx context.Context, q smartassist.Query) (smartassist.Page, error)
}

// Read is what was found in a window.
type Read struct {
	Window
	Rows     []smartassist.Row // each row once, by identity and session; the newest content that was met
	At       time.Time         // when it was read: the earlier of our clock and the service's, at the first page
	Behind   time.Duration     // how far the service's clock was behind ours
	Ahead    time.Duration     // how far it was ahead, at least; not more than an hour
	Requests int
	Proven   bool   // all pages of the window were read, and that is certain
	Partial  string // why the window cannot be read whole, now or later; "" if it can
}

// Paging is what was found out about how the service pages. None of it is documented beyond doubt.
type Paging struct {
	Unit         Unit `json:"unit"`         // what an offset counts
	Largest      int  `json:"largest"`      // rows of the largest page seen: a page with fewer was not cut to a smaller maximum
	Proven       int  `json:"proven"`       // rows of the largest short page whose next page brought nothing new
	Leaves       int  `json:"leaves"`       // settled windows read since the last proof
	ShortUnsafe  bool `json:"shortUnsafe"`  // a short page was not the last one: every window is walked
	BeyondCap    bool `json:"beyondCap"`    // an offset above 10 brought new rows: there is no cap of 10
	IgnoresTime  bool `json:"ignoresTime"`  // the service looks at the dates of a window, not at the time of day
	Examined     bool `json:"examined"`     // a proof was made under the present configuration
	ProbesFailed int  `json:"probesFailed"` // proofs that found rows on the page after a short one
}

// Unit is what the service's offset counts.
type Unit string

// The two readings of the documentation, and that neither has been seen yet.
const (
	UnitUnknown Unit = ""
	UnitRows    Unit = "rows"
	UnitPages   Unit = "pages"
)

const (
	margin     = time.Second // asked for on both sides beyond what is to be covered
	proofEvery = 50          // settled windows between two proofs
	offsetCap  = 10          // the largest offset that newer documentation allows
	maxPasses  = 5           // walks over one window until two agree

	// longestAhead bounds the trust in a clock that is ahead: a far longer window the service would refuse.
	longestAhead = time.Hour
)

// Reader reads windows whole, whatever the service's paging does, and says so where it cannot.
type Reader struct {
	Source Source
	Limit  int // rows asked for in a page
	Settle time.Duration
	Now    func() time.Time // our clock
	Paging Paging
}

// Read reads the window, or the first part of it that one page or one walk can hold: the Read's Window says which.
//
// A page that is short, not outnumbered by numResults, and of a size that has been proven, is the whole window. A full
// one is split by time: the first half is tried next. Everything else is walked: a window of one second, one whose
// rows lie mostly outside it (then the service does not filter as finely as we ask, and halves would return the same
// rows), and a short page that may not be the last. A walk that was stopped by a cap on the offset is split after all,
// where time allows.
func (r *Reader) Read(ctx context.Context, w Window) (Read, error) {
	for requests := 0; ; {
		c := &collector{reader: r, window: w, rows: map[rowKey]int{}, requests: requests}
		page, err := c.page(ctx, 0)
		if err != nil {
			return Read{}, err
		}
		if whole, err := r.whole(ctx, c, page); err != nil || whole {
			return c.read(whole, ""), err
		}
		outside := c.mostlyOutside(page)
		full := len(page.Rows) >= r.Limit
		splittable := w.Len() >= 2*time.Second && !(outside && r.Paging.IgnoresTime)
		if !splittable || !full || outside || r.Paging.ShortUnsafe {
			switch end, err := r.walk(ctx, c, page); {
			case err != nil || end == ended:
				return c.read(end == ended, ""), err
			case end == unsteady && c.settled():
				return c.read(false, "its pages moved during each of several readings"), nil
			case end == unsteady:
				return c.read(false, ""), nil // it would not have counted anyway
			case !splittable:
				return c.read(false, "the service gives no more than the first pages, and halves would return the same"), nil
			}
		}
		w, requests = w.FirstHalf(), c.requests
	}
}

// whole tells whether page 0 holds all rows of the window, proving it where that is necessary and possible.
func (r *Reader) whole(ctx context.Context, c *collector, page smartassist.Page) (bool, error) {
	n := len(page.Rows)
	if r.Paging.ShortUnsafe || n >= r.Limit || page.NumResults > n {
		return false, nil
	}
	if r.trusted(n) {
		r.Paging.Leaves++
		return true, nil
	}
	if !c.settled() {
		return true, nil // it covers nothing yet that would need a proof: see collector.read
	}
	return r.prove(ctx, c, page)
}

// trusted tells whether a short page of n rows needs no proof of its own: a larger page was seen, so it was not cut to a
// smaller maximum, and one as large was proven, so rows are not taken out after paging. Every fiftieth is audited.
func (r *Reader) trusted(n int) bool {
	p := r.Paging
	return p.Examined && n <= p.Proven && n < p.Largest && p.Leaves < proofEvery
}

// prove asks for the pages that would follow a short page 0 under every reading of offset not excluded yet. Rows
// that they bring are a proof of the contrary, unless page 0, asked again, has them too: then they have just arrived.
func (r *Reader) prove(ctx context.Context, c *collector, page smartassist.Page) (bool, error) {
	for range maxPasses {
		n, before := len(page.Rows), len(c.list)
		if err := r.learnUnit(ctx, c, page); err != nil {
			return false, err
		}
		for _, offset := range r.nextOffsets(n) {
			if _, err := c.page(ctx, offset); err != nil && !refused(err) {
				return false, err
			}
		}
		if len(c.list) == before {
			r.Paging.Proven, r.Paging.Leaves, r.Paging.Examined = max(r.Paging.Proven, n), 0, true
			return true, nil
		}
		var err error
		if page, err = c.page(ctx, 0); err != nil {
			return false, err
		}
		if len(page.Rows) < len(c.list) {
			r.Paging.ShortUnsafe, r.Paging.Examined = true, true
			r.Paging.ProbesFailed++
			return false, nil
		}
	}
	return false, nil
}

// nextOffsets are the offsets at which more rows would show if a page of n rows were not the last. Where offsets count
// pages that is page 1. Where they count rows it is n: what was cut off stands there, and behind it what stands behind
// rows that were taken out of the page; of a page that may have lost most of its rows, also the limit.
func (r *Reader) nextOffsets(n int) []int {
	if r.Paging.Unit == UnitPages {
		return []int{1}
	}
	var offsets []int
	if n > 1 || r.Paging.Unit == UnitUnknown {
		offsets = append(offsets, max(1, n))
	}
	if n < r.Limit/2 {
		offsets = append(offsets, r.Limit)
	}
	if r.Paging.Unit == UnitUnknown && n > 1 {
		offsets = append(offsets, 1)
	}
	return offsets
}

// refused tells that the service did not accept the query itself: an offset it does not allow.
func refused(err error) bool {
	var e *smartassist.Error
	return errors.As(err, &e) && e.Kind == smartassist.Refused
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
	reader   *Reader
	window   Window
	rows     map[rowKey]int // index into list
	list     []smartassist.Row
	at       time.Time // of the first page
	behind   time.Duration
	ahead    time.Duration
	requests int
}

// page asks for one page and adds its rows; what was met before is replaced by the newer content.
func (c *collector) page(ctx context.Context, offset int) (smartassist.Page, error) {
	c.requests++
	page, err := c.reader.Source.Page(ctx, smartassist.Query{
		Start: c.window.Start.Add(-margin), End: c.window.End.Add(margin),
		Limit: c.reader.Limit, Offset: offset,
	})
	if err != nil {
		return page, err
	}
	if c.at.IsZero() {
		c.at = page.Sent
		if !page.Date.IsZero() && page.Date.Before(page.Sent) {
			c.at, c.behind = page.Date, page.Sent.Sub(page.Date)
		}
		// Against our clock after the answer: a slow answer is no clock that is ahead.
		c.ahead = min(max(0, page.Date.Sub(c.reader.Now())), longestAhead)
	}
	for _, row := range page.Rows {
		key := keyOfRow(row)
		if i, known := c.rows[key]; known {
			c.list[i] = row
			continue
		}
		c.rows[key] = len(c.list)
		c.list = append(c.list, row)
	}
	c.reader.Paging.Largest = max(c.reader.Paging.Largest, len(page.Rows))
	return page, nil
}

// settled tells whether the answers count for the whole window.
func (c *collector) settled() bool { return !c.at.Add(-c.reader.Settle).Before(c.window.End) }

// mostlyOutside tells that more than half of the rows started outside what was asked for. Rows that started after the
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

// read gives the result. A page whose shortness was neither trusted nor proven (in a window that has not settled) covers
// nothing.
func (c *collector) read(proven bool, partial string) Read {
	if proven && !c.settled() && !c.reader.Paging.ShortUnsafe && !c.reader.trusted(len(c.list)) {
		proven = false
	}
	return Read{
		Window: c.window, Rows: c.list, At: c.at, Behind: c.behind, Ahead: c.ahead,
		Requests: c.requests, Proven: proven, Partial: partial,
	}
}
