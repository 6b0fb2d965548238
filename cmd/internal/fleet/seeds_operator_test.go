package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller"
)

// What an operator asks the active worker for, in the middle of everything.
const (
	operatorBackfills = "operator asks for a backfill"
	operatorCancels   = "operator cancels a backfill"
	operatorAccepts   = "operator accepts gaps"
)

// wish is what an operator asks for.
type wish struct {
	from, to  time.Duration // of a backfill, from the beginning of the world
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
		e := event{kind: operatorBackfills, at: time.Duration(dice.Int64N(int64(eventful - time.Minute)))}
		e.from = time.Duration(dice.IntN(int((e.at+15*time.Minute)/time.Second)))*time.Second - 20*time.Minute
		e.to = min(e.from+time.Duration(1+dice.IntN(600))*time.Second, e.at-3*time.Minute)
		e.republish = dice.IntN(2) == 0
		p.events = append(p.events, e)
		if dice.IntN(3) == 0 {
			p.events = append(p.events, event{kind: operatorCancels, at: e.at + time.Duration(dice.IntN(120))*time.Second})
		}
	}
	if dice.IntN(2) == 0 {
		p.events = append(p.events, event{kind: operatorAccepts, at: time.Duration(dice.Int64N(int64(eventful - time.Minute)))})
	}
	slices.SortStableFunc(p.events, func(a, b event) int { return int(a.at - b.at) })
}

// operator is what such an event does: it asks whoever is active, and waits for the answer beside everything else.
func (s *simulation) operator(e event) func() {
	return func() {
		i := slices.IndexFunc(s.slots, func(l *living) bool { return l != nil && !l.frozen && l.worker.Role() == admin.Active })
		if i < 0 {
			return
		}
		s.count(e.kind)
		ranges := s.slots[i].worker.Ranges()
		s.going.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err := s.ask(ctx, ranges, e)
			if err == nil {
				s.count(e.kind + ", granted")
			}
		})
	}
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
			if p.Ended.IsZero() {
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
	for _, p := range s.passes {
		if p.Ended.IsZero() {
			s.problem("stuck: backfill %d of %v is %s; read through %v, %d windows fail", p.ID, p.Window, p.State, p.ReadThrough, p.Failing)
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
