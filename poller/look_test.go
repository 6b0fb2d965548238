package poller

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// look surveys the service with at most so many requests when our clock says now.
func look(s Source, most int, now time.Time) (Survey, error) {
	c := Config{PageLimit: 100, Settle: 2 * time.Minute, Now: func() time.Time { return now }}
	return c.Look(func(q smartassist.Query) (smartassist.Page, error) { return s.Page(context.Background(), q) }, most)
}

// TestLook counts what can be counted, and estimates the rest from a narrow window that has settled.
func TestLook(t *testing.T) {
	now := at(100_000)
	for name, c := range map[string]struct {
		service  *paged
		page     int
		rows     float64
		near     float64 // how far off the estimate may be
		atLeast  bool
		unit     Unit
		requests int
	}{
		"no rows":               {&paged{}, 0, 0, 0, false, UnitUnknown, 1},
		"two, which say little": {&paged{rows: rowsEvery(2, 50_000, 100)}, 2, 2, 0, false, UnitUnknown, 1},
		"one short page":        {&paged{rows: rowsEvery(30, 50_000, 100)}, 30, 30, 0, false, UnitRows, 2},
		"of pages":              {&paged{rows: rowsEvery(30, 50_000, 100), pages: true}, 30, 30, 0, false, UnitPages, 2},
		"counted by it":         {&paged{rows: rowsEvery(4321, 20_000, 10), counts: true}, 100, 4321, 0, false, UnitRows, 2},
		"one every ten seconds": {&paged{rows: rowsEvery(1000, 90_000, 10)}, 100, 8640, 0.03, false, UnitRows, 3},
		"two a second":          {&paged{rows: rowsEvery(2000, 99_000, 0.5)}, 100, 172_800, 0.05, false, UnitRows, 3},
		"more than fit":         {&paged{rows: rowsEvery(4000, 99_800, 0.05)}, 100, 100. / 12 * 86_400, 0.01, true, UnitRows, 3},
		"and nothing of late":   {&paged{rows: rowsEvery(300, 50_000, 1)}, 100, 100, 0, true, UnitRows, 3},
	} {
		s, err := look(c.service, 10, now)
		if err != nil || s.Window != window(13_600, 100_000) || s.Page != c.page || s.AtLeast != c.atLeast || s.Paging.Unit != c.unit {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if off := math.Abs(s.RowsADay - c.rows); off > c.near*c.rows {
			t.Errorf("%s: %g rows a day, want %g", name, s.RowsADay, c.rows)
		}
		if s.Requests != c.requests || c.service.asked != c.requests {
			t.Errorf("%s: %d requests, of which the service saw %d; want %d", name, s.Requests, c.service.asked, c.requests)
		}
	}
}

// TestLookKeepsToItsRequests, and says what those have shown.
func TestLookKeepsToItsRequests(t *testing.T) {
	rows := rowsEvery(1000, 90_000, 10)
	for most, unit := range map[int]Unit{1: UnitUnknown, 2: UnitRows, 3: UnitRows} {
		service := &paged{rows: rows}
		s, err := look(service, most, at(100_000))
		if err != nil || service.asked != most || s.Requests != most || s.Page != 100 || s.Paging.Unit != unit {
			t.Errorf("with %d: the service saw %d: %+v, %v", most, service.asked, s, err)
		}
		if counted := s.RowsADay > 100; counted != (most == 3) || s.AtLeast == counted {
			t.Errorf("with %d: %g rows a day, at least %t", most, s.RowsADay, s.AtLeast)
		}
	}
}

// failsAt is a service whose answers from one on are errors.
type failsAt struct {
	paged
	from int
}

func (s *failsAt) Page(ctx context.Context, q smartassist.Query) (smartassist.Page, error) {
	page, _ := s.paged.Page(ctx, q)
	if s.asked >= s.from {
		return smartassist.Page{}, errDown
	}
	return page, nil
}

// TestLookAtAServiceThatFails: what one page says is worth having; without one there is nothing.
func TestLookAtAServiceThatFails(t *testing.T) {
	rows := rowsEvery(1000, 90_000, 10)
	for from, want := range map[int]Survey{
		1: {},
		2: {Page: 100, Newest: at(90_990)},
		3: {Page: 100, Newest: at(90_990), RowsADay: 100, AtLeast: true},
	} {
		s, err := look(&failsAt{paged{rows: rows}, from}, 10, at(100_000))
		if (err != nil) != (from == 1) || err != nil && !errors.Is(err, errDown) {
			t.Errorf("request %d fails: %v", from, err)
		}
		if s.Page != want.Page || !s.Newest.Equal(want.Newest) || s.RowsADay != want.RowsADay || s.AtLeast != want.AtLeast {
			t.Errorf("request %d fails: %+v, want %+v", from, s, want)
		}
	}
}

// TestLookAtTheClock: that of the answer, and the newest row; one without a time is older than any.
func TestLookAtTheClock(t *testing.T) {
	s, err := look(&paged{rows: rowsEvery(3, 50_000, 7)}, 1, at(101_000))
	if want := (Clock{-1000 * time.Second, true}); err != nil || s.Clock != want || !s.Newest.Equal(at(50_014)) {
		t.Errorf("clock %+v, newest %v, %v", s.Clock, s.Newest, err)
	}
	c := Config{PageLimit: 100, Now: func() time.Time { return at(100_000) }}
	timeless := smartassist.Page{Rows: []smartassist.Row{row(`{"sessionId":"a"}`), row(`{"sessionId":"b"}`)}, NumResults: -1}
	s, err = c.Look(func(smartassist.Query) (smartassist.Page, error) { return timeless, nil }, 1)
	if err != nil || !s.Newest.IsZero() || s.Page != 2 || s.RowsADay != 2 || s.Clock.Known {
		t.Errorf("%+v, %v", s, err)
	}
}

// drawDemand is what any account asks for with any tiers.
func drawDemand(t *rapid.T) (c Config, p Paging, rows float64) {
	c = Config{PageLimit: 100, Settle: 2 * time.Minute, Interval: time.Duration(rapid.IntRange(10, 300).Draw(t, "interval")) * time.Second}
	var age time.Duration
	for range rapid.IntRange(0, 5).Draw(t, "tiers") {
		age += time.Duration(rapid.IntRange(1, 5000).Draw(t, "age")) * time.Minute
		c.Tiers = append(c.Tiers, Tier{age, time.Duration(rapid.IntRange(1, 2000).Draw(t, "every")) * time.Minute})
	}
	p = rapid.SampledFrom([]Paging{{}, {Unit: UnitPages}, {Unit: UnitRows, BeyondCap: true}, {Unit: UnitRows, Capped: true}}).Draw(t, "paging")
	return c, p, rapid.Float64Range(0, 1e6).Draw(t, "rows a day")
}

// TestDemandOfAnyAccount: more rows never ask for less, and what Fitting and Stretch say of a budget is true of it.
func TestDemandOfAnyAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, p, rows := drawDemand(t)
		d := c.Demand(rows, p)
		if more := c.Demand(rows*1.5, p); more.Head < d.Head || more.Total() < d.Total()*(1-1e-9) {
			t.Fatalf("%g rows ask for %+v, half as many again for %+v", rows, d, more)
		}
		if d.Head < 1/c.Interval.Minutes() || len(d.Rereads) != len(c.Tiers) {
			t.Fatalf("%+v: less than the head every %v, or not of %d tiers", d, c.Interval, len(c.Tiers))
		}
		budget := rapid.Float64Range(0, 2).Draw(t, "budget") * d.Total()
		sum := d.Head
		for i, r := range d.Rereads {
			if fits := i < d.Fitting(budget); fits != (sum+r <= budget) && r > 0 {
				t.Fatalf("tier %d fits into %g: %t; it ends at %g", i, budget, fits, sum+r)
			}
			sum += r
		}
		switch stretch := d.Stretch(budget); {
		case budget <= d.Head:
			if stretch != 0 {
				t.Fatalf("the head asks for %g of %g, and the tiers are stretched %g times", d.Head, budget, stretch)
			}
		case stretch < 1:
			t.Fatalf("tiers read more often than they are to be: %g", stretch)
		case d.Head+(d.Total()-d.Head)/stretch > budget*(1+1e-9):
			t.Fatalf("stretched %g times, %+v is more than %g", stretch, d, budget)
		case stretch > 1 && d.Fitting(budget) == len(d.Rereads) && d.Total() < budget*(1-1e-9):
			t.Fatalf("all fit into %g, and are stretched %g times", budget, stretch)
		}
	})
}
