package simulator

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shared is how many keys two pages have in common.
func shared(a, b []Key) int {
	n := 0
	for _, k := range a {
		if slices.Contains(b, k) {
			n++
		}
	}
	return n
}

func set(keys []Key) map[Key]bool {
	m := map[Key]bool{}
	for _, k := range keys {
		m[k] = true
	}
	return m
}

func TestWalkingReadsTheTruth(t *testing.T) {
	for name, c := range map[string]struct {
		switches Switches
		step     int
	}{
		"rows":                      {Switches{}, 20},
		"pages":                     {Switches{OffsetCountsPages: true}, 1},
		"rows, clamped":             {Switches{Clamp: 7}, 7},
		"pages, clamped":            {Switches{OffsetCountsPages: true, Clamp: 7}, 1},
		"rows, limit per source":    {Switches{LimitPerSource: true}, 20},
		"pages, limit per source":   {Switches{LimitPerSource: true, OffsetCountsPages: true}, 1},
		"rows, thinned":             {Switches{Thin: 0.3}, 20},
		"rows, twins, bot rows too": {Switches{TwinSessions: 0.5, BotRowStays: true}, 20},
		"rows, restyled":            {Switches{Restyle: true}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, world30(7, func(cfg *Config) { cfg.Switches = c.switches }))
			keys := s.walk(t, ask{limit: 20}, c.step)
			want := truth(s.Service, noon.Add(-30*time.Minute), noon.Add(time.Second))
			if diff := cmp.Diff(want, set(keys)); diff != "" || len(keys) != len(want) || len(want) < 200 {
				t.Errorf("%d rows walked, %d in truth: %s", len(keys), len(want), diff)
			}
		})
	}
}

func TestOffsetOneTellsRowsFromPages(t *testing.T) {
	for _, pages := range []bool{false, true} {
		s := serve(t, world30(3, func(c *Config) { c.Switches.OffsetCountsPages = pages }))
		first, second := s.do(t, ask{limit: 20}), s.do(t, ask{limit: 20, offset: 1})
		want := 19
		if pages {
			want = 0
		}
		if got := shared(first.keys(), second.keys()); got != want || len(second.rows) != 20 {
			t.Errorf("pages %v: %d rows in common, want %d", pages, got, want)
		}
	}
}

func TestOffsetCap(t *testing.T) {
	second := noon.Add(-10 * time.Minute)
	window := ask{from: second, to: second, limit: 100}
	for _, answer := range []CapAnswer{CapError, CapEmpty, CapRepeat} {
		t.Run(string(answer), func(t *testing.T) {
			s := serve(t, Config{AccountID: account, Burst: []Burst{{second, 1300}},
				Switches: Switches{OffsetCountsPages: true, OffsetCap: 10, CapAnswer: answer}})
			window.offset = 10
			last := s.do(t, window)
			window.offset = 11
			beyond := s.do(t, window)
			switch answer {
			case CapError:
				if beyond.status != http.StatusBadRequest {
					t.Errorf("status %d, want 400", beyond.status)
				}
			case CapEmpty:
				if beyond.status != http.StatusOK || len(beyond.rows) != 0 {
					t.Errorf("status %d, %d rows, want an empty page", beyond.status, len(beyond.rows))
				}
			case CapRepeat:
				if diff := cmp.Diff(last.keys(), beyond.keys()); diff != "" {
					t.Error(diff)
				}
			}
			if len(last.rows) != 100 || len(truth(s.Service, second, second.Add(time.Second))) != 1300 {
				t.Errorf("%d rows at the cap, %d in truth", len(last.rows), len(truth(s.Service, second, second.Add(time.Second))))
			}
		})
	}
}

func TestLimitPerSourceFillsAPageBeyondItsLimit(t *testing.T) {
	s := serve(t, world30(5, func(c *Config) { c.Switches.LimitPerSource = true }))
	if n := len(s.do(t, ask{limit: 20}).rows); n != 40 {
		t.Errorf("%d rows, want 20 of each source", n)
	}
}

