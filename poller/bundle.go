package poller

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Bundle is what is committed at once: one read, or several. A transaction costs the same for a page as for fifty, and so many
// small ones make small batches, which compress badly. Rows of a gap have settled, and a read that brought nothing new has
// nothing that a reader waits for: both can be held for some seconds at no cost. If the worker ends meanwhile, the next one reads
// their windows again.
type Bundle struct {
	Batches []Batch  // in the order of their reading
	State   []Record // what must be remembered with all of them
}

// Batch is one committed read, or a part of one that takes longer: what is published with it. One of dead letters that are tried
// again has an empty window and no requests; its rows are the letters that are resolved, its Read.At the instant of the commit.
type Batch struct {
	Read      Read
	Reason    Reason
	Pass      int64 // that it was read for; 0 for live polling
	Fresh     []Revision
	Dead      []smartassist.Row
	Unchanged int
	Late      int    // of Fresh, rows first met in a window that was covered before
	Twins     int    // rows that differ from another of the same identity and session on one page
	Event     *Event // what happened with it beside the read, or by itself; nil for most

	Sequence                      int64 // 1, 2, ... per account
	Selection                     string
	CompleteFrom, CompleteThrough time.Time // as they are with this batch and those before
}

// ForEver is longer than anything lasts.
const ForEver time.Duration = 1<<63 - 1

// Sink is where bundles go.
type Sink interface {
	// Commit makes the whole bundle durable and visible, or nothing of it. When it returns nil, all of it is. After an
	// error the outcome is unknown: the Poller ends, and its caller recovers the state and begins anew.
	// A commit that has begun is not cut off by the Poller's context; the Sink bounds its time.
	Commit(ctx context.Context, b Bundle) error

	// Refused returns why no revision of this content can be published, nil if it can: else the row is Dead, and uses up no number.
	Refused(row smartassist.Row, fingerprint uint64) error

	// KeepsLetters returns for how long dead letters are kept: what became of older ones need not be remembered.
	KeepsLetters() time.Duration
}

// A bundle is committed with what a reader waits for, and once it holds as much as one of these.
const (
	bundleRows  = 5000
	bundleBytes = 2 << 20          // of rows, as received; all of it takes about ten times as much memory until it is committed
	bundleAge   = 10 * time.Second // since its first read
)

// pending is what was read and is not committed yet: a bundle that grows, and the memory as it will be with it. The ledger as it
// will be is the agenda's.
type pending struct {
	draft       *Draft
	batches     []Batch
	rows, bytes int
	since       time.Time
	awaited     bool    // a reader waits for it
	letters     Letters // to be remembered with it
}

func (p *Poller) newPending() pending {
	d := p.state.Seen.Draft()
	d.prints = p.prints
	return pending{draft: d}
}

// urgent reports whether the bundle is committed now.
func (n *pending) urgent() bool { return n.awaited || n.rows >= bundleRows || n.bytes >= bundleBytes }

// wait returns how long the bundle may still grow; for ever while there is none.
func (n *pending) wait() time.Duration {
	if len(n.batches) == 0 {
		return longestIdle
	}
	return bundleAge - time.Since(n.since)
}

// bundlePart makes what a read has brought so far a part of the bundle. It covers nothing yet.
func (p *Poller) bundlePart(r *reading) {
	if len(r.collector.rows.list) > 0 {
		p.add(r, r.collector.take())
	}
}

// finish makes a read that has ended part of the bundle, with what it covers or why it failed.
func (p *Poller) finish(r *reading, now time.Time) {
	read := r.result
	if read.Err != nil {
		p.salvage(r, &read, now)
	}
	wasUnsafe := p.agenda.Paging.ShortUnsafe
	if p.agenda.Paging = p.reader.Paging; p.agenda.Paging.ShortUnsafe && !wasUnsafe {
		p.agenda.doubt(read.At)
	}
	p.add(r, read)
	if read.Err != nil && p.agenda.partialAt(read.Window) {
		p.logPartial(read.Window, cmp.Or(read.Partial, Unanswered), len(read.Rows))
	}
}

// salvage takes from a page that cannot be split into rows, of a second that fails by itself, the rows before the break; the rest of
// it is a dead letter. The page is one of the usual size: all of the second is on it, if that is possible.
func (p *Poller) salvage(r *reading, read *Read, now time.Time) {
	broken := r.collector.broken
	if len(broken.Rest) == 0 || read.Len() > time.Second || !r.collector.usualLimit() || !p.agenda.After(r.task, *read, now).partialAt(read.Window) {
		return
	}
	rows := rowSet{}
	rows.add(read.Rows)
	rows.add(append(slices.Clone(broken.Rows), smartassist.Unsplittable(broken.Rest)))
	read.Rows, read.Partial = rows.list, Unsplittable
	if read.At.IsZero() {
		read.Clock, read.At = clockOf(broken, now)
		read.First = read.At
	}
}

