package poller

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// Config holds the settings of a Poller. They do not change while it runs.
type Config struct {
	Selection   string        // hash of what is asked for; coverage holds for one selection
	PagingOf    string        // hash of what the service's paging may depend on; a change makes it be examined anew
	StartFrom   time.Duration // first start only: how far back to begin
	StartAt     time.Time     // or the instant to begin at, if not zero
	PageLimit   int           // rows asked for in a page
	Interval    time.Duration // of reading the head
	Settle      time.Duration // how long after its end a window must be read to count as covered
	Tiers       []Tier        // the re-read schedule, ages ascending
	Spare       bool          // spend what is left of the budget on re-reading where changes are likely
	Deduplicate Deduplicate
	Ignore      smartassist.Ignore // left out of the fingerprint
	Redaction   string             // how the Source redacts rows, as a hash; "": not at all
	// Now is this machine's clock; nil: time.Now. How long something takes is not measured by it.
	Now func() time.Time
	Log zerolog.Logger
}

func (c Config) rules() Rules {
	return Rules{
		Settle: c.Settle, Interval: c.Interval, Tiers: c.Tiers, Rows: c.PageLimit, Spare: c.Spare,
		StartFrom: c.StartFrom, StartAt: c.StartAt,
	}
}

// Errand is something to be done with a Poller by its own goroutine.
type Errand func(context.Context, *Poller) error

// Poller reads the service and commits what it reads. It is used by one goroutine; only Status may be called by others.
//
// It makes one request at a time. What to ask for is the agenda's choice; a window takes one request or many, and those of the
// newest rows come between those of others.
type Poller struct {
	cfg      Config
	source   Source
	sink     Sink
	state    *State
	agenda   Agenda // with what was read and is not committed yet
	pending  pending
	reader   Reader
	lanes    [2]*reading // of the newest rows, and of all else; nil where nothing is being read
	current  int         // the lane that asked last
	requests int         // made so far
	answered int         // of these, those that were answered

	outage        outage
	noRows        noRows
	steps         steps
	clockLogged   bool // the log says that the clocks differ
	clockSet      bool // ours was set since the last answer
	prints        prints
	audits        int64 // begun
	sweptAt       time.Time
	partialLogged map[Window]bool // partial windows that were logged
	status        atomic.Pointer[Status]
}

// New returns a Poller that goes on from the state, which it takes over: it changes the Ledger as it likes, and all else only when a
// commit has succeeded, by what was committed. A state without a commit is a first start.
func New(cfg Config, source Source, sink Sink, state *State) *Poller {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Poller{cfg: cfg, source: source, sink: sink, state: state, partialLogged: map[Window]bool{}}
	now := cfg.Now()
	if state.Sequence > 0 && state.Asked != cfg.Selection {
		state.reselect(Horizon(cfg.Tiers), now)
		cfg.Log.Info().Time("from", state.From).Msg("stream, channels or queues changed; reading anew")
	}
	if state.PagingOf != cfg.PagingOf {
		state.Paging, state.Assumptions = Paging{}, Assumptions{}
	}
	if state.Sequence > 0 && state.Redaction != cfg.Redaction {
		cfg.Log.Warn().Str("before", state.Redaction).Str("now", cfg.Redaction).Msg("REDACT or REDACT_KEY is not what the state was written with: " +
			"of what is read again each conversation is published once more, as its next revision, or as a new one where its id is hashed")
	}
	state.Asked, state.PagingOf, state.Redaction = cfg.Selection, cfg.PagingOf, cfg.Redaction
	p.prints = state.ignore(cfg.Ignore)
	p.reader = Reader{Limit: cfg.PageLimit, Settle: cfg.Settle, Now: cfg.Now, Paging: state.Paging}
	p.agenda = newAgenda(cfg.rules(), state.Ledger, now)
	p.pending = p.newPending()
	p.publishStatus(now)
	return p
}

// RunOnce makes the request that is most urgent, if one is due, commits what is to be committed now (see [Bundle]), and returns how
// long to wait before the next call. An error of the Source is not returned: the request is made again, later, and its window
// counts as failing after some times. An error is the Sink's, or the context's.
func (p *Poller) RunOnce(ctx context.Context) (time.Duration, error) {
	now := p.now()
	p.endBackfills(now)
	r, wait := p.choose(now)
	if r == nil {
		if held := p.pending.wait(); held > 0 {
			return min(wait, held), nil
		}
		return wait, p.commit(ctx)
	}
	asked := answer{query: r.query, before: p.reader.Paging}
	page, err := p.source.Page(ctx, r.query)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	p.requests++
	p.handle(r, page, err)
	p.observe(r, asked.with(page, err))
	if !p.pending.urgent() && p.pending.wait() > 0 {
		return 0, nil
	}
	return 0, p.commit(ctx)
}

