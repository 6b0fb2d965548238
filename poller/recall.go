package poller

import (
	"context"
	"slices"
	"time"
)

// Recall makes the memory know what the topics hold of the range of a pass that begins before Reach: what was published of it is
// forgotten, and would begin at revision 1 once more. The records are read without the Poller, whose memory has all that is published
// since the pass was asked for.
type Recall struct {
	pass   int64
	traces []Trace
	r      *Recollection
}

// NewRecall returns a Recall of what was published, dead letters last.
func NewRecall(pass int64, traces []Trace) *Recall { return &Recall{pass: pass, traces: traces} }

// aroundPass is how far from a range a conversation may begin or end and still be shown with it: it is not known which of its times the
// service filters by, and they may have changed since it was published.
const aroundPass = 8 * 24 * time.Hour

// Around returns the window within which conversations that may be shown with w begin or end.
func (w Window) Around() Window { return Window{w.Start.Add(-aroundPass), w.End.Add(aroundPass)} }

// recalledAtOnce is how many records go into the memory with one transaction.
const recalledAtOnce = 20_000

// Recall puts some of what the topics hold into the memory, and commits that; done reports whether nothing is left. It is called until
// that, each time as an [Errand], so that the newest rows need not wait.
func (p *Poller) Recall(ctx context.Context, c *Recall) (done bool, err error) {
	if err := p.commit(ctx); err != nil {
		return false, err
	}
	i := p.agenda.passAt(c.pass)
	if i < 0 || !p.agenda.Passes[i].active() {
		return true, nil
	}
	draft := p.pending.draft
	if c.r == nil {
		c.r = &Recollection{shown: quanta(p.agenda.Passes[i].End), list: int(p.prints.current), held: map[Key]heldContent{}}
	}
	c.r.lookup, c.r.apply = draft.lookup, draft.change
	c.r.known = func(k Key) bool { _, known := p.state.Seen.lookup(k); return known }
	n := min(len(c.traces), recalledAtOnce)
	for _, t := range c.traces[:n] {
		c.r.add(t)
	}
	if c.traces = c.traces[n:]; len(c.traces) == 0 {
		p.agenda.changePass(c.pass, func(pass *Pass) { pass.Recalled = true })
	}
	return len(c.traces) == 0, p.commitMemory(ctx)
}

// commitMemory commits what is to be remembered, without anything that was read.
func (p *Poller) commitMemory(ctx context.Context) error {
	changes := slices.Clone(p.pending.draft.Changes)
	next := p.agenda.Ledger
	next.Remembered = p.state.Seen.lenWith(changes)
	if err := p.sink.Commit(ctx, Bundle{State: p.state.Records(next, changes)}); err != nil {
		return err
	}
	p.state.Ledger = next
	p.state.Seen.Apply(changes)
	p.pending = p.newPending()
	p.publishStatus(p.now())
	return nil
}
