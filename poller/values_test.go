package poller

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMergePartial: of windows beyond the horizon only so many are kept apart, the nearest become one, and completeThrough moves
// neither on nor back.
func TestMergePartial(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Coverage{}.Add(Stretch{Window: window(0, 200), ReadAt: at(500)})
		var partial [200]bool
		for range rapid.IntRange(0, 15).Draw(t, "partial windows") {
			start := rapid.IntRange(1, 190).Draw(t, "start")
			w := window(start, start+rapid.IntRange(1, 5).Draw(t, "length"))
			c = c.replaceWith(Stretch{Window: w, ReadAt: at(500), Partial: Capped})
			for i := range partial {
				partial[i] = partial[i] || w.Contains(at(i))
			}
		}
		before, most := rapid.IntRange(0, 200).Draw(t, "before"), rapid.IntRange(1, 5).Draw(t, "most")
		merged := c.MergePartial(at(before), most)
		old := 0
		for _, p := range merged.Partial() {
			if !p.End.After(at(before)) {
				old++
			}
		}
		if old > most {
			t.Fatalf("%d windows ended before second %d, want %d at most", old, before, most)
		}
		if !merged.Through(at(0)).Equal(c.Through(at(0))) {
			t.Fatalf("complete through %v, was %v", merged.Through(at(0)), c.Through(at(0)))
		}
		for i := range partial {
			s, ok := stretchAt(merged, at(i))
			if !ok || partial[i] && s.Partial == "" {
				t.Fatalf("second %d is covered %t, partial %q, was partial %t", i, ok, s.Partial, partial[i])
			}
		}
	})
}

// replaceWith returns the coverage with the stretch there, whatever was.
func (c Coverage) replaceWith(s Stretch) Coverage {
	var out Coverage
	for _, old := range c.stretches {
		before, after := old, old
		before.End, after.Start = earlier(old.End, s.Start), later(old.Start, s.End)
		for _, part := range []Stretch{before, after} {
			if !part.Empty() {
				out.stretches = append(out.stretches, part)
			}
		}
	}
	return out.Add(s)
}

func TestReadAtAndDoubt(t *testing.T) {
	c := Coverage{}.Add(Stretch{Window: window(10, 20), ReadAt: at(100)}).Add(Stretch{Window: window(30, 40), ReadAt: at(200)})
	doubted := c.Doubt(at(150))
	for second, want := range map[int][2]time.Time{
		9: {}, 10: {at(100), at(100)}, 19: {at(100), at(100)}, 20: {}, 25: {}, 30: {at(200), at(150)}, 39: {at(200), at(150)}, 40: {}, 1000: {},
	} {
		if got := [2]time.Time{c.ReadAt(at(second)), doubted.ReadAt(at(second))}; got != want {
			t.Errorf("second %d was read at %v, want %v", second, got, want)
		}
	}
	if !(Coverage{}).ReadAt(at(0)).IsZero() || !(Coverage{}).End().IsZero() || !c.End().Equal(at(40)) {
		t.Error("an empty coverage was read")
	}
}

// TestCauses: each has a number of its own in the ledger, which must not change, and words for the operator.
func TestCauses(t *testing.T) {
	if want := []Cause{"", "capped", "unsteady", "unanswered", "unsplittable"}; !slices.Equal(causes, want) {
		t.Errorf("%q, want %q: stored ledgers have these numbers", causes, want)
	}
	met := map[string]bool{}
	for _, c := range causes[1:] {
		if text := c.Explain(); text == string(c) || met[text] {
			t.Errorf("%s is explained as %q", c, text)
		}
		met[c.Explain()] = true
	}
	if Cause("newer").Explain() != "newer" {
		t.Error("another version's cause is not shown as it is")
	}
}

func TestWindows(t *testing.T) {
	w := window(10, 20)
	if got := w.Intersect(window(15, 30)); got != window(15, 20) {
		t.Errorf("intersection %v", got)
	}
	if got := w.Intersect(window(20, 30)); !got.Empty() || got.Len() != 0 {
		t.Errorf("windows that touch share %v", got)
	}
	for length, half := range map[int]int{2: 1, 3: 1, 10: 5, 86_400: 43_200} {
		if got := window(0, length).FirstHalf(); got != window(0, half) {
			t.Errorf("first half of %d s: %v", length, got)
		}
	}
	if w.Contains(at(9)) || !w.Contains(at(10)) || !w.Contains(at(20).Add(-1)) || w.Contains(at(20)) {
		t.Error("a window is half-open")
	}
	if got := Span(at(1).Add(900*time.Millisecond), at(3).Add(time.Millisecond).In(time.FixedZone("", 3600))); got != window(1, 3) {
		t.Errorf("cut to %v", got)
	}
	for want, w := range map[string]Window{
		"2026-03-01 00:00:10 to 00:00:20":            w,
		"2026-03-01 23:59:50 to 2026-03-02 00:00:10": window(86_390, 86_410),
	} {
		if w.String() != want {
			t.Errorf("%s, want %s", w, want)
		}
	}
}

