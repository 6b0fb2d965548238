package poller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// bench is a Poller between a Source and a Sink that are functions, in virtual time, with what it logs.
type bench struct {
	*Poller
	t       *testing.T
	page    func(smartassist.Query) (smartassist.Page, error)
	commits []Bundle
	refuses error
	log     bytes.Buffer
}

func (b *bench) Page(_ context.Context, q smartassist.Query) (smartassist.Page, error) {
	time.Sleep(time.Second)
	page, err := b.page(q)
	page.Sent, page.Date = time.Now(), time.Now()
	return page, err
}

func (b *bench) Commit(_ context.Context, bundle Bundle) error {
	if b.refuses == nil {
		b.commits = append(b.commits, bundle)
	}
	return b.refuses
}

func (*bench) Refused(smartassist.Row, uint64) error { return nil }
func (*bench) KeepsLetters() time.Duration           { return ForEver }

// onBench gives f a Poller that goes on from the state. The account has no rows until page says otherwise.
func onBench(t *testing.T, state *State, f func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, page: func(smartassist.Query) (smartassist.Page, error) { return smartassist.Page{}, nil }}
		state.Account = "a"
		b.Poller = New(Config{
			Selection: "s", PagingOf: "p", StartFrom: 10 * time.Minute, PageLimit: 100, Interval: 30 * time.Second, Settle: 2 * time.Minute,
			Tiers: defaultTiers, Deduplicate: ByRevision, Log: zerolog.New(&b.log),
		}, b, b, state)
		defer b.giveUp()
		f(t, b)
	})
}

// play runs the Poller for so long.
func (b *bench) play(d time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		wait, err := b.RunOnce(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		time.Sleep(min(wait, time.Until(end)))
	}
}

// logged returns the lines of the log with the message, but for the debug level.
func (b *bench) logged(message string) (lines []map[string]any) {
	for line := range strings.Lines(b.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			b.t.Fatal(err)
		}
		if fields["message"] == message && fields["level"] != "debug" {
			lines = append(lines, fields)
		}
	}
	return lines
}

// TestNewGoesOn: what a restart takes over from the state, and what a changed configuration takes back of it.
func TestNewGoesOn(t *testing.T) {
	stored := func() *State {
		s := &State{}
		s.Sequence, s.Asked, s.PagingOf, s.From = 7, "s", "p", t0
		s.Paging = Paging{Unit: UnitPages, Proven: 40, Examined: true}
		s.Coverage = Coverage{}.Add(Stretch{Window: window(0, 600), ReadAt: at(600)})
		return s
	}
	for name, c := range map[string]struct {
		change func(*State)
		want   func(p *Poller) bool
	}{
		"nothing changed": {func(*State) {}, func(p *Poller) bool {
			return p.agenda.Sequence == 7 && p.reader.Paging.Proven == 40 && p.agenda.Coverage.Covers(window(0, 600)) && p.agenda.Selection() == "s"
		}},
		"another selection": {func(s *State) { s.Asked = "t" }, func(p *Poller) bool {
			return p.agenda.Sequence == 7 && p.reader.Paging.Proven == 40 && len(p.agenda.Coverage.Stretches()) == 0 && p.agenda.Selection() == "s.1"
		}},
		"another service": {func(s *State) { s.PagingOf = "q" }, func(p *Poller) bool {
			return p.reader.Paging == Paging{} && p.agenda.Coverage.Covers(window(0, 600)) && p.agenda.PagingOf == "p"
		}},
		"a first start": {func(s *State) { *s = State{} }, func(p *Poller) bool {
			return p.agenda.From.IsZero() && p.agenda.Selection() == "s" && p.Status().Sequence == 0
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := stored()
			c.change(s)
			onBench(t, s, func(t *testing.T, b *bench) {
				if !c.want(b.Poller) {
					t.Errorf("ledger %+v, paging %+v", b.agenda.Ledger, b.reader.Paging)
				}
				if n := len(b.logged("stream, channels or queues changed; reading anew")); (n == 1) != (name == "another selection") {
					t.Errorf("%d lines say that the selection changed", n)
				}
			})
		})
	}
}

