package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/poller"
)

// following follows the backfill of a day at the workers of these URLs, and looks often.
func following(out io.Writer, urls ...string) *follower {
	f := &follower{every: 5 * time.Millisecond, patience: patient, bar: show.NewBar(out), workers: &replicas{}}
	for _, url := range urls {
		f.workers.clients = append(f.workers.clients, client.Client{URL: url})
	}
	return f
}

// await waits until the text holds a part.
func (o *output) await(t *testing.T, part string) {
	t.Helper()
	for deadline := time.After(patient); ; {
		text, changed := o.read()
		if strings.Contains(text, part) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%q, want %q", text, part)
		}
	}
}

// TestFollowingATakeover: the first worker stands by and is gone then, the second becomes active. What is waited for is said once, and the end
// is told, with what could not be read.
func TestFollowingATakeover(t *testing.T) {
	t.Parallel()
	p := &past{holder: "worker-1"}
	first, second := p.port(t, "worker-1"), p.port(t, "worker-2")
	out := newOutput()
	f := following(out, first.URL, second.URL)
	pass, err := f.begin(t.Context(), client.BackfillRequest{From: march.Start, To: march.End, By: "anna"}, true)
	if err != nil || pass.ID != 3 || pass.Window != march {
		t.Fatalf("%+v, %v", pass, err)
	}
	type end struct {
		pass poller.PassStatus
		err  error
	}
	done := make(chan end, 1)
	go func() {
		last, err := f.follow(t.Context(), pass)
		done <- end{last, err}
	}()
	out.await(t, "backfill 3: what the topics hold of the range is read back first")
	const notYet = ": this worker is not active yet: ask again when /readyz says ok"
	for _, step := range []struct {
		change func(*past)
		says   string
	}{
		{func(p *past) { p.holder = "worker-3" }, first.URL + ": this worker (worker-1) stands by; the active one is worker-3: ask that one; " + second.URL + ": this worker (worker-2) stands by"},
		{func(*past) { first.Close() }, first.URL + ": no answer (dial tcp "},
		{func(p *past) { p.holder = "" }, "connection refused); " + second.URL + notYet},
	} {
		p.set(step.change)
		out.await(t, step.says)
	}
	p.set(func(p *past) {
		p.holder = "worker-2"
		now := &p.status.Passes[0]
		now.State, now.Ended, now.ReadThrough, now.Rows, now.Requests, now.Published, now.Oldest = poller.Finished, asOf, march.End, 432, 5, 400, march.Start.Add(time.Hour)
		now.Partial = make([]poller.PartialWindow, 2)
	})
	last := <-done
	if last.err != nil || last.pass.Rows != 432 {
		t.Errorf("%+v, %v", last.pass, last.err)
	}
	if text := out.String(); strings.Count(text, notYet) != 1 {
		t.Errorf("said\n%s", text)
	}
	const want = "backfill 3 of 2026-03-01T00:00:00Z/2026-03-02T00:00:00Z: finished, 432 rows with 5 requests, 400 revisions published\n" +
		"2 windows could not be read whole: 'convstream gaps list' has them, and why"
	if text := ended(last.pass); text != want {
		t.Errorf("%q\nwant\n%q", text, want)
	}
}

// TestFollowingEnds where nobody answers for too long, where the state began anew, and where somebody interrupts it; the backfill goes on.
func TestFollowingEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then func(f *follower, p *past, stop func())
		says string
	}{
		"nobody": {func(f *follower, p *past, _ func()) {
			p.set(func(p *past) { p.holder = "" })
			f.patience = 20 * time.Millisecond
		}, "nobody could be asked for 20ms; backfill 3 goes on by itself"},
		"another state": {func(_ *follower, p *past, _ func()) {
			p.set(func(p *past) { p.status.Passes[0].Asked = asOf.Add(time.Second) })
		}, "backfill 3 is not known any more"},
		"interrupted": {func(_ *follower, _ *past, stop func()) { stop() }, "interrupted; backfill 3 goes on"},
	} {
		p := &past{holder: "worker-1"}
		f := following(io.Discard, p.port(t, "worker-1").URL)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		pass, err := f.begin(ctx, client.BackfillRequest{From: march.Start, To: march.End}, true)
		if err != nil {
			t.Fatal(name, err)
		}
		c.then(f, p, stop)
		if _, err = f.follow(ctx, pass); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
	}
}

