package poller

import (
	"errors"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Survey is what a few requests tell of an account before anybody works on it.
type Survey struct {
	Window             // the day up to now, of which the first page is
	Page     int       // rows of that page
	Newest   time.Time // start of its newest row; zero where none has one
	Clock    Clock
	Paging   Paging  // the unit, where there were rows enough to tell it
	RowsADay float64 // where it was counted in less than a day, as if the rest were like that
	AtLeast  bool    // there are more
	Requests int
}

// surveyed is for the last hour at most, and not the last minutes: rows appear late.
const surveyed = time.Hour

// Look surveys an account with at most so many requests, at least one, when our clock says what Now does. An error is that of the first.
func (c Config) Look(ask Ask, most int) (s Survey, err error) {
	now := c.Now()
	r := &Reader{Limit: c.PageLimit, Settle: c.Settle, Now: c.Now}
	s.Window = Span(now.Add(-widest), now)
	bounded := func(q smartassist.Query) (smartassist.Page, error) {
		if s.Requests == most {
			return smartassist.Page{}, errStopped
		}
		s.Requests++
		return ask(q)
	}
	day := r.collector(Task{Window: s.Window}, bounded)
	page, err := day.page(0)
	if err != nil {
		return s, err
	}
	s.Clock, s.Page = day.clock, len(page.Rows)
	oldest := s.starts(page)
	if err := r.learnUnit(day, page); err != nil && !errors.Is(err, errStopped) {
		return s, nil // what it says of one page is worth having
	}
	s.Paging = r.Paging
	switch full := len(page.Rows) >= c.PageLimit; {
	case page.NumResults > len(page.Rows):
		s.RowsADay = float64(page.NumResults)
	case !full:
		s.RowsADay = float64(len(page.Rows))
	default:
		s.sample(r, bounded, s.Newest.Sub(oldest)/2)
	}
	return s, nil
}

// starts notes the newest row of a page, and returns the start of the oldest.
func (s *Survey) starts(page smartassist.Page) (oldest time.Time) {
	for _, row := range page.Rows {
		if row.Start.IsZero() {
			continue
		}
		s.Newest = later(s.Newest, row.Start)
		if oldest.IsZero() || row.Start.Before(oldest) {
			oldest = row.Start
		}
	}
	return oldest
}

// sample counts the rows of a narrow window that has settled. A page whose rows lie close together tells how narrow.
func (s *Survey) sample(r *Reader, ask Ask, width time.Duration) {
	s.RowsADay, s.AtLeast = float64(s.Page), true
	end := s.End.Add(-r.Settle)
	w := Span(end.Add(-min(max(width, 10*time.Second), surveyed)), end)
	page, err := r.collector(Task{Window: w}, ask).page(0)
	if err != nil || len(page.Rows) == 0 {
		return
	}
	n := max(len(page.Rows), page.NumResults)
	s.RowsADay = max(s.RowsADay, Density{}.Observe(Window{w.Start.Add(-margin), w.End.Add(margin)}, n).Mean*widest.Seconds())
	s.AtLeast = len(page.Rows) >= r.Limit && n == len(page.Rows)
}
