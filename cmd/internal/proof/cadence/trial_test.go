package cadence

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// trial is a case: an account, a budget, and what is measured when.
type trial struct {
	name  string
	about string
	want  map[string]string // by the title of a column

	perDay    float64 // conversations
	curve     func(float64) float64
	law       law
	perMinute int // requests
	paging    paging
	startFrom time.Duration
	interval  time.Duration // POLL_INTERVAL

	begin time.Duration // time of day at which the poller starts
	spans []part        // measured; none: from the start until the backlog is read
	after time.Duration // how much longer the poller runs, for what happened in the spans to be seen
}

// part is a part of the run that is measured, as times since its start.
type part struct {
	name     string
	from, to time.Duration
}

// outcome is what a trial came to.
type outcome struct {
	trial
	seed    uint64
	spans   []*span
	read    time.Duration // until the backlog was read, if unread is 0
	backlog int           // conversations that started before the poller
	unread  int           // of them not published
	wrong   []string
	cpu     time.Duration
}

const (
	sampleEvery = 10 * time.Second
	tiersEvery  = 5 * time.Minute
	longest     = 24 * time.Hour // that a backlog may take
)

// config is that of an account with the default settings.
func (t trial) config() poller.Config {
	return poller.Config{
		StartFrom: t.startFrom, PageLimit: 100, Interval: t.interval, Settle: 2 * time.Minute,
		Tiers: []poller.Tier{
			{Age: time.Hour, Every: 5 * time.Minute}, {Age: 6 * time.Hour, Every: 30 * time.Minute},
			{Age: 48 * time.Hour, Every: 6 * time.Hour}, {Age: 168 * time.Hour, Every: 24 * time.Hour},
		},
		Deduplicate: poller.ByRevision, Log: zerolog.Nop(),
		Spare: true, // the default
	}
}

// play runs the trial in virtual time.
func (t trial) play(test *testing.T, seed uint64) (o outcome) {
	before := cpu()
	synctest.Test(test, func(test *testing.T) {
		time.Sleep(t.begin) // the clock of a bubble starts at midnight
		s := newStage(t, seed)
		o = s.play(test)
	})
	o.cpu = cpu() - before
	for _, wrong := range o.wrong {
		test.Error(wrong)
	}
	return o
}

// stage is the poller between the models.
type stage struct {
	trial   trial
	seed    uint64
	begun   time.Time
	account *account
	meter   *meter
	poller  *poller.Poller
}

func newStage(t trial, seed uint64) *stage {
	s := &stage{trial: t, seed: seed, begun: time.Now()}
	from := s.begun.Add(-t.startFrom)
	s.account = newAccount(seed, from.Add(-time.Hour), t.perDay, t.curve, t.law)
	s.account.grow(s.begun)
	s.meter = &meter{account: s.account, through: from, first: s.account.from(from.UnixMilli()), end: len(s.account.rows)}
	s.meter.unread = s.meter.end - s.meter.first
	parts := t.spans
	if len(parts) == 0 {
		parts = []part{{"until the backlog is read", 0, longest}}
	}
	for _, p := range parts {
		s.meter.spans = append(s.meter.spans, newSpan(p.name, s.begun.Add(p.from), s.begun.Add(p.to)))
	}
	source := &service{account: s.account, budget: smartassist.NewBudget(t.perMinute), meter: s.meter, paging: t.paging}
	s.poller = poller.New(t.config(), source, s.meter, &poller.State{Account: "a"})
	return s
}

// play lets the poller run for as long as the trial says.
func (s *stage) play(test *testing.T) outcome {
	ctx, stop := context.WithCancel(test.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.poller.Run(ctx, nil) }()
	for s.goesOn() {
		time.Sleep(sampleEvery - time.Since(s.begun)%sampleEvery)
		synctest.Wait()
		now := time.Now()
		s.meter.sample(now, s.poller.Status(), now.Sub(s.begun)%tiersEvery == 0)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		test.Fatal(err)
	}
	return s.outcome(time.Now())
}

// outcome is what was measured until now.
func (s *stage) outcome(now time.Time) outcome {
	m := s.meter
	if last := m.spans[len(m.spans)-1]; last.to.After(now) {
		last.to = now
	}
	s.account.grow(now)
	m.finish(now)
	return outcome{
		trial: s.trial, seed: s.seed, spans: m.spans, read: m.readAt.Sub(s.begun), backlog: m.end - m.first, unread: m.unread, wrong: m.wrong,
	}
}

// goesOn reports whether there is more to be measured.
func (s *stage) goesOn() bool {
	run := time.Since(s.begun)
	if n := len(s.trial.spans); n > 0 {
		return run < s.trial.spans[n-1].to+s.trial.after
	}
	return s.meter.behind() > 0 && run < longest
}

// cpu is the processor time that the process has used.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
