package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/cmd/internal/auditor"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller"
)

// What an operator asks the active worker for, in the middle of everything.
const (
	operatorBackfills = "operator asks for a backfill"
	operatorCancels   = "operator cancels a backfill"
	operatorAccepts   = "operator accepts gaps"
	operatorAudits    = "operator asks for an audit"
)

// wish is what an operator asks for.
type wish struct {
	from, to  time.Duration // of a backfill or audit, from the beginning of the world
	republish bool
}

// String tells it.
func (r wish) String() string {
	if r.from == r.to {
		return ""
	}
	text := fmt.Sprintf(" of %v to %v", r.from, r.to)
	if r.republish {
		text += ", republishing"
	}
	return text
}

// drawOperator adds what an operator does to a plan.
func (p *plan) drawOperator(dice *rand.Rand) {
	if dice.IntN(3) == 0 {
		return
	}
	for range 1 + dice.IntN(3) {
		e := drawRange(operatorBackfills, dice)
		e.republish = dice.IntN(2) == 0
		p.events = append(p.events, e)
		if dice.IntN(3) == 0 {
			p.events = append(p.events, event{kind: operatorCancels, at: e.at + time.Duration(dice.IntN(120))*time.Second})
		}
	}
	for range dice.IntN(3) {
		p.events = append(p.events, drawRange(operatorAudits, dice))
	}
	if dice.IntN(2) == 0 {
		p.events = append(p.events, event{kind: operatorAccepts, at: time.Duration(dice.Int64N(int64(eventful - time.Minute)))})
	}
	slices.SortStableFunc(p.events, func(a, b event) int { return int(a.at - b.at) })
}

// drawRange draws an event that is about a past range.
func drawRange(kind string, dice *rand.Rand) event {
	e := event{kind: kind, at: time.Duration(dice.Int64N(int64(eventful - time.Minute)))}
	e.from = time.Duration(dice.IntN(int((e.at+15*time.Minute)/time.Second)))*time.Second - 20*time.Minute
	e.to = min(e.from+time.Duration(1+dice.IntN(600))*time.Second, e.at-3*time.Minute)
	return e
}

// operator is what such an event does: it asks whoever is active, and waits for the answer beside everything else.
func (s *simulation) operator(e event) func() {
	return func() {
		i := slices.IndexFunc(s.slots, func(l *living) bool { return l != nil && !l.frozen && l.worker.Role() == admin.Active })
		if i < 0 {
			return
		}
		s.count(e.kind)
		of := s.slots[i].worker
		s.going.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			ask := func() error { return s.ask(ctx, of.Ranges(), e) }
			if e.kind == operatorAudits {
				ask = func() error { return s.audits(ctx, of.Audits(), e) }
			}
			if ask() == nil {
				s.count(e.kind + ", granted")
			}
		})
	}
}

// audits holds that an audit finds nothing amiss in topics that nobody has tampered with. Rows may be missing or stale that show late or
// have changed, and extra where the service does not show all of them.
func (s *simulation) audits(ctx context.Context, account auditor.Account, e event) error {
	text := fmt.Sprintf(`{"from":%q,"to":%q}`, bubble.Add(e.from).Format(time.RFC3339), bubble.Add(e.to).Format(time.RFC3339))
	asked, err := auditor.Read(strings.NewReader(text), time.Now(), 2*time.Minute)
	if err != nil {
		return err
	}
	_, err = asked.Run(ctx, account, zerolog.Nop(), func(l auditor.Line) error {
		if d := l.Difference; d != nil && (d.Result == audit.Twice || d.Result == audit.Gone || d.Result == audit.Unreadable) {
			s.problem("an audit of %v to %v finds %s %s, revisions %v", e.from, e.to, d.Identity, d.Result, d.Revisions)
		}
		return nil
	})
	return err
}

func (s *simulation) ask(ctx context.Context, of admin.Ranges, e event) error {
	status := of.Status()
	if status == nil {
		return nil
	}
	switch e.kind {
	case operatorBackfills:
		_, err := of.Backfill(ctx, poller.Span(bubble.Add(e.from), bubble.Add(e.to)), e.republish, "operator")
		return err
	case operatorCancels:
		for _, p := range status.Passes {
			if p.Reason == poller.Backfill && p.Ended.IsZero() {
				return of.Cancel(ctx, p.ID, "operator")
			}
		}
	default:
		for _, p := range status.Partial {
			if !p.Accepted {
				if _, err := of.AcceptGap(ctx, p.Window, "operator"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// backfilled holds that every backfill has ended, and that what it has read is in the topics.
func (s *simulation) backfilled(r *verify.Report) {
	if r.Republished > 0 && !slices.ContainsFunc(s.events, func(e event) bool { return e.republish }) {
		s.problem("%d revisions are republished, and nobody asked for it: an audit took what is there for lost", r.Republished)
	}
	for _, p := range s.passes {
		if p.Ended.IsZero() {
			s.problem("stuck: %s %d of %v is %s; read through %v, %d windows fail", p.Reason, p.ID, p.Window, p.State, p.ReadThrough, p.Failing)
		}
		if p.State != poller.Finished || s.selects() {
			continue
		}
		for row := range s.service.RowsAt(p.Ended.Add(-2*time.Minute), p.Start, p.End) {
			if !r.Holds(row) && !s.excused(row) && !s.nearAnyBad(row) {
				s.problem("lost: %s (session %s) of %v lies in a backfill and is not in the topics", row.Key.Identity, row.Key.Session, row.Start.Format(time.TimeOnly))
			}
		}
	}
}

// selects tells whether fewer rows are asked for in the meantime: a backfill may have read its range then.
func (s *simulation) selects() bool {
	return slices.ContainsFunc(s.events, func(e event) bool { return e.name == "SMARTASSIST_CHANNELS" })
}
