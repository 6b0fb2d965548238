package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// TestEveryReadingOfTheDocuments runs a simulated day (see norace_test.go), and what it takes to read it again, under every reading of the
// points on which the service's documents disagree or are silent. In the end every row must be in the topics with its
// newest content, each revision once, and completeThrough must have come to the present.
func TestEveryReadingOfTheDocuments(t *testing.T) {
	long(t)
	pages := simulator.Switches{OffsetCountsPages: true}
	with := func(s simulator.Switches, change func(*simulator.Switches)) simulator.Switches { change(&s); return s }
	for _, c := range []struct {
		name string
		simulator.Switches
	}{
		{"as the older text says", simulator.Switches{}},
		{"offset counts pages", pages},
		{"pages, cap 10, error", with(pages, func(s *simulator.Switches) { s.OffsetCap = 10 })},
		{"pages, cap 10, empty", with(pages, func(s *simulator.Switches) { s.OffsetCap, s.CapAnswer = 10, simulator.CapEmpty })},
		{"pages, cap 10, repeat", with(pages, func(s *simulator.Switches) { s.OffsetCap, s.CapAnswer = 10, simulator.CapRepeat })},
		{"rows, cap 10, error", simulator.Switches{OffsetCap: 10}},
		{"rows, cap 10, empty", simulator.Switches{OffsetCap: 10, CapAnswer: simulator.CapEmpty}},
		{"rows, cap 10, repeat", simulator.Switches{OffsetCap: 10, CapAnswer: simulator.CapRepeat}},
		{"limit per source", simulator.Switches{LimitPerSource: true}},
		{"limit per source, pages", with(pages, func(s *simulator.Switches) { s.LimitPerSource = true })},
		{"clamp 50", simulator.Switches{Clamp: 50}},
		{"clamp 50, pages", with(pages, func(s *simulator.Switches) { s.Clamp = 50 })},
		{"thinned pages", simulator.Switches{Thin: 0.2}},
		{"thinned pages, pages", with(pages, func(s *simulator.Switches) { s.Thin = 0.2 })},
		{"exclusive bounds", simulator.Switches{Bounds: simulator.Exclusive}},
		{"half-open bounds", simulator.Switches{Bounds: simulator.HalfOpen}},
		{"sub-second bounds", simulator.Switches{Bounds: simulator.SubSecond}},
		{"filter by end", simulator.Switches{FilterBy: simulator.ByEnd}},
		{"filter by overlap", simulator.Switches{FilterBy: simulator.ByOverlap}},
		{"dates only", simulator.Switches{DateOnly: true}},
		{"dates only, pages", with(pages, func(s *simulator.Switches) { s.DateOnly = true })},
		{"numResults is the total", simulator.Switches{NumResults: simulator.CountTotal}},
		{"numResults is the total, thinned", simulator.Switches{NumResults: simulator.CountTotal, Thin: 0.2}},
		{"numResults absent", simulator.Switches{NumResults: simulator.CountAbsent}},
		{"bot row stays", simulator.Switches{BotRowStays: true}},
		{"two sessions of a conversation", simulator.Switches{TwinSessions: 0.1}},
		{"rows hours late", simulator.Switches{VeryLate: 0.05}},
		{"written differently each time", simulator.Switches{Restyle: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if raceDetector && !slices.Contains(waysToRead, c.name) {
				t.Skip("without the race detector")
			}
			t.Parallel()
			aDay(t, simulator.Config{Switches: c.Switches})
		})
	}
}

// waysToRead are readings that lead to each way of reading a window: one page, split, walked by rows and by pages, a
// walk that meets a cap, pages that prove nothing, whole days.
var waysToRead = []string{"as the older text says", "pages, cap 10, error", "rows, cap 10, empty", "thinned pages, pages", "dates only", "filter by overlap"}

// aDay is half a day of history to catch up with, half a day of polling, and a day in which nothing new begins and what
// there is still changes for a third of it.
func aDay(t *testing.T, c simulator.Config) {
	c.History, c.PerMinute, c.Peak, c.Faults.Poison = day/2, 0.5, 2, 0.01
	c.SurveyBy = day / 3
	c.Until = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(day / 2) // a bubble's clock starts with the year 2000
	env := frugal(map[string]string{"POLL_INTERVAL": "2m", "START_FROM": (day / 2).String(), "REREAD": fmt.Sprintf("1h:10m,96h:%v", day/4)})
	if c.Switches.DateOnly {
		env["POLL_INTERVAL"] = "10m" // every read returns, and walks, the whole day
	}
	inWorld(t, c, env, func(w *world) {
		began := time.Now()
		stop := w.start()
		time.Sleep(day * 3 / 2)
		if err := stop(); err != nil {
			t.Fatalf("worker: %v\n%s", err, w.log.tail())
		}
		r := w.verify(
			func(r *verify.Report) { r.CheckClaims(2 * time.Minute) },
			func(r *verify.Report) { r.CheckComplete(w.service, 2*time.Minute) },
			func(r *verify.Report) { r.CheckNewest(w.service, began.Add(-day/2), c.Until) },
		)
		if behind := time.Since(r.CompleteThrough); behind > 30*time.Minute {
			t.Errorf("complete through %v, %v ago", r.CompleteThrough, behind)
		}
		if most := w.service.MaxPerMinute(); most > 30 {
			t.Errorf("%d requests in a minute, the budget is 30", most)
		}
		w.assumedRight(c.Switches)
		if t.Failed() {
			t.Log(w.log.tail())
		}
		t.Logf("%s; %+v; %d requests", describe(r), w.worker.Status().Poller.Paging, w.service.Stats().Requests)
	})
}

