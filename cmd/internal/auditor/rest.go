package auditor

import (
	"context"
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/poller"
)

// conclude sends what is known only when all is read: what the topics hold beyond it, and what could not be read.
func (a *Audit) conclude(ctx context.Context, c *comparison) error {
	if err := a.drain(ctx, c, true); err != nil {
		return err
	}
	a.state.Unread = joined(a.state.Unread)
	rest, err := a.named(ctx, c.rest())
	if err != nil {
		return err
	}
	for _, f := range rest {
		a.count(f.Result, 1)
		if err := a.answer(Line{Difference: &f.Difference}); err != nil {
			return err
		}
	}
	for _, w := range a.state.Unread {
		if err := a.answer(Line{Unread: &w}); err != nil {
			return err
		}
	}
	return nil
}

// named reads the records of findings once more, since what is kept of a record does not tell the identity, and drops those of which
// nothing can be said: they may have been shown in a window that could not be read.
func (a *Audit) named(ctx context.Context, rest []finding) ([]finding, error) {
	at := map[audit.Place][]int{}
	for i, f := range rest {
		if place, known := f.place(); known {
			at[place] = append(at[place], i)
		}
	}
	if len(at) == 0 {
		return rest, nil
	}
	drop := map[int]bool{}
	err := a.account.Records(ctx, a.window.Around().Start, func(r Record) error {
		for _, i := range at[r.Where] {
			rest[i].Identity, rest[i].Session = string(r.Key), r.Row.SessionID
			drop[i] = rest[i].Result == audit.Extra && a.isUnread(r.Start, r.End)
		}
		return nil
	})
	out := rest[:0]
	for i, f := range rest {
		if !drop[i] {
			out = append(out, f)
		}
	}
	return out, err
}

// isUnread reports whether one of the instants lies in a window that could not be read.
func (a *Audit) isUnread(instants ...time.Time) bool {
	return slices.ContainsFunc(a.state.Unread, func(w poller.Window) bool { return slices.ContainsFunc(instants, w.Contains) })
}
