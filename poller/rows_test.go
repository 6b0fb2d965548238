package poller

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestRowSets: each row once, with the content that came last; two contents on one page are two rows.
func TestRowSets(t *testing.T) {
	open, closed, other := contact("c-1", "s1", "TRANSIENT_OPEN"), contact("c-1", "s1", "CLOSED"), contact("c-2", "s1", "CLOSED")
	for name, c := range map[string]struct {
		pages [][]smartassist.Row
		want  []smartassist.Row
	}{
		"one page":                    {[][]smartassist.Row{{open, other}}, []smartassist.Row{open, other}},
		"again":                       {[][]smartassist.Row{{open, other}, {other, open}}, []smartassist.Row{open, other}},
		"a newer content":             {[][]smartassist.Row{{open, other}, {closed}}, []smartassist.Row{closed, other}},
		"twins":                       {[][]smartassist.Row{{open, closed}}, []smartassist.Row{open, closed}},
		"twins again":                 {[][]smartassist.Row{{open, closed}, {closed, open}}, []smartassist.Row{open, closed}},
		"the same row twice":          {[][]smartassist.Row{{open, open}}, []smartassist.Row{open}},
		"a broken row, twice":         {[][]smartassist.Row{{row(`7`)}, {row(`7`), row(`8`)}}, []smartassist.Row{row(`7`), row(`8`)}},
		"another session's":           {[][]smartassist.Row{{open}, {contact("c-1", "s2", "CLOSED")}}, []smartassist.Row{open, contact("c-1", "s2", "CLOSED")}},
		"an empty page":               {[][]smartassist.Row{{}, {open}, nil}, []smartassist.Row{open}},
		"spelled otherwise, the same": {[][]smartassist.Row{{row(`{"sessionId":"s","a":1}`)}, {row(`{ "a":1, "sessionId":"s" }`)}}, []smartassist.Row{row(`{"sessionId":"s","a":1}`)}},
	} {
		var s rowSet
		for _, page := range c.pages {
			s.add(page)
		}
		same := func(a, b smartassist.Row) bool { return string(a.Raw) == string(b.Raw) }
		if !slices.EqualFunc(s.list, c.want, same) {
			t.Errorf("%s: %d rows, want %d", name, len(s.list), len(c.want))
		}
	}
}

// TestLenWith: how many entries there are once the changes are made, as Apply makes them.
func TestLenWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Seen
		changes := func(label string) (out []Remembered) {
			for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 0, 15, rapid.ID).Draw(t, label) {
				out = append(out, Remembered{Key: someKey(i), Entry: Entry{revision: int32(i)}, Forget: rapid.Bool().Draw(t, "forget")})
			}
			return out
		}
		s.Apply(changes("before"))
		next := changes("next")
		want := s.lenWith(next)
		if s.Apply(next); s.Len() != want {
			t.Fatalf("%d entries, %d were expected", s.Len(), want)
		}
	})
}

// TestExpiredComesInParts: no more than asked for, and the rest with later calls.
func TestExpiredComesInParts(t *testing.T) {
	var s Seen
	for i := range 25 {
		s.Apply([]Remembered{{Key: someKey(i), Entry: Entry{shown: quanta(at(0))}}})
	}
	var sizes []int
	for s.Len() > 0 {
		expired := s.Expired(at(0).Add(3*quantum), at(0).Add(3*quantum), 10)
		sizes = append(sizes, len(expired))
		if len(expired) == 0 {
			break
		}
		s.Apply(expired)
	}
	if !slices.Equal(sizes, []int{10, 10, 5}) {
		t.Errorf("%v entries at a time", sizes)
	}
}

// TestLast is what progress says of the last commit.
func TestLast(t *testing.T) {
	l := Ledger{Sequence: 9, Asked: "x", Changes: 2, From: at(0), Coverage: Coverage{}.Add(Stretch{Window: window(0, 50)}).Add(Stretch{Window: window(60, 70)})}
	if got, want := l.Last(), (Last{9, "x.2", at(50)}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// absentPage is a Source whose pages behind the first fail, as often as it says, then are empty.
type absentPage struct{ fails, asked int }

func (s *absentPage) Page(_ context.Context, q smartassist.Query) (smartassist.Page, error) {
	if q.Offset == 0 {
		return smartassist.Page{Rows: rowsEvery(10, 1000, 1), NumResults: -1, Sent: at(100_000), Date: at(100_000)}, nil
	}
	if s.asked++; s.asked <= s.fails {
		return smartassist.Page{}, serviceError(smartassist.Temporary, 500, smartassist.CategoryStatus5xx)
	}
	return smartassist.Page{NumResults: -1, Sent: at(100_000), Date: at(100_000)}, nil
}

// TestAPageBehindTheLastThatFails is taken for one that is not there only if page 0 can be read in between; a fault that passes is none.
func TestAPageBehindTheLastThatFails(t *testing.T) {
	for fails, want := range map[int]bool{1: false, tries - 1: false, 1000: true} {
		r := newReader(at(100_000))
		read := readWithRetries(r, &absentPage{fails: fails}, Task{Window: window(1000, 1300)})
		if !read.Proven || len(read.Rows) != 10 || r.Paging.FailsBehind != want {
			t.Errorf("%d failures: proven %t, %d rows, %v; fails behind the last row: %t, want %t", fails, read.Proven, len(read.Rows), read.Err, r.Paging.FailsBehind, want)
		}
	}
}