// TestBeginningWaits for a worker that is not active yet, but not for standbys, and for nobody unless asked to.
func TestBeginningWaits(t *testing.T) {
	t.Parallel()
	p := &past{}
	out := newOutput()
	f := following(out, p.port(t, "worker-1").URL)
	q := client.BackfillRequest{From: march.Start, To: march.End}
	if _, err := f.begin(t.Context(), q, false); err == nil || !strings.Contains(err.Error(), "answers 503: this worker is not active yet") {
		t.Error(err)
	}
	begun := make(chan error, 1)
	go func() {
		_, err := f.begin(t.Context(), q, true)
		begun <- err
	}()
	out.await(t, "waiting for the active worker: ")
	p.set(func(p *past) { p.holder = "worker-1" })
	if err := <-begun; err != nil {
		t.Error(err)
	}
	p.set(func(p *past) { p.holder = "worker-2" })
	if _, err := f.begin(t.Context(), q, true); err == nil || !strings.Contains(err.Error(), "the active one is worker-2") {
		t.Error(err)
	}
}

// TestWhatTheBarSays: the share that is read, the rate of the last minutes, and what is left where that is known.
func TestWhatTheBarSays(t *testing.T) {
	p := poller.PassStatus{ID: 3, Window: march, State: poller.Reading, Asked: asOf, ReadThrough: march.Start.Add(6 * time.Hour), Rows: 1200, Requests: 12}
	f := following(nil)
	f.requests = rate{{asOf, 0}}
	for _, c := range []struct {
		after    time.Duration
		requests int
		left     poller.Seconds
		failing  int
		want     string
	}{
		{4 * time.Minute, 12, 0, 0, "[=====               ]  25% 1200 rows, 12 requests, 3.0 a minute\n"},
		{8 * time.Minute, 20, poller.Seconds(time.Hour), 0, "[=====               ]  25% 1200 rows, 20 requests, 2.5 a minute, 1h0m0s left\n"},
		{12 * time.Minute, 20, 0, 2, "[=====               ]  25% 1200 rows, 20 requests, 1.0 a minute, 2 windows tried again\n"},
	} {
		var out strings.Builder
		f.bar = show.NewBar(&out)
		p.Requests, p.Left, p.Failing = c.requests, c.left, c.failing
		if f.show(p, asOf.Add(c.after)); out.String() != c.want {
			t.Errorf("after %v: %q, want %q", c.after, out.String(), c.want)
		}
	}
}

// TestHowABackfillEnded says what is known of a range without rows, and claims nothing else.
func TestHowABackfillEnded(t *testing.T) {
	week := poller.Span(march.Start, march.Start.AddDate(0, 0, 7))
	for name, c := range map[string]struct {
		pass poller.PassStatus
		says string // the last line
	}{
		"covered":     {poller.PassStatus{State: poller.Finished}, "all of it was read before"},
		"empty":       {poller.PassStatus{State: poller.Finished, Requests: 1}, "no row came: the service shows none, or it was read before"},
		"empty anew":  {poller.PassStatus{State: poller.Finished, Requests: 1, Republish: true}, "no row came: the service shows none"},
		"late":        {poller.PassStatus{State: poller.Finished, Requests: 9, Rows: 1, Oldest: march.End.Add(time.Hour)}, "no row came from before 2026-03-02T01:00:00Z: the service shows none, or it was read before"},
		"late, whole": {poller.PassStatus{State: poller.Finished, Requests: 9, Rows: 1, Republish: true, Oldest: march.End.Add(time.Hour), Partial: []poller.PartialWindow{{Window: poller.Span(week.End, week.End)}}}, "1 windows could not be read whole: 'convstream gaps list' has them, and why"},
		"from start":  {poller.PassStatus{State: poller.Finished, Requests: 9, Rows: 1, Oldest: march.Start}, "backfill 3 of 2026-03-01T00:00:00Z/2026-03-08T00:00:00Z: finished, 1 rows with 9 requests, 0 revisions published"},
		"cancelled":   {poller.PassStatus{State: poller.PassCancelled}, "backfill 3 of 2026-03-01T00:00:00Z/2026-03-08T00:00:00Z: cancelled, 0 rows with 0 requests, 0 revisions published"},
	} {
		c.pass.ID, c.pass.Window = 3, week
		if lines := strings.Split(ended(c.pass), "\n"); lines[len(lines)-1] != c.says {
			t.Errorf("%s: %q, want %q", name, lines, c.says)
		}
	}
}
