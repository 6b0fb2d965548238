package poller

import "github.com/convstream/convstream/poller/smartassist"

// ending is how a walk over the pages of a window ended.
type ending int

const (
	ended    ending = iota // at a page that brought nothing new, for certain
	unsteady               // the pages moved under the walk, or two walks did not agree: to be read again
	capped                 // the service would not go on to a further page: a cap on the offset, or it is refused
)

// walk reads a window page after page until a page brings nothing new. page is its page 0, already collected.
//
// Each step goes a little less far than the page before reached: if the next page begins with the rows the last one ended
// with, nothing has shifted in between, and one walk is proof enough. Where offsets count rows, that is one row. Where they count
// pages, each page is asked for with a limit one lower than that of the page before: page k of 100-k rows begins with row
// k(100-k), and the one before ended with row k(101-k)-1. In every other case the walk is repeated until two agree, unless
// the window can be narrowed. The rows of all of them stay collected.
func (r *Reader) walk(c *collector, page smartassist.Page, narrows bool) (ending, error) {
	if err := r.learnUnit(c, page); err != nil {
		return unsteady, err
	}
	met := -1
	for passes := range maxPasses {
		p := pass{reader: r, collector: c, met: map[rowKey]bool{}, chained: true, narrows: narrows}
		p.shrinks = passes == 0 && c.settled() && r.Paging.Unit == UnitPages && !r.Paging.ShortUnsafe
		end, err := p.run(page)
		if err != nil || end != ended {
			return end, err
		}
		if c.settled() && c.usualLimit() {
			r.Paging.walked(p.chained)
		}
		switch {
		case p.chained || len(p.met) == met && met == c.known():
			return ended, nil
		case !c.settled(), narrows:
			return unsteady, nil // it would not count anyway, or is cheaper in narrower windows
		}
		met = len(p.met)
		if page, err = c.page(0); err != nil {
			return unsteady, err
		}
	}
	return unsteady, nil
}

// learnUnit finds out what an offset counts, with one question: behind offset 1 a page of rows holds all of page 0 but
// one, a page of pages holds none of it.
func (r *Reader) learnUnit(c *collector, page0 smartassist.Page) error {
	if r.Paging.Unit != UnitUnknown || len(page0.Rows) < 3 {
		return nil
	}
	page1, absent, err := c.behind(c.limit, 1, false)
	if absent || err != nil {
		return err // where there is none, it cannot be found out
	}
	switch shared := len(page0.Rows) - without(page0, page1); {
	case shared == 0:
		r.Paging.Unit = UnitPages
	case 2*shared >= len(page0.Rows):
		r.Paging.Unit = UnitRows
	}
	return nil
}

// without counts the rows of a that are not in b.
func without(a, b smartassist.Page) int {
	in := make(map[rowKey]bool, len(b.Rows))
	for _, row := range b.Rows {
		in[keyOfRow(row)] = true
	}
	n := 0
	for _, row := range a.Rows {
		if !in[keyOfRow(row)] {
			n++
		}
	}
	return n
}

// pass is one walk from page 0 to the end.
type pass struct {
	reader    *Reader
	collector *collector
	met       map[rowKey]bool
	chained   bool     // every page so far began with the rows that the page before ended with
	narrows   bool     // the window can be narrowed instead
	shrinks   bool     // each page is asked for with a lower limit than the one before; it ends where that does not hang together
	order     []rowKey // the rows from the first on, as far as the pages hang together
	limit     int      // of the page at hand
}

// step is the next page to ask for.
type step struct {
	offset, limit int
	start         int // the row it begins with, counted from the first; -1 where that is not known
}

// mostPages is how many pages a window is walked for that can be narrowed. A window that holds more rows than it was meant to
// is walked to its end all the same: to begin anew would cost as much again.
const mostPages = 10 * walkRows / 100

func (p *pass) run(page smartassist.Page) (ending, error) {
	p.add(page)
	p.order, p.limit = keysOf(page), p.collector.limit
	for at, pages := (step{}), 1; ; pages++ {
		at = p.step(at, page, pages)
		next, absent, err := p.collector.behind(at.limit, at.offset, p.mayBeLast(page))
		switch {
		case err != nil:
			return unsteady, err
		case absent && (p.mayBeLast(page) || p.standsAlone(page, at.offset)):
			return ended, nil
		case absent:
			return p.upToTheCap(at.offset)
		}
		linked := p.linked(at, page, next)
		if p.chained = p.chained && linked; linked {
			p.order = append(p.order[:at.start], keysOf(next)...)
		}
		p.limit = at.limit
		brought := p.add(next)
		if p.shrinks && !linked {
			return ended, nil
		}
		if brought == 0 {
			if !p.cut(at.offset, page, next) {
				return ended, nil
			}
			return p.asFarAsServed(page)
		}
		// A page that is repeated because of a cap can bring a few new rows too, if it has shifted meanwhile.
		if at.offset > offsetCap && (linked || p.reader.Paging.Unit == UnitPages && 2*brought > len(next.Rows)) {
			p.reader.Paging.BeyondCap = true
		}
		if linked && p.last(next) || !p.collector.settled() && p.mayBeLast(next) {
			return ended, nil
		}
		if p.narrows && (pages >= mostPages || !p.chained && p.collector.settled()) {
			p.reader.Paging.walked(p.chained)
			return capped, nil
		}
		page = next
	}
}

