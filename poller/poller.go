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
	Log     zerolog.Logger
}

// Batch is one committed read: what is published, and what must be remembered with it.
type Batch struct {
	Read      Read
	Why       Why
	Fresh     []Revision
	Dead      []smartassist.Row
	Unchanged int
	Late      int // of Fresh, rows first met in a window that was covered before

	Sequence                      int64 // 1, 2, ... per account
	Selection                     string
	CompleteFrom, CompleteThrough time.Time // as they are with this batch
	State                         []Record
}

// Sink is where batches go.
type Sink interface {
	// Commit makes the whole batch durable and visible, or nothing of it. When it returns nil, all of it is. After an
	// error the outcome is unknown: the Poller ends, and whoever runs it recovers the state and begins anew.
	// A commit that has begun is not cut off by the Poller's context; the Sink bounds its time.
	Commit(ctx context.Context, b Batch) error
}

// Poller reads the service and commits what it reads. It is used by one goroutine; only Status may be called by others.
type Poller struct {
	cfg    Config
	source Source
	sink   Sink
	state  *State
	reader Reader

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
	now := time.Now()
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
	p.reader = Reader{Source: source, Limit: cfg.PageLimit, Settle: cfg.Settle, Paging: state.Paging}
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

// RunOnce reads and commits the window that is most urgent, if one is due, and tells how long to wait before the next
// call. An error of the Source is not returned: it is noted, logged once, and the window comes up again.
// An error is the Sink's, or the context's.
func (p *Poller) RunOnce(ctx context.Context) (time.Duration, error) {
	now := time.Now()
	plan := p.plan(now)
	task, due := plan.Next()
	if wait := p.head.wait(now); wait > 0 {
		return wait, nil
	}
	if !due {
		return max(time.Second, p.headRead.Add(p.cfg.Interval).Sub(now)), nil
	}
	read, err := p.reader.Read(ctx, task.Window)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		p.failed(task, err)
		return 0, nil
	}
	p.recovered(task)
	return 0, p.commit(ctx, plan, task, read)
}

// Run calls RunOnce until the context ends or the Sink fails, and returns why.
func (p *Poller) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
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
		Tiers: p.cfg.Tiers, Coverage: p.state.Coverage, Density: p.state.Density, Widest: p.widest,
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

// commit turns the read into a batch, commits it, and only then moves the memory.
func (p *Poller) commit(ctx context.Context, plan Plan, task Task, read Read) error {
	j := p.state.Seen.Judge(read.Rows, p.cfg, read.End, read.At)
	batch := Batch{Read: read, Why: task.Why, Fresh: j.Fresh, Dead: j.Dead, Unchanged: j.Unchanged, Selection: p.state.Selection()}
	if p.state.Coverage.Covers(read.Window) {
		batch.Late = j.New
	}
	next := p.next(read)
	changes := append(j.Changes, p.forget(next, j.Changes, plan)...)
	next.Remembered = p.state.Seen.lenWith(changes)
	batch.Sequence, batch.CompleteFrom = next.Sequence, next.From
	batch.CompleteThrough = next.Coverage.Through(next.From)
	batch.State = p.state.Records(next, changes)
	if err := p.sink.Commit(ctx, batch); err != nil {
		return err
	}
	p.state.Ledger = next
	p.state.Seen.Apply(changes)
	p.moved(plan, task, read)
	p.tellPartial(read)
	p.cfg.Log.Debug().Str("reading", string(task.Why)).Stringer("window", read.Window).Int("requests", read.Requests).
		Int("rows", len(read.Rows)).Int("fresh", len(j.Fresh)).Int("dead", len(j.Dead)).Bool("proven", read.Proven).
		Int64("sequence", next.Sequence).Msg("committed")
	p.publishStatus(time.Now())
	return nil
}

// next is the ledger after the read.
func (p *Poller) next(read Read) Ledger {
	next := p.state.Ledger
	next.Sequence++
	next.Paging = p.reader.Paging
	next.Density = next.Density.Observe(read.Window, p.rowsOf(read))
	if p.reader.Paging.ShortUnsafe && !p.state.Paging.ShortUnsafe {
		// Short pages were believed until now, and rows may be missing behind them.
		next.Coverage = next.Coverage.Doubt(read.At.Add(-Horizon(p.cfg.Tiers)).UTC().Truncate(time.Second))
	}
	settledUpTo := read.At.Add(-p.cfg.Settle).Truncate(time.Second)
	covered := Window{read.Start, earlier(read.End, settledUpTo)}
	if read.Proven || read.Partial != "" {
		ours := read.At.Add(read.Behind) // the schedule goes by our clock
		next.Coverage = next.Coverage.Add(Stretch{covered, ours.UTC().Truncate(time.Second), !read.Proven})
		next.Coverage = next.Coverage.Compact(Tolerance(p.cfg.Tiers, ours))
	}
	return next
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

const (
	sweepEvery = time.Hour // how often the memory is searched for what may be forgotten
	sweepMost  = 1000      // entries forgotten with one commit
)

// forget gives what no window that can still be asked for could return again, except what this very read returned. The
// oldest gap counts as well as the horizon: after an outage, windows before the horizon are still to be read.
func (p *Poller) forget(next Ledger, changes []Remembered, plan Plan) []Remembered {
	if plan.Now.Sub(p.sweptAt) < sweepEvery {
		return nil
	}
	oldest := plan.Now.Add(-Horizon(p.cfg.Tiers))
	if gap, ok := next.Coverage.Gap(Window{next.From, plan.SettledUpTo()}); ok {
		oldest = earlier(oldest, gap.Start)
	}
	expired := p.state.Seen.Expired(oldest.Add(-24*time.Hour), sweepMost)
	if len(expired) < sweepMost {
		p.sweptAt = plan.Now
	}
	fresh := make(map[Key]bool, len(changes))
	for _, c := range changes {
		fresh[c.Key] = true
	}
	kept := expired[:0]
	for _, e := range expired {
		if !fresh[e.Key] {
			kept = append(kept, e)
		}
	}
	return kept
}

// tellPartial logs a window that could not be read whole, the first time.
func (p *Poller) tellPartial(read Read) {
	if read.Partial == "" || p.told[read.Window] {
		return
	}
	p.told[read.Window] = true
	p.cfg.Log.Error().Stringer("window", read.Window).Int("rows", len(read.Rows)).Str("reason", read.Partial).
		Msg("a window cannot be read whole: what came is published, completeThrough stops there, polling goes on")
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