// TestAFullSecondBehindACapEndsPartial: 1,300 rows in a second cannot be read where the service gives no more than 11
// pages of 100. That must be said, completeThrough must stop there, and live polling must go on.
func TestAFullSecondBehindACapEndsPartial(t *testing.T) {
	long(t)
	for _, answer := range []simulator.CapAnswer{simulator.CapError, simulator.CapEmpty, simulator.CapRepeat} {
		t.Run(string(answer), func(t *testing.T) {
			t.Parallel()
			burst := time.Date(2000, 1, 1, 0, 30, 0, 0, time.UTC)
			c := simulator.Config{
				History: time.Hour, PerMinute: 0.5, Burst: []simulator.Burst{{At: burst, Rows: 1300}},
				Switches: simulator.Switches{OffsetCountsPages: true, OffsetCap: 10, CapAnswer: answer},
			}
			inWorld(t, c, map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "2m"}, func(w *world) {
				w.run(day / 4)
				r := w.verify()
				// Asked for with a second on both sides, and bounds that may be inclusive, its neighbours show it too.
				if r.CompleteThrough.After(burst) || r.CompleteThrough.Before(burst.Add(-2*time.Second)) {
					t.Errorf("complete through %v, want it to stop at %v", r.CompleteThrough, burst)
				}
				status := w.worker.Status().Poller
				if len(status.Partial) != 1 || !status.Partial[0].Contains(burst) || status.Partial[0].Len() > 4*time.Second {
					t.Errorf("partial %v, want the second %v and its neighbours", status.Partial, burst)
				}
				if behind := time.Since(status.HeadRead); behind > 5*time.Minute {
					t.Errorf("head read %v ago: live polling has stopped", behind)
				}
				if w.log.count("cannot be read whole") == 0 {
					t.Errorf("the log does not say it:\n%s", w.log.tail())
				}
				t.Log(describe(r))
			})
		})
	}
}

// TestMoreUnderWayThanAPageHolds: where a window shows every conversation that was under way in it, and that is more than
// a page at any time, narrower windows show no fewer. They must not shrink until the budget is used up by a minute or two.
func TestMoreUnderWayThanAPageHolds(t *testing.T) {
	long(t)
	for _, pages := range []bool{false, true} {
		t.Run(fmt.Sprint("pages ", pages), func(t *testing.T) {
			t.Parallel()
			c := simulator.Config{
				History: time.Hour, PerMinute: 20, Peak: 1,
				Switches: simulator.Switches{FilterBy: simulator.ByOverlap, OffsetCountsPages: pages},
			}
			inWorld(t, c, map[string]string{"START_FROM": "1h"}, func(w *world) {
				w.run(time.Hour)
				r := w.verify(w.complete)
				w.fresh(r)
				status := w.worker.Status().Poller
				if behind := time.Since(status.HeadRead); behind > 3*time.Minute {
					t.Errorf("head read %v ago", behind)
				}
				t.Logf("%s; %+v", describe(r), status.Paging)
			})
		})
	}
}

// TestAFullSecondIsWalked: 1,300 rows in a second are read whole where nothing caps the offset.
func TestAFullSecondIsWalked(t *testing.T) {
	long(t)
	for _, pages := range []bool{false, true} {
		t.Run(fmt.Sprint("pages ", pages), func(t *testing.T) {
			t.Parallel()
			burst := time.Date(2000, 1, 1, 0, 30, 0, 0, time.UTC)
			c := simulator.Config{
				History: time.Hour, PerMinute: 0.5, Burst: []simulator.Burst{{At: burst, Rows: 1300}},
				Switches: simulator.Switches{OffsetCountsPages: pages},
			}
			inWorld(t, c, map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "2m"}, func(w *world) {
				w.run(time.Hour)
				r := w.verify(func(r *verify.Report) { r.CheckComplete(w.service, 2*time.Minute) })
				if behind := time.Since(r.CompleteThrough); behind > 10*time.Minute {
					t.Errorf("complete through %v, %v ago", r.CompleteThrough, behind)
				}
				if strings.Contains(w.log.String(), "cannot be read whole") {
					t.Error("the log says that something could not be read whole")
				}
				t.Log(describe(r))
			})
		})
	}
}
