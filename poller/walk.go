package poller

import (
	"context"

	"github.com/convstream/convstream/poller/smartassist"
)

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
// repeated until two agree. The rows of all of them stay collected.
func (r *Reader) walk(ctx context.Context, c *collector, page smartassist.Page) (ending, error) {
	if err := r.learnUnit(ctx, c, page); err != nil {
		return unsteady, err
	}
	met := -1
	for range maxPasses {
		p := pass{reader: r, collector: c, met: map[rowKey]bool{}, chained: true}
		end, err := p.run(ctx, page)
		if err != nil || end == capped {
			return end, err
		}
		if p.chained || len(p.met) == met && met == len(c.list) {
			return ended, nil
		}
		if !c.settled() {
			return unsteady, nil // it would not count anyway
		}
		met = len(p.met)
		if page, err = c.page(ctx, 0); err != nil {
			return unsteady, err
		}
	}
	return unsteady, nil
}

// learnUnit finds out what an offset counts, with one question: behind offset 1 a page of rows holds all of page 0 but
// one, a page of pages holds none of it.
func (r *Reader) learnUnit(ctx context.Context, c *collector, page0 smartassist.Page) error {
	if r.Paging.Unit != UnitUnknown || len(page0.Rows) < 3 {
		return nil
	}
	page1, err := c.page(ctx, 1)
	if refused(err) {
		return nil // then it cannot be found out
	}
	if err != nil {
		return err
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
}

func (p *pass) run(ctx context.Context, page smartassist.Page) (ending, error) {
	p.add(page)
	for offset := 0; ; {
		offset += p.step(page)
		next, err := p.collector.page(ctx, offset)
		if refused(err) {
			return capped, nil
		}
		if err != nil {
			return unsteady, err
		}
		linked := p.linked(page, next)
		p.chained = p.chained && linked
		brought := p.add(next)
		if brought == 0 {
			if !p.cut(offset, page, next) {
				return ended, nil
			}
			return p.asFarAsServed(ctx, page)
		}
		// A page that is repeated because of a cap can bring a few new rows too, if it has shifted meanwhile.
		if offset > offsetCap && (linked || p.reader.Paging.Unit == UnitPages && 2*brought > len(next.Rows)) {
			p.reader.Paging.BeyondCap = true
		}
		page = next
	}
}

// asFarAsServed asks again where no cap is in the way, after a page beyond it brought nothing that would tell a cap from the
// end. For a window of few rows that settles it: whatever stands behind that place fits into one page. Few is at most half
// a page, and by the service's own count a page, so that rows which are taken out after paging hide none.
func (p *pass) asFarAsServed(ctx context.Context, page smartassist.Page) (ending, error) {
	few := len(p.met) == len(page.Rows) && 2*len(p.met) <= p.reader.Limit && page.NumResults <= p.reader.Limit
	if p.reader.Paging.Unit != UnitRows || !few {
		return capped, nil
	}
	last, err := p.collector.page(ctx, offsetCap)
	switch {
	case refused(err):
		return capped, nil
	case err != nil:
		return unsteady, err
	case p.add(last) > 0:
		return capped, nil
	}
	return ended, nil
}

// add notes the rows of the page and tells how many of them this walk had not met.
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
	return max(1, min(len(page.Rows), p.reader.Limit)-1)
}

// linked tells that the next page begins with the row at which this one ended: nothing shifted between the two.
func (p *pass) linked(page, next smartassist.Page) bool {
	n, m := len(page.Rows), len(next.Rows)
	return p.reader.Paging.Unit == UnitRows && n > 1 && n <= p.reader.Limit && m > 0 &&
		keyOfRow(page.Rows[n-1]) == keyOfRow(next.Rows[0])
}

// cut tells whether a page that brought nothing new was the work of a cap on the offset rather than the end. Where offsets
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
	short := len(page.Rows) < p.reader.Limit && !p.reader.Paging.ShortUnsafe
	return !short && !p.reader.Paging.BeyondCap
}
