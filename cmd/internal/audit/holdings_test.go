package audit

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

// texts are Holdings by plain identities and sessions.
type texts = Holdings[string, string]

func revision(id, session string, number int32, content uint64) Revision[string, string] {
	return Revision[string, string]{Identity: id, Session: session, Number: number, Content: content}
}

// TestFaults: revisions count 1, 2, 3, each once, whatever the order in which the topics are read.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		revisions           []Revision[string, string]
		twice, gone, repeat int
	}{
		"none":                      {nil, 0, 0, 0},
		"whole":                     {[]Revision[string, string]{revision("a", "s", 1, 7), revision("a", "s", 2, 8), revision("a", "s", 3, 7)}, 0, 0, 0},
		"from another topic":        {[]Revision[string, string]{revision("a", "s", 2, 8), revision("a", "s", 1, 7), revision("a", "s", 3, 9)}, 0, 0, 0},
		"a hole":                    {[]Revision[string, string]{revision("a", "s", 1, 7), revision("a", "s", 4, 8)}, 0, 2, 0},
		"the first is gone":         {[]Revision[string, string]{revision("a", "s", 2, 7)}, 0, 1, 0},
		"twice":                     {[]Revision[string, string]{revision("a", "s", 1, 7), revision("a", "s", 1, 7)}, 1, 0, 1},
		"a number twice":            {[]Revision[string, string]{revision("a", "s", 1, 7), revision("a", "s", 2, 8), revision("a", "s", 2, 9)}, 1, 0, 0},
		"nothing changed":           {[]Revision[string, string]{revision("a", "s", 1, 7), revision("a", "s", 2, 7)}, 0, 0, 1},
		"sessions that say alike":   {[]Revision[string, string]{revision("a", "s", 1, 7), revision("a", "t", 2, 7)}, 0, 0, 0},
		"republished":               {[]Revision[string, string]{revision("a", "s", 1, 7), {Identity: "a", Session: "s", Number: 2, Content: 7, Republished: true}}, 0, 0, 0},
		"another identity's number": {[]Revision[string, string]{revision("a", "s", 1, 7), revision("b", "s", 1, 7)}, 0, 0, 0},
	} {
		var h texts
		for _, r := range c.revisions {
			h.Add(r)
		}
		twice, gone, repeat := 0, 0, 0
		for f := range h.Faults() {
			twice, gone, repeat = twice+f.Twice, gone+f.Gone, repeat+len(f.Same)
			if (f.Twice > 0 || f.Gone > 0) != (len(f.Numbers) > 0) {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if twice != c.twice || gone != c.gone || repeat != c.repeat {
			t.Errorf("%s: %d twice, %d gone, %d say the same", name, twice, gone, repeat)
		}
	}
}

// TestJudge: what counts is the newest revision of the row itself.
func TestJudge(t *testing.T) {
	var h texts
	for _, r := range []Revision[string, string]{revision("a", "s", 3, 9), revision("a", "s", 1, 7), revision("a", "t", 2, 8)} {
		h.Add(r)
	}
	for _, c := range []struct {
		id, session string
		contents    []uint64
		want        Result
	}{
		{"a", "s", []uint64{9}, Equal}, {"a", "s", []uint64{7}, Stale}, {"a", "s", []uint64{7, 9}, Equal}, {"a", "s", nil, Stale},
		{"a", "t", []uint64{8}, Equal}, {"a", "u", []uint64{8}, Missing}, {"b", "s", []uint64{9}, Missing},
	} {
		if got := h.Judge(c.id, c.session, c.contents...); got != c.want {
			t.Errorf("%s %s %v: %s, want %s", c.id, c.session, c.contents, got, c.want)
		}
	}
	if !h.Has("a", "s", 7) || h.Has("a", "t", 7) || h.Len() != 1 {
		t.Error("what is held is not told as it is")
	}
}

// TestLearn: what was read and heard of as well is there once, what was only heard of is there.
func TestLearn(t *testing.T) {
	var h texts
	h.Add(revision("a", "s", 1, 7))
	for _, r := range []Revision[string, string]{revision("a", "s", 1, 7), revision("a", "s", 2, 8), revision("b", "s", 1, 7)} {
		h.Learn(r)
	}
	for f := range h.Faults() {
		t.Errorf("%+v", f)
	}
	h.Learn(revision("a", "s", 9, 9)) // whatever is between was lost before
	for f := range h.Faults() {
		t.Errorf("%+v", f)
	}
	if h.Judge("a", "s", 9) != Equal || h.Judge("b", "s", 7) != Equal {
		t.Error("what was heard of is not held")
	}
}

// TestPlaces: a revision says where its record stands and when its row was read, to the second.
func TestPlaces(t *testing.T) {
	var h texts
	r := revision("a", "s", 1, 7)
	r.Where, r.At = Place{"voice", 3, 1 << 40}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h.Add(revision("a", "t", 2, 7))
	h.Add(r)
	if got, _ := h.Newest("a", "s"); got != r {
		t.Errorf("%+v, want %+v", got, r)
	}
}

// TestExtra: a row whose newest revision lies in the range and that is not shown.
func TestExtra(t *testing.T) {
	in := func(id, session string, number int32) Revision[string, string] {
		r := revision(id, session, number, 7)
		r.Within = true
		return r
	}
	var h texts
	for _, r := range []Revision[string, string]{
		in("shown", "s", 1), in("extra", "s", 1), in("extra", "s", 2), in("two", "s", 1), in("two", "t", 2), in("moved", "s", 1), revision("moved", "s", 2, 8), revision("out", "s", 1, 7),
	} {
		h.Add(r)
	}
	for _, c := range []struct {
		id, session  string
		held, before bool
	}{{"shown", "s", true, false}, {"two", "s", true, false}, {"none", "s", false, false}, {"extra", "t", false, false}, {"shown", "s", true, true}} {
		if held, before := h.Note(c.id, c.session, Shown); held != c.held || before != c.before {
			t.Errorf("%s %s: held %t, shown before %t", c.id, c.session, held, before)
		}
	}
	h.Add(in("shown", "s", 2)) // and it is still shown
	var got []string
	for r := range h.Extra() {
		got = append(got, fmt.Sprint(r.Identity, " ", r.Session, " ", r.Number))
	}
	slices.Sort(got)
	if want := []string{"extra s 2", "two t 2"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var again texts
	again.Add(in("shown", "s", 1))
	again.Add(in("extra", "s", 1))
	again.TakeMarks(&h)
	for r := range again.Extra() {
		if r.Identity != "extra" {
			t.Errorf("%s lost its mark", r.Identity)
		}
	}
}

// BenchmarkHoldings measures the memory of a conversation of one to four revisions.
func BenchmarkHoldings(b *testing.B) {
	const conversations = 200_000
	dice := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		var h Holdings[[12]byte, uint32]
		before := allocated()
		for range conversations {
			var id [12]byte
			binary.BigEndian.PutUint64(id[:], dice.Uint64())
			for n := range 1 + dice.IntN(4) {
				h.Add(Revision[[12]byte, uint32]{Identity: id, Number: int32(n + 1), Content: dice.Uint64()})
			}
		}
		b.ReportMetric(float64(allocated()-before)/float64(h.Len()), "B/conversation")
	}
}

func allocated() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