// TestDensityCountsTheRowsOfItsWidth: as many as a window is made wide for are expected in it.
func TestDensityCountsTheRowsOfItsWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d Density
		for range rapid.IntRange(1, 60).Draw(t, "reads") {
			start := rapid.IntRange(0, 7*86_400).Draw(t, "start")
			d = d.Observe(window(start, start+rapid.IntRange(60, 7200).Draw(t, "length")), rapid.IntRange(0, 5000).Draw(t, "rows"))
		}
		start := at(rapid.IntRange(0, 7*86_400).Draw(t, "at"))
		rows := rapid.Float64Range(1, 3000).Draw(t, "wanted")
		width := d.Width(start, rows)
		if width < time.Second || width > widest || width%time.Second != 0 {
			t.Fatalf("%v wide", width)
		}
		got := d.Rows(Window{start, start.Add(width)})
		second := d.Rows(Window{start.Add(width), start.Add(width + time.Second)})
		if got > rows*1.0001 && width > time.Second || width < widest && got+second < rows*0.9999 {
			t.Fatalf("%v hold %g rows, and the next second %g; want %g", width, got, second, rows)
		}
	})
}

// TestDensityOfUnobservedHours: an hour speaks for those behind it for some time, then the mean does.
func TestDensityOfUnobservedHours(t *testing.T) {
	var d Density
	if d.Width(at(0), 80) != firstGuess || d.Rows(window(0, 3600)) != 0 {
		t.Errorf("nothing is known, and %v wide", d.Width(at(0), 80))
	}
	d = d.Observe(window(0, 3600), 3600)
	d = d.Observe(window(10*3600, 11*3600), 0) // half as many as the mean, which spoke for the hour until then
	d.Mean = 3
	for hour, want := range map[int]float64{0: 1, 1: 1, nearby: 1, nearby + 1: d.Mean, 9: d.Mean, 10: 0.5, 16: 0.5, 17: d.Mean} {
		if got := d.rate(at(hour * 3600)); math.Abs(got-want) > 1e-4 {
			t.Errorf("hour %d: %g rows a second, want %g", hour, got, want)
		}
	}
	if got := d.Rows(window(0, 30*86_400)); math.Abs(got-d.Mean*30*86_400) > 1 {
		t.Errorf("a month holds %g rows: beyond a week the mean counts", got)
	}
	if got := d.Observe(window(5, 5), 1000); got != d {
		t.Error("an empty window was observed")
	}
}