// add judges the rows of a read, or of a part of one, and makes them part of the bundle.
func (p *Poller) add(r *reading, read Read) {
	n, now := &p.pending, p.now()
	final := !r.asking
	p.agenda.setClock(read, now)
	j := n.draft.Judge(read.Rows, p.deduplication(r.task), read.End, read.At)
	r.withheld = r.withheld || j.Withheld > 0
	read.Withheld = r.withheld
	batch := Batch{
		Read: read, Reason: r.task.Reason, Fresh: j.Fresh, Dead: j.Dead, Unchanged: j.Unchanged, Twins: j.Twins,
		Selection: p.agenda.Selection(), Pass: r.task.Pass,
	}
	if p.agenda.Coverage.Covers(read.Window) {
		batch.Late = j.New
	}
	if r.task.Pass == 0 { // what is long ago says little of when rows show
		p.agenda.learn(read, j)
	}
	p.agenda.countPass(r.task, batch)
	if final {
		p.agenda = p.agenda.After(r.task, read, now)
	}
	if len(read.Rows) == 0 && read.Err != nil {
		p.publishStatus(now)
		return
	}
	awaited := r.task.Reason != Gap && r.task.Pass == 0
	p.addBatch(batch, awaited && (len(j.Fresh) > 0 || len(j.Dead) > 0))
}

// addBatch puts a batch into the bundle.
func (p *Poller) addBatch(batch Batch, awaited bool) {
	n := &p.pending
	p.agenda.Sequence++
	batch.Sequence, batch.CompleteFrom = p.agenda.Sequence, p.agenda.From
	batch.CompleteThrough = p.agenda.Coverage.Through(p.agenda.From)
	if len(n.batches) == 0 {
		n.since = time.Now()
	}
	n.batches = append(n.batches, batch)
	n.awaited = n.awaited || awaited
	n.rows += len(batch.Read.Rows)
	for _, row := range batch.Read.Rows {
		n.bytes += len(row.Raw)
	}
}

// commit commits the bundle, if there is one, and only then moves the memory.
func (p *Poller) commit(ctx context.Context) error {
	n := &p.pending
	if len(n.batches) == 0 {
		return nil
	}
	now := p.now()
	changes := append(n.draft.Changes, p.forget(now)...)
	p.agenda.Remembered = p.state.Seen.lenWith(changes)
	forgotten := p.forgetLetters(n.letters, now)
	records := slices.Concat(n.letters.records(p.state.Account), forgotten.deletions(p.state.Account), p.state.Records(p.agenda.Ledger, changes))
	if err := p.sink.Commit(ctx, Bundle{n.batches, records}); err != nil {
		return err
	}
	p.state.Letters.apply(n.letters, forgotten)
	p.state.Ledger = p.agenda.Ledger
	p.state.Seen.Apply(changes)
	for _, b := range n.batches {
		p.logBatch(b)
	}
	p.noRows.log(p, p.agenda.Clock.Earlier(now))
	p.logClock()
	p.pending = p.newPending()
	p.publishStatus(now)
	return nil
}

const (
	sweepEvery = time.Hour // how often the memory is searched for what may be forgotten
	sweepMost  = 1000      // entries forgotten with one commit
)

// forget returns what no window that can still be asked for could return again, except what the bundle returned, and moves how far
// the memory reaches. It goes by the instant of the bundle's last read: the earlier of our clock and the service's.
func (p *Poller) forget(now time.Time) []Remembered {
	a := &p.agenda
	at := earlier(p.pending.batches[len(p.pending.batches)-1].Read.At, a.Clock.Earlier(now))
	a.Horizon = a.Horizon.after(Horizon(p.cfg.Tiers), at.UTC().Truncate(time.Second))
	a.dropFailing(at)
	if since(p.sweptAt, now) < sweepEvery || at.IsZero() || a.From.IsZero() {
		return nil
	}
	a.Reach = later(a.Reach, a.forgettable(at))
	expired := p.state.Seen.Expired(a.keeps(), a.keepsLetters(), sweepMost)
	if len(expired) < sweepMost {
		p.sweptAt = now
	}
	fresh := make(map[Key]bool, len(p.pending.draft.Changes))
	for _, c := range p.pending.draft.Changes {
		fresh[c.Key] = true
	}
	return slices.DeleteFunc(expired, func(e Remembered) bool { return fresh[e.Key] })
}

// logBatch logs a committed read, and a window that could not be read whole the first time.
func (p *Poller) logBatch(b Batch) {
	read := b.Read
	p.cfg.Log.Debug().Str("reason", string(b.Reason)).Stringer("window", read.Window).Int("requests", read.Requests).
		Int("rows", len(read.Rows)).Int("fresh", len(b.Fresh)).Int("dead", len(b.Dead)).Bool("proven", read.Proven).
		Int64("sequence", b.Sequence).Msg("committed")
	if read.Partial != "" {
		p.logPartial(read.Window, read.Partial, len(read.Rows))
	}
}

func (p *Poller) logPartial(w Window, cause Cause, rows int) {
	for near := range p.partialLogged {
		if !near.Start.Add(-3*time.Second).After(w.End) && !w.Start.After(near.End.Add(3*time.Second)) {
			p.partialLogged[w] = true // what is asked for around it fails with it
			return
		}
	}
	p.partialLogged[w] = true
	p.cfg.Log.Error().Stringer("window", w).Int("rows", rows).Str("cause", cause.Explain()).
		Msg("window cannot be read whole")
}
