package simulator

import (
	"cmp"
	"slices"
	"time"
)

// query is a request that was understood.
type query struct {
	start, end    time.Time // as asked
	from, to      int64     // the window, Unix milliseconds of whole seconds
	limit, offset int
	view          view
	filter        filter
}

// found are the rows of a window in the service's order, before paging.
type found struct {
	bots     []*row // ascending by start
	contacts []*row // descending by start
}

// find collects what the window shows at an instant.
func (s *Service) find(q query, now int64) found {
	var f found
	s.world.candidates(q.from, q.to, now, func(r *row) {
		start, end := r.times(now)
		if !s.config.Switches.inWindow(q.from, q.to, start, end) {
			return
		}
		if !q.filter.empty() && !q.filter.admits(s.cast, r, s.stageAt(r, now)) {
			return
		}
		if r.bots {
			f.bots = append(f.bots, r)
		} else {
			f.contacts = append(f.contacts, r)
		}
	})
	slices.SortFunc(f.bots, byStart)
	slices.SortFunc(f.contacts, func(a, b *row) int { return byStart(b, a) })
	return f
}

func byStart(a, b *row) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.id, b.id))
}

// inWindow compares a row's known times with a window.
func (s Switches) inWindow(from, to, start, end int64) bool {
	lo, hi := start, start // the stretch of the row that must touch the window
	switch s.FilterBy {
	case ByEnd:
		lo, hi = end, end
	case ByOverlap:
		hi = end
	}
	if s.Bounds == SubSecond {
		return hi >= from && lo <= to
	}
	lo, hi = floorSecond(lo), floorSecond(hi)
	switch s.Bounds {
	case Exclusive:
		return hi > from && lo < to
	case HalfOpen:
		return hi >= from && lo < to
	}
	return hi >= from && lo <= to
}

func floorSecond(ms int64) int64 {
	if r := ms % 1000; r < 0 {
		return ms - r - 1000
	} else {
		return ms - r
	}
}

// page cuts one page out of what was found; the refusal is nil when it is served.
func (s *Service) page(q query, f found) (rows []*row, total int, no *refusal) {
	total = len(f.bots) + len(f.contacts)
	sw := s.config.Switches
	offset := q.offset
	if sw.OffsetCap > 0 && offset > sw.OffsetCap {
		switch sw.CapAnswer {
		case CapError:
			return nil, 0, &refusal{400, codeArgument, "offset exceeds the maximum number of pages"}
		case CapEmpty:
			return nil, total, nil
		}
		offset = sw.OffsetCap
	}
	limit := q.limit
	if sw.Clamp > 0 {
		limit = min(limit, sw.Clamp)
	}
	skip := offset
	if sw.OffsetCountsPages {
		skip = offset * limit
	}
	if end := sw.behind(f); sw.ErrorBehindEnd && skip > 0 && skip >= end {
		return nil, 0, &refusal{500, codeInternal, "Internal server error"}
	}
	if sw.LimitPerSource {
		rows = append(slices.Clone(cut(f.bots, skip, limit)), cut(f.contacts, skip, limit)...)
	} else {
		rows = cut(append(f.bots, f.contacts...), skip, limit)
	}
	return slices.DeleteFunc(rows, func(r *row) bool { return r.hidden }), total, nil
}

// behind is the first offset that shows no row, where offsets count rows.
func (s Switches) behind(f found) int {
	if s.LimitPerSource {
		return max(len(f.bots), len(f.contacts))
	}
	return len(f.bots) + len(f.contacts)
}

func cut(rows []*row, skip, limit int) []*row {
	skip = min(skip, len(rows))
	return rows[skip:min(len(rows), skip+limit)]
}