// TestWidths: after a window that held too much the next of its kind are narrow, and grow at most twofold.
func TestWidths(t *testing.T) {
	a := ruled(at(0))
	w := widths{}.with(Gap, 40*time.Second).with(Head, time.Second).with(Gap, 10*time.Second).with(Reread, time.Minute).with(Settled, time.Hour)
	for reason, want := range map[Reason]time.Duration{Gap: 10 * time.Second, Head: time.Second, Reread: time.Minute, Settled: time.Hour, Replay: 0} {
		if got := w.of(reason); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
	a.narrow = w
	if got := a.narrowed(window(0, 100), Gap); got != window(0, 10) {
		t.Errorf("narrowed to %v", got)
	}
	if got := a.narrowed(window(0, 5), Gap); got != window(0, 5) {
		t.Errorf("narrowed to %v, which was narrower", got)
	}
	for length, want := range map[int]time.Duration{10: 20 * time.Second, 1000: 2000 * time.Second, 86_000: 0} {
		if got := a.narrower(Gap, Read{Window: window(0, length)}); got != want {
			t.Errorf("after %d s that were proven: %v, want %v", length, got, want)
		}
	}
	if got := a.narrower(Gap, Read{Window: window(0, 10), Narrow: 3 * time.Second}); got != 3*time.Second {
		t.Errorf("after too much: %v", got)
	}
	if got := a.narrower(Replay, Read{Window: window(0, 10)}); got != 0 {
		t.Errorf("where nothing held too much: %v", got)
	}
}

// TestPagingDecides what windows are made for, by what was found out.
func TestPagingDecides(t *testing.T) {
	for name, c := range map[string]struct {
		paging        Paging
		walks, may    bool
		rows          float64
		requestsOf800 float64
	}{
		"nothing is known":         {Paging{}, false, true, pageRows, 10},
		"rows, beyond the cap":     {Paging{Unit: UnitRows, BeyondCap: true}, true, true, walkRows, 800./99 + 0.5},
		"rows, a cap is not known": {Paging{Unit: UnitRows}, false, true, pageRows, 10},
		"rows, capped":             {Paging{Unit: UnitRows, Capped: true}, false, false, pageRows, 10},
		"pages":                    {Paging{Unit: UnitPages}, true, true, walkRowsOfPages, 800./92 + 0.5},
		"pages that move":          {Paging{Unit: UnitPages, moved: mostMoved}, false, false, pageRows, 10},
		"whole days":               {Paging{Unit: UnitPages, IgnoresTime: true}, false, false, pageRows, 10},
	} {
		p := c.paging
		if p.walks() != c.walks || p.mayWalk() != c.may || p.rows() != c.rows || math.Abs(p.requests(800)-c.requestsOf800) > 1e-9 || p.requests(0) != 1 {
			t.Errorf("%s: walks %t, may walk %t, %g rows, %g requests", name, p.walks(), p.mayWalk(), p.rows(), p.requests(800))
		}
	}
	p := Paging{Examined: true, Proven: 50, Largest: 100}
	for n, want := range map[int]bool{0: true, 50: true, 51: false, 100: false} {
		if p.trusted(n) != want {
			t.Errorf("a page of %d rows is trusted: %t", n, !want)
		}
	}
	p.disproved()
	p.proved(3)
	if !p.ShortUnsafe || p.ProbesFailed != 1 || p.Proven != 50 {
		t.Errorf("%+v: a proof takes back nothing that was disproved", p)
	}
	for range mostMoved {
		p.walked(false)
	}
	if p.hangsTogether() {
		t.Error("pages that moved in each of several walks hang together")
	}
	if p.walked(true); !p.hangsTogether() {
		t.Error("one walk that hangs together is enough to walk again")
	}
}

// TestClocks: what is settled goes by the earlier of the two clocks, the newest rows by the later.
func TestClocks(t *testing.T) {
	for ahead, want := range map[time.Duration][2]time.Time{0: {at(0), at(0)}, time.Minute: {at(0), at(60)}, -time.Minute: {at(-60), at(0)}} {
		if c := (Clock{Ahead: ahead, Known: true}); c.Earlier(at(0)) != want[0] || c.Later(at(0)) != want[1] {
			t.Errorf("%v ahead: %v and %v", ahead, c.Earlier(at(0)), c.Later(at(0)))
		}
	}
	if (Clock{}).stepped(time.Hour) != (Clock{}) {
		t.Error("a clock that is not known was moved")
	}
	if since(at(0), at(5)) != 5*time.Second || since(at(5), at(0)) != ForEver || since(at(1), at(0)) != -time.Second {
		t.Error("an instant ahead of the clock is not for ever ago, or one of a rounded second is")
	}
	if !moved(time.Time{}, time.Hour).IsZero() || !moved(at(0), time.Hour).Equal(at(3600)) {
		t.Error("no instant was moved")
	}
}

// TestAFirstStartBegins by the service's clock, unless that is out of the world.
func TestAFirstStartBegins(t *testing.T) {
	for name, c := range map[string]struct {
		rules Rules
		ahead time.Duration
		want  time.Time
	}{
		"back from now":                   {Rules{StartFrom: time.Hour}, 0, at(-3600)},
		"back from the service's present": {Rules{StartFrom: time.Hour}, -time.Hour, at(-7200)},
		"a service that is ahead":         {Rules{StartFrom: time.Hour}, time.Hour, at(-3600)},
		"a Date of 1970":                  {Rules{StartFrom: time.Hour}, -56 * 365 * 24 * time.Hour, at(-3600)},
		"an instant":                      {Rules{StartAt: at(-500)}, 0, at(-500)},
		"an instant that is to come":      {Rules{StartAt: at(500)}, 0, at(0)},
	} {
		a := newAgenda(c.rules, Ledger{}, at(0))
		a.setClock(Read{}, at(0))
		if !a.From.IsZero() {
			t.Errorf("%s: begins before the clock is known", name)
		}
		a.setClock(Read{At: at(0), Clock: Clock{c.ahead, true}}, at(0))
		if !a.From.Equal(c.want) {
			t.Errorf("%s: from %v, want %v", name, a.From, c.want)
		}
		a.setClock(Read{At: at(9), Clock: Clock{-24 * time.Hour, true}}, at(9))
		if !a.From.Equal(c.want) {
			t.Errorf("%s: the beginning moved to %v", name, a.From)
		}
	}
}
