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
// Where offsets count rows, each step goes one row less far than the page reached: if the next page begins with the row the
// last one ended with, nothing has shifted in between, and one walk is proof enough. In every other case the walk is
// repeated until two agree, unless the window can be narrowed. The rows of all of them stay collected.
func (r *Reader) walk(c *collector, page smartassist.Page, narrows bool) (ending, error) {
	if err := r.learnUnit(c, page); err != nil {
		return unsteady, err
	}
	met := -1
	for range maxPasses {
		p := pass{reader: r, collector: c, met: map[rowKey]bool{}, chained: true, narrows: narrows}
		end, err := p.run(page)
		if err != nil || end != ended {
			return end, err
		}
		if c.settled() && c.usual() {
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
	page1, none, err := c.behind(1)
	if none || err != nil {
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
	chained   bool // every page so far began with the row that the page before ended with
	narrows   bool // the window can be narrowed instead
}

// mostPages is how many pages a window is walked for that can be narrowed: twice as many as it was meant to hold.
const mostPages = 2 * walkRows / 100

func (p *pass) run(page smartassist.Page) (ending, error) {
	p.add(page)
	for offset, pages := 0, 1; ; pages++ {
		offset += p.step(page)
		next, none, err := p.collector.behind(offset)
		switch {
		case err != nil:
			return unsteady, err
		case none && p.mayBeLast(page):
			return ended, nil
		case none:
			return p.upToTheCap(offset)
		}
		linked := p.linked(page, next)
		p.chained = p.chained && linked
		brought := p.add(next)
		if brought == 0 {
			if !p.cut(offset, page, next) {
				return ended, nil
			}
			return p.asFarAsServed(page)
		}
		// A page that is repeated because of a cap can bring a few new rows too, if it has shifted meanwhile.
		if offset > offsetCap && (linked || p.reader.Paging.Unit == UnitPages && 2*brought > len(next.Rows)) {
			p.reader.Paging.BeyondCap = true
		}
		if linked && p.last(next) {
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
	if p.reader.Paging.ShortUnsafe || n >= p.collector.limit || page.NumResults > max(n, len(p.met)) || !p.collector.trusted(n) {
		return false
	}
	p.reader.Paging.Leaves++
	return true
}

// mayBeLast reports whether nothing need stand behind a page, where the service has no page there: it is short, and as many rows
// as the service counts were met.
func (p *pass) mayBeLast(page smartassist.Page) bool {
	return len(page.Rows) < p.collector.limit && !p.reader.Paging.ShortUnsafe && page.NumResults <= max(len(page.Rows), len(p.met))
}

// upToTheCap asks for what the service still gives where it refuses an offset: where offsets count rows, the page at the
// documented cap reaches a little further than page 0.
func (p *pass) upToTheCap(offset int) (ending, error) {
	if p.collector.settled() && offset > offsetCap {
		p.reader.Paging.Capped = !p.reader.Paging.BeyondCap
	}
	if p.reader.Paging.Unit != UnitRows || offset <= offsetCap || p.narrows {
		return capped, nil
	}
	last, _, err := p.collector.behind(offsetCap)
	p.add(last)
	return capped, err
}

// asFarAsServed asks again where no cap is in the way, after a page beyond it brought nothing that would tell a cap from the
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
	last, none, err := p.collector.behind(offsetCap)
	if none || err != nil || p.add(last) > 0 || !few {
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

// step is how far to go from this page to the next. A page can be shorter than the limit (cut, or thinned) or longer (two
// sources in one answer): the smaller number never leaves a row out. An unknown unit steps by one, which is right
// for both readings.
func (p *pass) step(page smartassist.Page) int {
	if p.reader.Paging.Unit != UnitRows {
		return 1
	}
	return max(1, min(len(page.Rows), p.collector.limit)-1)
}

// linked reports whether the next page begins with the row at which this one ended: nothing shifted between the two.
func (p *pass) linked(page, next smartassist.Page) bool {
	n, m := len(page.Rows), len(next.Rows)
	return p.reader.Paging.Unit == UnitRows && n > 1 && n <= p.collector.limit && m > 0 &&
		keyOfRow(page.Rows[n-1]) == keyOfRow(next.Rows[0])
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
	short := len(page.Rows) < p.collector.limit && !p.reader.Paging.ShortUnsafe
	return !short && !p.reader.Paging.BeyondCap
}