// TestRunEnds with the context, with the Sink and with an errand, and returns the error of each; reads under way are stopped.
func TestRunEnds(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		refuses error
		errand  Errand
		want    error
	}{
		"the context": {nil, nil, context.DeadlineExceeded},
		"the sink":    {broken, nil, broken},
		"an errand":   {nil, func(context.Context, *Poller) error { return broken }, broken},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, &State{}, func(t *testing.T, b *bench) {
				b.refuses = c.refuses
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				errands := make(chan Errand, 1)
				if c.errand != nil {
					errands <- c.errand
				}
				if err := b.Run(ctx, errands); !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if b.lanes != [2]*reading{} {
					t.Error("a read is still under way")
				}
			})
		})
	}
}

// TestErrandsAreDoneBetweenRequests by the goroutine that runs the Poller: neither waits for the other to end.
func TestErrandsAreDoneBetweenRequests(t *testing.T) {
	onBench(t, &State{}, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(t.Context())
		errands, done, ended := make(chan Errand), make(chan int), make(chan error)
		go func() { ended <- b.Run(ctx, errands) }()
		for range 5 {
			time.Sleep(time.Minute)
			errands <- func(_ context.Context, p *Poller) error {
				answered := p.answered
				go func() { done <- answered }()
				return nil
			}
			if answered := <-done; answered == 0 {
				t.Error("no request was answered before the errand")
			}
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := b.Status().CompleteThrough; time.Since(got) > 3*time.Minute {
			t.Errorf("complete through %v ago: polling stood still", time.Since(got))
		}
	})
}

// TestEveryTenthRequestIsForOthers: a head that never ends keeps no gap from being read.
func TestEveryTenthRequestIsForOthers(t *testing.T) {
	onBench(t, &State{}, func(t *testing.T, b *bench) {
		b.play(time.Minute) // the first head tells the clock
		s := &paged{rows: rowsEvery(5000, 0, 0)}
		for i := range s.rows {
			s.rows[i].Start = time.Now()
		}
		long := Window{time.Now().Add(-time.Minute), time.Now()}
		b.page = func(q smartassist.Query) (smartassist.Page, error) { return s.Page(t.Context(), q) }
		b.giveUp()
		b.lanes[0], b.lanes[1] = b.reader.begin(Task{Window: long, Reason: Head}), b.reader.begin(Task{Window: long, Reason: Gap})
		var lanes [2]int
		for range 30 {
			r, wait := b.choose(time.Now())
			if r == nil {
				t.Fatalf("nothing is asked for %v", wait)
			}
			lanes[r.task.lane()]++
			b.requests++
		}
		if lanes != [2]int{27, 3} {
			t.Errorf("%d requests for the newest rows, %d for others, want 27 and 3", lanes[0], lanes[1])
		}
		b.giveUp()
		lanes = [2]int{}
		b.lanes[0], b.lanes[1] = b.reader.begin(Task{Window: long, Reason: Head}), b.reader.begin(Task{Window: long, Reason: Settled})
		for range 30 {
			r, _ := b.choose(time.Now())
			lanes[r.task.lane()]++
			b.requests++
		}
		if lanes[1] != 15 {
			t.Errorf("%d of 30 requests for what has settled, want every second", lanes[1])
		}
	})
}

// TestAnOutage is logged once on the way in and once on the way out, stands in Status, and costs no conversation.
func TestAnOutage(t *testing.T) {
	onBench(t, &State{}, func(t *testing.T, b *bench) {
		s := &paged{rows: rowsEvery(2000, 0, 5)}
		began := time.Now()
		for i := range s.rows {
			s.rows[i] = row(`{"conversationId":"c-%d","sessionStartTime":%q}`, i, began.Add(time.Duration(5*i)*time.Second).Format("2006-01-02T15:04:05"))
		}
		up := func(q smartassist.Query) (smartassist.Page, error) {
			q.End = earlier(q.End, time.Now())
			return s.Page(t.Context(), q)
		}
		b.page = up
		b.play(10 * time.Minute)
		b.page = func(smartassist.Query) (smartassist.Page, error) {
			return smartassist.Page{}, serviceError(smartassist.Temporary, 503, smartassist.CategoryStatus5xx)
		}
		b.play(20 * time.Minute)
		trouble := b.Status().Trouble
		if trouble == nil || trouble.Category != smartassist.CategoryStatus5xx || time.Since(trouble.Since) < 19*time.Minute || trouble.Attempts < 10 {
			t.Errorf("in an outage of 20 minutes: %+v", trouble)
		}
		b.page = up
		b.play(30 * time.Minute)
		if n, m := len(b.logged("service cannot be read; retrying")), len(b.logged("service can be read again")); n != 1 || m != 1 {
			t.Errorf("%d lines of the log on the way in, %d on the way out", n, m)
		}
		if s := b.Status(); s.Trouble != nil || time.Since(s.CompleteThrough) > 3*time.Minute || len(s.Partial) > 0 {
			t.Errorf("after it: %+v, complete through %v ago, partial %v", s.Trouble, time.Since(s.CompleteThrough), s.Partial)
		}
		published := map[string]int{}
		for _, c := range b.commits {
			for _, batch := range c.Batches {
				for _, r := range batch.Fresh {
					published[r.Row.ConversationID]++
				}
			}
		}
		if want := int(time.Since(began)/time.Second/5) - 30; len(published) < want {
			t.Errorf("%d conversations are published, want %d at least", len(published), want)
		}
		for id, n := range published {
			if n != 1 {
				t.Errorf("%s is published %d times", id, n)
			}
		}
	})
}

