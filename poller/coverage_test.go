package poller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

func causeIf(partial bool) Cause {
	if partial {
		return Capped
	}
	return ""
}

func window(start, end int) Window { return Window{at(start), at(end)} }

// model is the coverage second by second, as plainly as it can be said.
type model struct {
	readAt  [200]int // 0 = never
	partial [200]bool
}

func (m *model) add(start, end, readAt int, partial bool) {
	for i := start; i < end; i++ {
		wasWhole := m.readAt[i] > 0 && !m.partial[i]
		m.readAt[i], m.partial[i] = readAt, partial && !wasWhole
	}
}

func TestCoverageAgreesWithAModelOfSingleSeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Coverage
		var m model
		for i := range rapid.IntRange(1, 30).Draw(t, "reads") {
			start := rapid.IntRange(0, 198).Draw(t, "start")
			end := rapid.IntRange(start+1, 199).Draw(t, "end")
			partial := rapid.Bool().Draw(t, "partial")
			m.add(start, end, 1000+i, partial)
			c = c.Add(Stretch{Window: window(start, end), ReadAt: at(1000 + i), Partial: causeIf(partial), Withheld: false})
			compareWithModel(t, c, &m)
		}
	})
}

func compareWithModel(t *rapid.T, c Coverage, m *model) {
	var got model
	last := time.Time{}
	for _, s := range c.Stretches() {
		if s.Empty() || s.Start.Before(last) {
			t.Fatalf("stretches out of order, empty or overlapping: %v", c.Stretches())
		}
		last = s.End
		for i := int(s.Start.Sub(t0).Seconds()); i < int(s.End.Sub(t0).Seconds()); i++ {
			got.readAt[i], got.partial[i] = int(s.ReadAt.Sub(t0).Seconds()), s.Partial != ""
		}
	}
	if got != *m {
		t.Fatalf("coverage %v differs from the model", c.Stretches())
	}
	var partial [200]bool
	ended := time.Time{}
	for _, w := range c.Partial() {
		if !w.Start.After(ended) {
			t.Fatalf("partial windows touch, or are out of order: %v", c.Partial())
		}
		ended = w.End
		for i := int(w.Start.Sub(t0).Seconds()); i < int(w.End.Sub(t0).Seconds()); i++ {
			partial[i] = true
		}
	}
	if partial != m.partial {
		t.Fatalf("partial windows %v differ from the model", c.Partial())
	}
	from := rapid.IntRange(0, 199).Draw(t, "from")
	through, gap := from, from
	for through < 200 && m.readAt[through] > 0 && !m.partial[through] {
		through++
	}
	for gap < 200 && m.readAt[gap] > 0 {
		gap++
	}
	if got := c.Through(at(from)); !got.Equal(at(through)) {
		t.Fatalf("Through(%d) = %v, want second %d", from, got, through)
	}
	g, ok := c.Gap(window(from, 200))
	if ok != (gap < 200) || ok && !g.Start.Equal(at(gap)) {
		t.Fatalf("Gap from %d = %v %v, want it to begin at second %d", from, g, ok, gap)
	}
	for i := int(g.Start.Sub(t0).Seconds()); ok && i < int(g.End.Sub(t0).Seconds()) && i < 200; i++ {
		if m.readAt[i] > 0 {
			t.Fatalf("gap %v holds second %d, which was read", g, i)
		}
	}
}

func TestCompactNeverClaimsALaterReadOrMoreCoverage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Coverage
		for i := range rapid.IntRange(1, 30).Draw(t, "reads") {
			start := rapid.IntRange(0, 198).Draw(t, "start")
			end := rapid.IntRange(start+1, 199).Draw(t, "end")
			c = c.Add(Stretch{Window: window(start, end), ReadAt: at(1000 + 10*i), Partial: causeIf(rapid.IntRange(0, 4).Draw(t, "partial") == 0), Withheld: rapid.Bool().Draw(t, "withheld")})
		}
		tolerance := time.Duration(rapid.IntRange(0, 100).Draw(t, "tolerance")) * time.Second
		compact := c.Compact(func(time.Time, time.Time) time.Duration { return tolerance })
		for i := range 200 {
			before, was := stretchAt(c, at(i))
			after, is := stretchAt(compact, at(i))
			if was != is || before.Partial != after.Partial || before.Withheld != after.Withheld {
				t.Fatalf("second %d: covered %v partial %v, after compacting %v %v", i, was, before.Partial, is, after.Partial)
			}
			if after.ReadAt.After(before.ReadAt) || before.ReadAt.Sub(after.ReadAt) > tolerance {
				t.Fatalf("second %d: read at %v became %v, tolerance %v", i, before.ReadAt, after.ReadAt, tolerance)
			}
		}
	})
}

func stretchAt(c Coverage, t time.Time) (Stretch, bool) {
	for _, s := range c.Stretches() {
		if s.Contains(t) {
			return s, true
		}
	}
	return Stretch{}, false
}

func TestAWholeReadOfAPartialStretchMendsIt(t *testing.T) {
	c := Coverage{}.Add(Stretch{Window: window(0, 10), ReadAt: at(100), Partial: "", Withheld: false}).Add(Stretch{Window: window(10, 11), ReadAt: at(100), Partial: Capped, Withheld: false}).Add(Stretch{Window: window(11, 20), ReadAt: at(100), Partial: "", Withheld: false})
	if got := c.Through(at(0)); !got.Equal(at(10)) {
		t.Fatalf("complete through %v, want it to stop at the partial second", got)
	}
	c = c.Add(Stretch{Window: window(10, 11), ReadAt: at(200), Partial: "", Withheld: false})
	if got := c.Through(at(0)); !got.Equal(at(20)) {
		t.Fatalf("complete through %v after the mending read, want second 20", got)
	}
}