func TestClampShortensAPageThatIsNotTheLast(t *testing.T) {
	s := serve(t, world30(5, func(c *Config) { c.Switches.Clamp = 50 }))
	first, next := s.do(t, ask{limit: 100}), s.do(t, ask{limit: 100, offset: 50})
	if len(first.rows) != 50 || len(next.rows) != 50 || shared(first.keys(), next.keys()) != 0 {
		t.Errorf("%d and %d rows, %d in common", len(first.rows), len(next.rows), shared(first.keys(), next.keys()))
	}
}

func TestThinningShortensPagesAndHidesForEver(t *testing.T) {
	plain := serve(t, world30(5, nil))
	s := serve(t, world30(5, func(c *Config) { c.Switches.Thin = 0.3; c.Switches.NumResults = CountTotal }))
	first, next := s.do(t, ask{limit: 100}), s.do(t, ask{limit: 100, offset: 100})
	if len(first.rows) >= 100 || len(next.rows) == 0 {
		t.Errorf("%d rows, then %d: want a short page that is not the last", len(first.rows), len(next.rows))
	}
	from, to := noon.Add(-30*time.Minute), noon.Add(time.Second)
	want := truth(plain.Service, from, to)
	if diff := cmp.Diff(want, truth(s.Service, from, to)); diff != "" {
		t.Errorf("thinning must not change the truth: %s", diff)
	}
	if first.numResults <= len(want) {
		t.Errorf("numResults %d, want more than the %d rows that are shown: the hidden ones count", first.numResults, len(want))
	}
}

func TestNumResults(t *testing.T) {
	for reading, want := range map[NumResults]func(answer, int) int{
		CountPage:   func(a answer, _ int) int { return len(a.rows) },
		CountTotal:  func(_ answer, total int) int { return total },
		CountAbsent: func(answer, int) int { return -1 },
	} {
		s := serve(t, world30(5, func(c *Config) { c.Switches.NumResults = reading }))
		a := s.do(t, ask{limit: 20})
		total := len(truth(s.Service, noon.Add(-30*time.Minute), noon.Add(time.Second)))
		if a.numResults != want(a, total) || len(a.rows) != 20 || total <= 20 {
			t.Errorf("%s: numResults %d with %d rows of %d", reading, a.numResults, len(a.rows), total)
		}
	}
}

func TestLimitAbove100(t *testing.T) {
	refusing := serve(t, world30(5, nil))
	if a := refusing.do(t, ask{limit: 101}); a.status != http.StatusBadRequest {
		t.Errorf("refused: status %d", a.status)
	}
	clamping := serve(t, world30(5, func(c *Config) { c.Switches.LimitAbove = LimitClamped }))
	if a := clamping.do(t, ask{limit: 101}); len(a.rows) != 100 {
		t.Errorf("clamped: %d rows", len(a.rows))
	}
}

func TestBotRowsAscendThenContactsDescend(t *testing.T) {
	s := serve(t, world30(11, nil))
	keys := s.walk(t, ask{limit: 100}, 100)
	at := slices.IndexFunc(keys, func(k Key) bool { return k.Identity != k.Session })
	if at < 20 || at > len(keys)-20 {
		t.Fatalf("first contact at %d of %d", at, len(keys))
	}
	seconds := func(k Key) string { return k.Session[:8] } // of the start
	if !slices.IsSortedFunc(keys[:at], func(a, b Key) int { return compare(seconds(a), seconds(b)) }) {
		t.Error("bot-only rows do not ascend")
	}
	if !slices.IsSortedFunc(keys[at:], func(a, b Key) int { return compare(seconds(b), seconds(a)) }) {
		t.Error("contacts do not descend")
	}
	if i := slices.IndexFunc(keys[at:], func(k Key) bool { return k.Identity == k.Session }); i >= 0 {
		t.Error("a bot-only row among the contacts")
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
