package poller

import (
	"context"
	"errors"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Letter is a row that went to the dead letters, to be tried again.
type Letter struct {
	ID  LetterID
	Row smartassist.Row // as it is parsed now
	At  time.Time       // when it was read from the service
}

// Replayed is what a Replay made of a letter.
type Replayed struct {
	Resolution
	Before bool  // it was resolved before; nothing was done now
	Err    error // why it is LetterDead; holds nothing of the row
}

// ErrNewerIsDead says of a letter that it can be resolved once a newer one is.
var ErrNewerIsDead = errors.New("a newer content of the conversation is a dead letter too: replay that one; or DEDUPLICATE_IGNORE has changed since, " +
	"so that this one is not recognised: replay it with the value of then, or see its row with convstream dead-letters list --rows")

// Further reasons why a letter cannot be published though its row is valid.
var (
	errForgotten = errors.New("its conversation was last shown longer ago than REREAD reaches, so its revision numbers are no longer known; " +
		"see the row with convstream dead-letters list --rows")
	errDoubt = errors.New("it is not known whether it was published: an early version, which did not record that, was the last to read a new content of the conversation; " +
		"see the row with convstream dead-letters list --rows")
)

// Replay tries dead letters again and commits what comes of it, in a transaction of its own, and returns what became of each.
// It is for the goroutine that runs the Poller, in an [Errand]. An error is the Sink's: then it is not known what became of the
// letters, and a Replay by the Poller that recovers finds out.
//
// The memory knows of every conversation the newest content that was met, and whether that content went to the dead
// letters. A letter is published only if it is that content and did: so a letter is published once, whatever is forgotten
// about letters, and never after a newer content. What was resolved is remembered beside it, to be reported.
func (p *Poller) Replay(ctx context.Context, letters []Letter) ([]Replayed, error) {
	now := p.now()
	if err := p.commit(ctx); err != nil { // a refusal must point to letters, not to what was read before them
		return nil, err
	}
	n := &p.pending
	r := replay{
		judge: judge{Draft: n.draft, Deduplication: p.deduplication(Task{}), now: now},
		known: p.state.Letters, resolved: Letters{},
	}
	out := r.all(letters)
	if len(r.resolved) == 0 {
		return out, nil
	}
	at := now.UTC().Truncate(time.Second)
	n.letters = r.resolved
	p.addBatch(Batch{
		Read: Read{Window: Window{at, at}, Rows: r.rows, At: at}, Reason: Replay, Fresh: r.Fresh, Unchanged: r.Unchanged,
		Selection: p.agenda.Selection(),
	}, true)
	return out, p.commit(ctx)
}

// replay is the work of one Replay.
type replay struct {
	judge
	known    Letters
	resolved Letters
	rows     []smartassist.Row
}

// all goes through the letters twice: whether an older content is superseded may depend on what becomes of a newer one.
func (r *replay) all(letters []Letter) []Replayed {
	out := make([]Replayed, len(letters))
	for i, l := range letters {
		out[i] = r.one(l)
	}
	for i, l := range letters {
		if errors.Is(out[i].Err, ErrNewerIsDead) {
			out[i] = r.one(l)
		}
	}
	return out
}

func (r *replay) one(l Letter) Replayed {
	if l.Row.Err != nil {
		return stays(l.Row.Err)
	}
	fingerprint := l.Row.Fingerprint(r.Ignore)
	p := r.place(l.Row)
	newest := p.met && r.same(p.e, l.Row, fingerprint)
	aside := p.aside()
	if newest && aside == isAside {
		return r.publishLetter(l, p, fingerprint)
	}
	// Not before that: the same content may have come back after it was resolved, and have been put aside once more.
	if res, ok := r.resolution(l.ID); ok {
		return Replayed{Resolution: res, Before: true}
	}
	switch {
	case p.met && aside == isAside:
		return stays(ErrNewerIsDead)
	case p.met && aside == maybeAside:
		return stays(errDoubt)
	case p.met:
		r.Unchanged++
		return r.resolve(l, Resolution{Fate: LetterSuperseded})
	}
	// A row that could not be a conversation and, for this version, is one: the memory has it by its bytes.
	d, known := r.lookup(bytesKey(l.Row))
	if !known {
		return stays(errForgotten)
	}
	p.main.shown, p.e.shown = max(p.main.shown, d.shown), d.shown
	return r.publishLetter(l, p, fingerprint)
}

// aside returns whether the newest content of the place went to the dead letters. Where the identity has no revision yet,
// nothing of it was published.
func (p place) aside() aside {
	if p.e.aside == maybeAside && p.main.revision == 0 {
		return isAside
	}
	return p.e.aside
}

// resolution returns what became of a letter before, now or earlier.
func (r *replay) resolution(id LetterID) (Resolution, bool) {
	if res, ok := r.resolved[id]; ok {
		return res, true
	}
	res, ok := r.known[id]
	return res, ok
}

func (r *replay) publishLetter(l Letter, p place, fingerprint uint64) Replayed {
	if err := r.refuses(l.Row, fingerprint); err != nil {
		return stays(err)
	}
	r.settle(p, l.Row, fingerprint)
	last := &r.Fresh[len(r.Fresh)-1]
	last.ObservedAt = l.At
	return r.resolve(l, Resolution{Fate: LetterPublished, Revision: last.Number})
}

func stays(err error) Replayed { return Replayed{Resolution: Resolution{Fate: LetterDead}, Err: err} }

func (r *replay) resolve(l Letter, res Resolution) Replayed {
	res.At, res.Written = r.now.UTC().Truncate(time.Millisecond), l.At.UTC().Truncate(time.Millisecond)
	r.resolved[l.ID] = res
	r.rows = append(r.rows, l.Row)
	return Replayed{Resolution: res}
}