// last reports whether a page is the last one by its shortness, as page 0 is that of a window of one page.
func (p *pass) last(page smartassist.Page) bool {
	n := len(page.Rows)
	if p.reader.Paging.ShortUnsafe || n >= p.limit || page.NumResults > max(n, len(p.met)) || !p.collector.trusted(n) {
		return false
	}
	p.reader.Paging.Leaves++
	return true
}

// mayBeLast reports whether nothing need stand behind a page, where the service has no page there: it is short, and as many rows
// as the service counts were met.
func (p *pass) mayBeLast(page smartassist.Page) bool {
	return len(page.Rows) < p.limit && !p.reader.Paging.ShortUnsafe && page.NumResults <= max(len(page.Rows), len(p.met))
}

// standsAlone reports whether page 0 is the whole window where short pages prove nothing and the service has nothing at offset 1. To
// halve the window would only make more of such pages, down to single seconds, and nothing would ever be covered.
//
// Where offsets count rows it is that of a page of at most one row: there is none with which another page could overlap. Where they
// count pages, and the service is known to fail behind the end, it is a page of at most half the rows of the largest one: what is
// taken out after paging is not the greater part.
func (p *pass) standsAlone(page smartassist.Page, offset int) bool {
	n, paging := len(page.Rows), &p.reader.Paging
	if offset != 1 || len(p.met) > n {
		return false
	}
	if paging.Unit == UnitRows {
		return n <= 1 && page.NumResults <= 1
	}
	largest := min(paging.Largest, p.collector.limit) // a page of two sources may hold more
	return paging.ShortUnsafe && paging.FailsBehind && p.collector.usualLimit() && 2*n <= largest && page.NumResults <= largest
}

// upToTheCap asks for what the service still returns where it refuses an offset: where offsets count rows, the page at the
// documented cap reaches a little further than page 0.
func (p *pass) upToTheCap(offset int) (ending, error) {
	if p.collector.settled() && offset > offsetCap {
		p.reader.Paging.Capped = !p.reader.Paging.BeyondCap
	}
	if p.reader.Paging.Unit != UnitRows || offset <= offsetCap || p.narrows {
		return capped, nil
	}
	last, _, err := p.collector.behind(p.collector.limit, offsetCap, false)
	p.add(last)
	return capped, err
}

// asFarAsServed asks again where no cap is in the way, after a page beyond it brought nothing that would distinguish a cap from the
// end. For a window of few rows that settles it: whatever stands behind that place fits into one page. Few is at most half
// a page, and by the service's own count a page, so that rows which are taken out after paging hide none.
func (p *pass) asFarAsServed(page smartassist.Page) (ending, error) {
	few := len(p.met) == len(page.Rows) && 2*len(p.met) <= p.collector.limit && page.NumResults <= p.collector.limit
	if p.narrows && p.collector.settled() {
		p.reader.Paging.Capped = !p.reader.Paging.BeyondCap
	}
	if p.reader.Paging.Unit != UnitRows || p.narrows {
		return capped, nil
	}
	last, absent, err := p.collector.behind(p.collector.limit, offsetCap, false)
	if absent || err != nil || p.add(last) > 0 || !few {
		return capped, err
	}
	return ended, nil
}

// add notes the rows of the page and returns how many of them this walk had not met.
func (p *pass) add(page smartassist.Page) int {
	before := len(p.met)
	for _, row := range page.Rows {
		p.met[keyOfRow(row)] = true
	}
	return len(p.met) - before
}

// step returns the step from this page to the next. A page can be shorter than the limit (cut, or thinned) or longer (two sources in
// one answer): the smaller number never leaves a row out. An unknown unit steps by one, which is right for both readings.
func (p *pass) step(at step, page smartassist.Page, pages int) step {
	limit := p.collector.limit
	switch {
	case p.reader.Paging.Unit == UnitRows:
		offset := at.offset + max(1, min(len(page.Rows), limit)-1)
		return step{offset, limit, offset}
	case p.shrinks && pages < limit/2:
		lower := max(1, min(limit-pages, (len(p.order)-1)/pages)) // of a short page the last rows, if there are no others behind it
		// Else the page would end where those before ended, and look like the last.
		if (pages+1)*lower > len(p.order) {
			return step{pages, lower, pages * lower}
		}
	}
	return step{at.offset + 1, limit, -1}
}

// linked reports whether the next page begins with the rows at which those before ended: nothing shifted in between.
func (p *pass) linked(at step, page, next smartassist.Page) bool {
	overlap := len(p.order) - at.start
	if at.start < 0 || len(page.Rows) > p.limit || overlap < 1 || overlap > len(next.Rows) || len(page.Rows) < 2 {
		return false
	}
	for i, row := range next.Rows[:overlap] {
		if p.order[at.start+i] != keyOfRow(row) {
			return false
		}
	}
	return true
}

func keysOf(page smartassist.Page) []rowKey {
	keys := make([]rowKey, len(page.Rows))
	for i, row := range page.Rows {
		keys[i] = keyOfRow(row)
	}
	return keys
}

// cut reports whether a page that brought nothing new was the work of a cap on the offset rather than the end. Where offsets
// count rows, the last page always shows again some rows, but not all, of the one before. Where they count pages, an
// empty or repeated page right behind the documented cap could be either, until pages beyond it have been seen.
func (p *pass) cut(offset int, page, last smartassist.Page) bool {
	if offset <= offsetCap {
		return false
	}
	if p.reader.Paging.Unit == UnitRows {
		honest := len(last.Rows) > 0 && len(last.Rows) < len(page.Rows) && without(last, page) == 0
		return !honest && len(page.Rows) > 1
	}
	return !p.mayBeLast(page) && !p.reader.Paging.BeyondCap
}