// now returns what our clock says. Where it was set meanwhile, what is kept in its terms is set with it.
func (p *Poller) now() time.Time {
	now := p.cfg.Now()
	if by := p.steps.step(now); by != 0 {
		p.clockSet = true
		p.agenda = p.agenda.stepped(by)
		p.outage.stepped(by)
		for _, r := range p.lanes {
			if r != nil {
				r.stepped(by)
			}
		}
	}
	return now
}

// Run calls RunOnce until the context ends or the Sink fails, and returns why. Between two requests it does the errands that come;
// nil means that there are no errands. An errand's error ends it as the Sink's does.
func (p *Poller) Run(ctx context.Context, errands <-chan Errand) error {
	defer p.giveUp()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case errand := <-errands:
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

// deduplication returns what the rows of the task are judged by.
func (p *Poller) deduplication(t Task) Deduplication {
	by := Deduplication{Mode: p.cfg.Deduplicate, Ignore: p.cfg.Ignore, Refused: p.sink.Refused}
	if i := p.agenda.passAt(t.Pass); i >= 0 {
		by.Republish = p.agenda.Passes[i].republishing()
	}
	return by
}

// giveUp ends the reads that are under way.
func (p *Poller) giveUp() {
	for lane, r := range p.lanes {
		if r != nil {
			r.stop()
			p.lanes[lane] = nil
		}
	}
}

// choose returns the read whose question is to be asked now; else how long to wait. The newest rows come first; every tenth
// request is for others all the same, and every second while what has settled is read by itself: that is never dropped.
func (p *Poller) choose(now time.Time) (r *reading, wait time.Duration) {
	if wait = p.outage.wait(now); wait > 0 {
		return nil, wait
	}
	order := [2]int{0, 1}
	settled := p.lanes[1] != nil && p.lanes[1].task.Reason == Settled
	if p.requests%10 == 9 || settled && p.requests%2 == 1 {
		order = [2]int{1, 0}
	}
	wait = longestIdle
	for _, lane := range order {
		r, d := p.next(lane, now)
		if r != nil {
			if lane != p.current && p.lanes[p.current] != nil {
				p.bundlePart(p.lanes[p.current]) // what it has read is older than what comes now
			}
			p.current = lane
			return r, 0
		}
		wait = min(wait, d)
	}
	return nil, max(wait, time.Millisecond)
}

// next returns the lane's read, which it begins if one is due.
func (p *Poller) next(lane int, now time.Time) (*reading, time.Duration) {
	if r := p.lanes[lane]; r != nil {
		if d := r.wait(now); d > 0 {
			return nil, d
		}
		return r, 0
	}
	var task Task
	var wait time.Duration
	if lane == 0 {
		task, wait = p.agenda.Head(now)
	} else {
		task, wait = p.agenda.Rest(now)
	}
	if wait > 0 {
		return nil, wait
	}
	p.lanes[lane] = p.reader.begin(task)
	return p.lanes[lane], 0
}

// handle takes what came of a read's question.
func (p *Poller) handle(r *reading, page smartassist.Page, err error) {
	now := p.now()
	if err != nil {
		p.outage.failed(p, r.task, err, now)
	} else {
		p.clockSet = false
		p.answered++
		p.outage.answered(p, now)
	}
	switch {
	case err != nil && everywhere(err):
		r.notBefore = time.Time{} // the outage holds it back
		p.dropHead(r, err)
		return
	case err != nil && r.failed(err, p.answered, !p.outage.began.IsZero(), now):
		return
	}
	if r.answered(page, err); r.asking {
		if r.collector.rows.bytes >= bundleBytes/2 {
			p.bundlePart(r)
		}
		return
	}
	p.freeLane(r)
	p.finish(r, now)
}

// dropHead ends the read of the newest rows after a failure that concerns every question: by the time of the next one there are
// newer rows, and while a login is refused it is the only one for a minute. One that is throttled goes on with what it has.
func (p *Poller) dropHead(failed *reading, err error) {
	h := p.lanes[0]
	if h == nil || throttled(err) && (h != failed || len(h.collector.met) > 0) {
		return
	}
	p.bundlePart(h)
	p.freeLane(h)
}

// freeLane ends the read and frees its lane.
func (p *Poller) freeLane(r *reading) {
	r.stop()
	p.lanes[r.task.lane()] = nil
}
