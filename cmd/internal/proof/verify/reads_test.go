package verify

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// story is a journal and commits, written down by hand: seconds after noon.
type story struct {
	Journal
	Report
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func second(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

// answer is a page for the window, with rows "n" of the content that the map says. They are in the topics.
func (s *story) answer(at, start, end, offset int, rows map[int]uint64) {
	a := answer{Answered: simulator.Answered{From: second(start - 1), To: second(end + 1), Offset: offset, At: second(at)}, at: second(at)}
	for n, hash := range rows {
		key := simulator.Key{Identity: strconv.Itoa(n)}
		a.Rows = append(a.Rows, simulator.AnsweredRow{Key: key, Hash: hash})
		if s.held.Judge(key.Identity, key.Session, hash) != audit.Equal {
			s.publish(key, hash)
		}
	}
	s.answers = append(s.answers, a)
}

func (s *story) commit(at, start, end, requests, fetched int) {
	s.progress = append(s.progress, &encoder.Progress{
		Sequence: int64(len(s.progress) + 1), WindowStart: second(start), WindowEnd: second(end), ReadAt: second(at),
		Requests: int64(requests), Fetched: int64(fetched), CompleteFrom: second(-1000), CompleteThrough: second(-1000),
	})
}

func some(from, to int) map[int]uint64 {
	rows := map[int]uint64{}
	for n := from; n < to; n++ {
		rows[n] = 7
	}
	return rows
}

// TestReads tells stories of what a reader may do, and of what it may not.
func TestReads(t *testing.T) {
	for name, c := range map[string]struct {
		tell    func(*story)
		problem string
	}{
		"a walk with reads of other windows between its pages, committed after them": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 100))
			s.answer(2, -10, 2, 0, some(1000, 1003))
			s.answer(4, -100, -50, 99, some(99, 199))
			s.answer(6, -10, 6, 0, some(1000, 1004))
			s.answer(8, -100, -50, 198, some(198, 210))
			s.commit(2, -10, 2, 1, 3)
			s.commit(6, -10, 6, 1, 4)
			s.commit(0, -100, -50, 3, 210)
		}, ""},
		"pages that failed, and were asked again": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 100))
			s.answer(40, -100, -50, 99, some(99, 120))
			s.commit(0, -100, -50, 6, 120)
		}, ""},
		"a walk that was not finished": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 100))
			s.answer(4, -100, -50, 99, some(99, 199))
			s.answer(90, -100, -50, 0, some(0, 250))
			s.commit(0, -100, -50, 5, 199)
			s.commit(90, -100, -50, 1, 250)
		}, ""},
		"a row of a walk is not counted": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 100))
			s.answer(4, -100, -50, 99, some(99, 199))
			s.commit(0, -100, -50, 2, 198)
		}, "says 198 rows, the service gave 199"},
		"more rows than the requests can have shown": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 100))
			s.answer(4, -100, -50, 99, some(99, 199))
			s.commit(0, -100, -50, 1, 199)
		}, "says 199 rows, the service gave 100"},
		"the same window read again by a successor, committed once each": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 100))
			s.answer(4, -100, -50, 0, some(0, 101))
			s.commit(0, -100, -50, 2, 100)
			s.commit(4, -100, -50, 1, 101)
		}, ""},
		"a predecessor that died within the second, and asked for pages": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 100))
			s.answer(0, -100, -50, 99, some(99, 150))
			s.answer(1, -100, -50, 0, some(0, 100))
			s.commit(1, -100, -50, 1, 100)
		}, ""},
		"the longer read began earlier: its content is not the newest": {func(s *story) {
			s.answer(0, -100, -50, 0, map[int]uint64{1: 7})
			s.answer(2, -100, 2, 0, map[int]uint64{1: 8})
			s.commit(2, -100, 2, 1, 1)
			s.commit(0, -100, -50, 1, 1)
		}, ""},
		"the content of the longer read, which is older, is published last": {func(s *story) {
			s.answer(0, -100, -50, 0, map[int]uint64{1: 7})
			s.answer(2, -100, 2, 0, map[int]uint64{1: 8})
			s.held = audit.Holdings[string, string]{}
			s.publish(simulator.Key{Identity: "1"}, 8, 7)
			s.commit(2, -100, 2, 1, 1)
			s.commit(0, -100, -50, 1, 1)
		}, "is not the newest content committed"},
		"a content that was replaced before its read was committed is left out": {func(s *story) {
			s.answer(0, -100, -50, 0, map[int]uint64{1: 7})
			s.answer(2, -100, 2, 0, map[int]uint64{1: 8})
			s.held = audit.Holdings[string, string]{}
			s.publish(simulator.Key{Identity: "1"}, 8)
			s.commit(2, -100, 2, 1, 1)
			s.commit(0, -100, -50, 1, 1)
		}, ""},
		"a clock that is behind": {func(s *story) {
			s.ClockOff(-45 * time.Minute)
			s.answer(0, -100, -50, 0, some(0, 5))
			s.answer(9, -100, -50, 0, some(0, 6))
			s.commit(9-45*60, -100, -50, 1, 6)
			s.commit(9, -100, -50, 1, 6)
		}, ""},
		"a clock that is ahead, and the service's too, a little": {func(s *story) {
			s.ClockOff(2 * time.Hour)
			s.answer(0, -100, -50, 0, some(0, 5))
			s.answers[0].At = second(50)
			s.commit(50, -100, -50, 1, 5)
		}, ""},
		"a clock that is behind without our knowing": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 5))
			s.commit(-45*60, -100, -50, 1, 5)
		}, "was never asked"},
		"nothing could be read": {func(s *story) { s.commit(0, -100, -50, 9, 0) }, ""},
		"nothing is said to have been read": {func(s *story) {
			s.answer(0, -100, -50, 0, some(0, 5))
			s.commit(0, -100, -50, 1, 0)
		}, "says 0 rows, the service gave 5"},
		"nothing was read and it is claimed": {func(s *story) {
			s.commit(0, -1000, -500, 9, 0)
			s.progress[0].CompleteThrough = second(-500)
		}, "claims to be complete"},
		"a page that breaks, asked twice, and taken as it is": {func(s *story) {
			s.answer(0, -51, -50, 0, some(0, 5))
			s.tear("0011", 5, 6)
			s.answer(9, -51, -50, 0, some(0, 5))
			s.tear("0022", 5, 6, 7)
			s.dead["0022"] = 1
			s.commit(0, -51, -50, 2, 6)
		}, ""},
		"a page that breaks has failed, and narrower ones are asked for": {func(s *story) {
			s.answer(0, -60, -50, 0, some(0, 5))
			s.tear("0011", 5, 6)
			s.answer(9, -60, -55, 0, some(0, 3))
			s.commit(9, -60, -55, 1, 3)
		}, ""},
		"the rest of a page that broke is no dead letter": {func(s *story) {
			s.answer(0, -51, -50, 0, some(0, 5))
			s.tear("0011", 5, 6)
			s.commit(0, -51, -50, 2, 6)
		}, "0011 is not in the dead letters"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &story{Report: Report{
				dead: map[string]int{}, broken: map[simulator.Key]bool{}, unread: map[int64]bool{}, met: map[simulator.Key]time.Time{},
			}}
			c.tell(s)
			s.checkReads(&s.Journal)
			s.CheckClaims(time.Minute)
			got := strings.Join(s.Problems, "; ")
			if (c.problem == "") != (got == "") || !strings.Contains(got, c.problem) {
				t.Errorf("%q, want %q", got, c.problem)
			}
		})
	}
}

