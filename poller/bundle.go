package poller

import (
	"context"
	"slices"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Bundle is what is committed at once: one read, or several while gaps are filled. A transaction costs the same for a page as
// for fifty, and so many small ones make small batches, which compress badly. Rows of a gap have settled: to hold them
// for some seconds costs nobody anything, and whoever comes after a worker that ended meanwhile reads their windows again.
type Bundle struct {
	Batches []Batch  // in the order of their reading
	State   []Record // what must be remembered with all of them
}

// Batch is one committed read: what is published with it. One of dead letters that are tried again has an empty window and no
// requests; its rows are the letters that are resolved, its Read.At the instant of the commit.
type Batch struct {
	Read      Read
	Why       Why
	Fresh     []Revision
	Dead      []smartassist.Row
	Unchanged int
	Late      int // of Fresh, rows first met in a window that was covered before

	Sequence                      int64 // 1, 2, ... per account
	Selection                     string
	CompleteFrom, CompleteThrough time.Time // as they are with this batch and those before
}

// Sink is where bundles go.
type Sink interface {
	// Commit makes the whole bundle durable and visible, or nothing of it. When it returns nil, all of it is. After an
	// error the outcome is unknown: the Poller ends, and whoever runs it recovers the state and begins anew.
	// A commit that has begun is not cut off by the Poller's context; the Sink bounds its time.
	Commit(ctx context.Context, b Bundle) error
}

// A bundle is committed with every read that is no gap, and once it holds as much as one of these.
const (
	bundleRows  = 5000
	bundleBytes = 2 << 20          // of rows, as received; all of it takes about ten times as much memory until it is committed
	bundleAge   = 10 * time.Second // since its first read
)

// pending is what was read and is not committed yet: a bundle that grows, and the ledger and the memory as they will be with it.
type pending struct {
	Ledger
	draft       *Draft
	batches     []Batch
	rows, bytes int
	since       time.Time
	letters     Letters // to be remembered with it
}

func (s *State) pending() pending { return pending{Ledger: s.Ledger, draft: s.Seen.Draft()} }

func (n *pending) hasRoom() bool {
	return n.rows < bundleRows && n.bytes < bundleBytes && time.Since(n.since) < bundleAge
}

// add makes the read part of the bundle.
func (p *Poller) add(plan Plan, task Task, read Read) {
	n := &p.pending
	j := n.draft.Judge(read.Rows, p.cfg, read.End, read.At)
	batch := Batch{Read: read, Why: task.Why, Fresh: j.Fresh, Dead: j.Dead, Unchanged: j.Unchanged, Selection: n.Selection()}
	if n.Coverage.Covers(read.Window) {
		batch.Late = j.New
	}
	n.Ledger = p.next(read)
	batch.Sequence, batch.CompleteFrom = n.Sequence, n.From
	batch.CompleteThrough = n.Coverage.Through(n.From)
	if len(n.batches) == 0 {
		n.since = time.Now()
	}
	n.batches = append(n.batches, batch)
	n.rows += len(read.Rows)
	for _, row := range read.Rows {
		n.bytes += len(row.Raw)
	}
	p.moved(plan, task, read)
}

// commit commits the bundle, if there is one, and only then moves the memory.
func (p *Poller) commit(ctx context.Context, plan Plan) error {
	n := &p.pending
	if len(n.batches) == 0 {
		return nil
	}
	changes := append(n.draft.Changes, p.forget(n.Ledger, n.draft.Changes, plan)...)
	n.Remembered = p.state.Seen.lenWith(changes)
	forgotten := p.forgetLetters(n.letters, plan.Now)
	records := slices.Concat(n.letters.records(p.state.Account), forgotten.deletions(p.state.Account), p.state.Records(n.Ledger, changes))
	if err := p.sink.Commit(ctx, Bundle{n.batches, records}); err != nil {
		return err
	}
	p.state.Letters.apply(n.letters, forgotten)
	p.state.Ledger = n.Ledger
	p.state.Seen.Apply(changes)
	for _, b := range n.batches {
		p.tell(b)
	}
	p.pending = p.state.pending()
	p.publishStatus(p.cfg.Now())
	return nil
}

// next is the ledger after the read.
func (p *Poller) next(read Read) Ledger {
	next := p.pending.Ledger
	next.Sequence++
	next.Paging = p.reader.Paging
	next.Density = next.Density.Observe(read.Window, p.rowsOf(read))
	if p.reader.Paging.ShortUnsafe && !p.pending.Paging.ShortUnsafe {
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

const (
	sweepEvery = time.Hour // how often the memory is searched for what may be forgotten
	sweepMost  = 1000      // entries forgotten with one commit
)

// forget gives what no window that can still be asked for could return again, except what these very reads returned. The
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

// tell logs a committed read, and a window that could not be read whole the first time.
func (p *Poller) tell(b Batch) {
	read := b.Read
	p.cfg.Log.Debug().Str("reading", string(b.Why)).Stringer("window", read.Window).Int("requests", read.Requests).
		Int("rows", len(read.Rows)).Int("fresh", len(b.Fresh)).Int("dead", len(b.Dead)).Bool("proven", read.Proven).
		Int64("sequence", b.Sequence).Msg("committed")
	if read.Partial == "" || p.told[read.Window] {
		return
	}
	p.told[read.Window] = true
	p.cfg.Log.Error().Stringer("window", read.Window).Int("rows", len(read.Rows)).Str("reason", read.Partial).
		Msg("a window cannot be read whole: what came is published, completeThrough stops there, polling goes on")
}
