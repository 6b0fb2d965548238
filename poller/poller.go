package poller

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// Config is what a Poller is told. Nothing of it changes while it runs.
type Config struct {
	Selection   string        // hash of what is asked for; coverage holds for one selection
	PagingOf    string        // hash of what the service's paging may depend on; a change makes it be examined anew
	StartFrom   time.Duration // first start only: how far back to begin
	StartAt     time.Time     // or the instant to begin at, if not zero
	PageLimit   int           // rows asked for in a page
	Interval    time.Duration // of reading the head
	Settle      time.Duration // how long after its end a window must be read to count as covered
	Tiers       []Tier        // the re-read schedule, ages ascending
	Deduplicate Deduplicate
	Ignore      smartassist.Ignore // left out of the fingerprint
	// Refused tells why the Sink can publish no revision of this content, nil if it can: then the row is Dead, and uses up no
	// number. nil means that everything can be published.
	Refused func(row smartassist.Row, fingerprint uint64) error
	// KeepLetters is for how long the Sink keeps dead letters; what became of older ones need not be remembered. nil is for ever.
	KeepLetters func() time.Duration
	// Now is this machine's clock; nil: time.Now. How long something takes is not measured by it.
	Now func() time.Time
	// Errands are done between two reads, by the goroutine that runs the Poller. An errand's error ends the Poller as the
	// Sink's does. nil for none.
	Errands <-chan Errand
	Log     zerolog.Logger
}

// Errand is something to be done with a Poller by its own goroutine.
type Errand func(context.Context, *Poller) error

// Poller reads the service and commits what it reads. It is used by one goroutine; only Status may be called by others.
type Poller struct {
	cfg     Config
	source  Source
	sink    Sink
	state   *State
	pending pending
	reader  Reader

	headRead  time.Time // when the head was last read up to the present
	peeked    time.Time // everything up to here was read at least once
	passing   bool      // the last head read ended before the present
	unproven  bool      // the last head read proved nothing
	behind    time.Duration
	ahead     time.Duration
	lastWidth time.Duration // of the last settled window that was read whole
	turn      int
	sweptAt   time.Time
	head      backoff
	others    backoff
	trouble   trouble
	told      map[Window]bool // partial windows that were logged
	status    atomic.Pointer[Status]
}

// New gives a Poller that goes on from the state, which it takes over. A state without a commit is a first start.
func New(cfg Config, source Source, sink Sink, state *State) *Poller {
	p := &Poller{cfg: cfg, source: source, sink: sink, state: state, lastWidth: firstGuess, told: map[Window]bool{}}
	if p.cfg.Now == nil {
		p.cfg.Now = time.Now
	}
	now := p.cfg.Now()
	switch {
	case state.Sequence == 0:
		state.From = cfg.start(now)
	case state.Asked != cfg.Selection:
		state.reselect(Horizon(cfg.Tiers), now)
		cfg.Log.Info().Time("from", state.From).Msg("stream, channels or queues have changed: reading anew from here")
	}
	if state.PagingOf != cfg.PagingOf {
		state.Paging = Paging{}
	}
	state.Asked, state.PagingOf = cfg.Selection, cfg.PagingOf
	p.reader = Reader{Source: source, Limit: cfg.PageLimit, Settle: cfg.Settle, Now: p.cfg.Now, Paging: state.Paging}
	p.pending = state.pending()
	p.publishStatus(now)
	return p
}

// start is where a first start begins.
func (c Config) start(now time.Time) time.Time {
	if !c.StartAt.IsZero() {
		return Span(c.StartAt, now).Start
	}
	return Span(now.Add(-c.StartFrom), now).Start
}

// RunOnce reads the window that is most urgent, if one is due, commits what is to be committed now (see [Bundle]), and tells how
// long to wait before the next call. An error of the Source is not returned: it is noted, logged once, and the window comes
// up again. An error is the Sink's, or the context's.
func (p *Poller) RunOnce(ctx context.Context) (time.Duration, error) {
	now := p.cfg.Now()
	plan := p.plan(now)
	task, due := plan.Next()
	if wait := p.head.wait(now); wait > 0 {
		return wait, p.commit(ctx, plan)
	}
	if !due {
		return max(time.Second, p.headRead.Add(p.cfg.Interval).Sub(now)), p.commit(ctx, plan)
	}
	read, err := p.reader.Read(ctx, task.Window)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		p.failed(task, err)
		return 0, p.commit(ctx, plan)
	}
	p.recovered(task)
	p.add(plan, task, read)
	if task.Why == Gap && p.pending.hasRoom() {
		return 0, nil
	}
	return 0, p.commit(ctx, plan)
}

// Run calls RunOnce, and does errands, until the context ends or the Sink fails, and returns why.
func (p *Poller) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case errand := <-p.cfg.Errands:
			if err := errand(ctx, p); err != nil {
				return err
			}
			continue
		case <-timer.C:
		}
		wait, err := p.RunOnce(ctx)
		if err != nil {
			return err
		}
		timer.Reset(wait)
	}
}

func (p *Poller) plan(now time.Time) Plan {
	return Plan{
		Now: now, Behind: p.behind, Ahead: p.ahead, From: p.state.From, Settle: p.cfg.Settle, Interval: p.cfg.Interval,
		Tiers: p.cfg.Tiers, Coverage: p.pending.Coverage, Density: p.pending.Density, Widest: p.widest,
		HeadRead: p.headRead, Peeked: p.peeked, Turn: p.turn, HeadOnly: p.others.wait(now) > 0,
		Passing: p.passing, Unproven: p.unproven,
	}
}

// widest lets windows grow at most twofold from one to the next. A service that looks at dates only is asked for
// whole days: it returns them anyway.
func (p *Poller) widest(at time.Time) time.Duration {
	if p.reader.Paging.IgnoresTime {
		return at.Truncate(widest).Add(widest).Sub(at)
	}
	return 2 * p.lastWidth
}

// rowsOf counts the rows that say something about the width of windows: those of which a narrower window would show fewer.
// Where the service returns whole days, or every conversation that was under way, a window may overflow the page
// however narrow it is. Then only the rows that began in it count, or windows would shrink to a second each.
func (p *Poller) rowsOf(read Read) int {
	began := 0
	for _, row := range read.Rows {
		if row.Start.IsZero() || read.Contains(row.Start) {
			began++
		}
	}
	overflows := len(read.Rows) >= p.cfg.PageLimit && 2*began < len(read.Rows)
	if overflows || p.reader.Paging.IgnoresTime {
		return began
	}
	return len(read.Rows)
}

// moved notes what the planner must know of the read beyond the coverage.
func (p *Poller) moved(plan Plan, task Task, read Read) {
	p.turn++
	p.behind, p.ahead = read.Behind, read.Ahead
	if read.Proven && (task.Why == Gap || task.Why == Reread) {
		p.lastWidth = read.Len()
	}
	if task.Why != Head {
		p.unproven = p.unproven && task.Why != Settled
		return
	}
	p.passing = read.End.Before(plan.present())
	p.unproven = !read.Proven || p.passing
	p.peeked = later(p.peeked, read.End)
	if !p.passing {
		p.headRead, p.peeked = plan.Now, plan.Now.UTC().Truncate(time.Second)
	}
}