// tear says that rows follow upon those of the last answer that cannot be told apart.
func (s *story) tear(hash string, rows ...int) {
	a := &s.answers[len(s.answers)-1]
	a.Rows = append(a.Rows, simulator.AnsweredRow{Key: simulator.Key{Session: hash}, Dead: true})
	for _, n := range rows {
		a.Rest = append(a.Rest, simulator.Key{Identity: strconv.Itoa(n)})
	}
}

// TestReadsAreFoundSoon: of four times as many answers, a third of them of the same window, in some four times the time.
func TestReadsAreFoundSoon(t *testing.T) {
	few, many := timeToFindReads(t, 8_000), timeToFindReads(t, 32_000)
	if many > 10*few { // sixteen times where each is looked for among all
		t.Errorf("%v for four times the answers of which %v were enough", many, few)
	}
}

func timeToFindReads(t *testing.T, answers int) time.Duration {
	t.Helper()
	s := &story{Report: Report{dead: map[string]int{}, met: map[simulator.Key]time.Time{}}}
	for n := range answers {
		s.answer(3*n, -100, -50, 0, some(0, 3))
		s.answer(3*n+1, -100+n, -50+n, 0, some(0, 3))
		s.answer(3*n+2, -100+n, -50+n, 99, some(2, 5))
		s.commit(3*n, -100, -50, 1, 3)
		s.commit(3*n+1, -100+n, -50+n, 3, 5)
	}
	began := time.Now()
	if s.checkReads(&s.Journal); len(s.Problems) > 0 {
		t.Error(s.Problems[0])
	}
	return time.Since(began)
}

// TestUncovered: what was read too early, or by nobody, or could not be read.
func TestUncovered(t *testing.T) {
	s := &story{Report: Report{unread: map[int64]bool{4: true}}}
	s.commit(500, 0, 100, 1, 0)
	s.commit(150, 100, 140, 1, 0) // settled up to 90
	s.commit(500, 110, 120, 1, 0)
	s.commit(500, 120, 130, 1, 0)
	s.commit(500, 130, 200, 1, 0)
	got := s.Uncovered(second(10), second(300), time.Minute)
	want := [][2]time.Time{{second(100), second(109)}, {second(120), second(129)}, {second(200), second(299)}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