// TestARefusedLogin is an outage at once, since it concerns every question; a throttled request is not.
func TestARefusedLogin(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		outage bool
	}{
		"login":     {serviceError(smartassist.Login, 401, smartassist.CategoryLogin), true},
		"dns":       {serviceError(smartassist.Temporary, 0, smartassist.CategoryDNS), true},
		"throttled": {serviceError(smartassist.Throttled, 429, smartassist.CategoryThrottled), false},
		"503":       {serviceError(smartassist.Temporary, 503, smartassist.CategoryStatus5xx), false},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, &State{}, func(t *testing.T, b *bench) {
				b.play(5 * time.Minute)
				failed := 0
				b.page = func(smartassist.Query) (smartassist.Page, error) { failed++; return smartassist.Page{}, c.err }
				for failed == 0 {
					b.play(time.Second)
				}
				if got := b.Status().Trouble != nil; got != c.outage {
					t.Errorf("an outage after one failure: %t, want %t", got, c.outage)
				}
			})
		})
	}
}

// TestABrokenPageOfASecond: the rows before the break are published, the rest is one dead letter, the second is partial, and
// everything beside it is read.
func TestABrokenPageOfASecond(t *testing.T) {
	onBench(t, &State{}, func(t *testing.T, b *bench) {
		b.play(10 * time.Minute)
		bad := time.Now().Add(time.Minute).Truncate(time.Second)
		good := contact("c-1", "s1", "CLOSED")
		b.page = func(q smartassist.Query) (smartassist.Page, error) {
			if bad.Before(q.Start) || bad.After(q.End) {
				return smartassist.Page{}, nil
			}
			return smartassist.Page{Rows: []smartassist.Row{good}, Rest: []byte(`{"conversationId":"c-2" "broken`)},
				serviceError(smartassist.BadAnswer, 200, smartassist.CategoryStructure)
		}
		b.play(40 * time.Minute)
		var fresh []string
		dead := 0
		for _, c := range b.commits {
			for _, batch := range c.Batches {
				for _, r := range batch.Fresh {
					fresh = append(fresh, r.Row.ConversationID)
				}
				for _, r := range batch.Dead {
					if dead++; !errors.Is(r.Err, smartassist.ErrUnsplittable) {
						t.Errorf("dead letter: %v", r.Err)
					}
				}
			}
		}
		if !slices.Equal(fresh, []string{"c-1"}) || dead != 1 {
			t.Errorf("published %q, %d dead letters", fresh, dead)
		}
		partial := b.Status().Partial
		if len(partial) != 1 || !partial[0].Contains(bad) || partial[0].Len() > 4*time.Second {
			t.Errorf("partial %v, want the second %v", partial, bad)
		}
		i := slices.IndexFunc(b.state.Coverage.Stretches(), func(s Stretch) bool { return s.Contains(bad) })
		if i < 0 || b.state.Coverage.Stretches()[i].Partial != Unsplittable {
			t.Errorf("the second is not %s in %v", Unsplittable, b.state.Coverage.Stretches())
		}
		if lines := b.logged("window cannot be read whole"); len(lines) != 1 || lines[0]["cause"] == nil || lines[0]["window"] == nil {
			t.Errorf("logged %v, want one line for all that touches", lines)
		}
	})
}
