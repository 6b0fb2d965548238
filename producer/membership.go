package producer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// beats is how many heartbeats there are within the longest silence: a handover is noticed with the next one.
const beats = 20

// Run takes part in the election until ctx ends; then it leaves, so that another takes over at once, and returns nil.
// It tries again for ever while brokers are away; an *Error, of category denied or settings, says what somebody has to
// mend. The lease is lost when Run returns.
func (l *Lease) Run(ctx context.Context) error {
	g := &group{cluster: l.cluster, id: l.Group, topic: l.Topic, timeout: l.silence()}
	defer l.lose()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.Timeout/4)
		defer cancel()
		_ = g.leave(ctx) // where it is not heard, the others wait for the timeout
	}()
	for ctx.Err() == nil {
		if err := l.generation(ctx, g); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// Close ends the connections. Run must have returned.
func (l *Lease) Close() { l.cluster.close() }

// generation joins, and beats until the membership changes. An error is final.
func (l *Lease) generation(ctx context.Context, g *group) error {
	kicked := l.kick()
	stop := l.keep(ctx, g)
	var o outcome
	err := l.cluster.attempts(ctx, "join lease group "+g.id, func(ctx context.Context) error {
		members, err := g.join(ctx, l.candidate())
		sent := time.Now() // the join may have waited for as long as a tenure lasts; the sync confirms that it counts
		if err == nil {
			o, err = g.sync(ctx, members)
		}
		if err != nil {
			return l.failed(g, err)
		}
		l.settle(o, sent)
		return nil
	})
	stop()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(l.silence() / beats)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-kicked:
			if l.Status().Yielding {
				_ = g.leave(ctx)
			}
			return nil
		case <-ticker.C:
		}
		if !l.beat(ctx, g) || o.elected && !l.Status().Held {
			return nil // in the second case the tenure has expired, and the brokers answer again
		}
	}
}

// beat sends one heartbeat; false means that it is time to join again.
func (l *Lease) beat(ctx context.Context, g *group) bool {
	sent := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.Timeout/3)
	defer cancel()
	err := g.heartbeat(ctx)
	switch {
	case err == nil:
		l.confirm(sent)
		return true
	case errors.Is(err, kafka.RebalanceInProgress): // the tenure lasts until the new generation has elected
		l.confirm(sent)
		return false
	default:
		return failure("heartbeat", l.failed(g, err)).Category != Excluded
	}
}

// keep sends heartbeats while a join waits for the other members, until stop. One of these may be dead, and then the join is
// answered when that one has been silent for the timeout: the holder's own tenure would end as early as that. While the
// coordinator says that it is still about to elect, or knows of no other election than this one, nobody else was elected.
func (l *Lease) keep(ctx context.Context, g *group) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(l.silence() / beats)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				l.murmur(ctx, g)
			}
		}
	})
	return func() { cancel(); beating.Wait() }
}

// murmur is a heartbeat of which only good news count: bad ones the join hears as well.
func (l *Lease) murmur(ctx context.Context, g *group) {
	if member, _ := g.as(); member == "" {
		return
	}
	sent := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.Timeout/3)
	defer cancel()
	if err := g.heartbeat(ctx); err == nil || errors.Is(err, kafka.RebalanceInProgress) {
		l.confirm(sent)
	}
}

// failed looks for the answers by which the coordinator says that this worker is no member any more: it may have been
// silent for longer than the timeout, and another may hold the lease.
func (l *Lease) failed(g *group, err error) error {
	l.change(func() { l.trouble = err })
	if errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID) {
		g.becomes("", 0)
		l.lose()
	}
	return err
}
