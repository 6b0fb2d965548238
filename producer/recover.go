package producer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

const (
	// recoverWait is how long a broker may hold a fetch that reached an open transaction, before it is asked again.
	recoverWait = 100 * time.Millisecond
	// certain is how often a broker must say that there is nothing where something should be, before it is believed: it
	// says so too when it throttles.
	certain = 5
)

// Recover gives visit every committed record of one partition in order, from the first one to the end as it is at the
// call. Aborted records are left out. It waits, until ctx ends, for transactions that are open before that end: after
// Acquire these are other workers' only. visit's error ends it and comes back as it is.
func (p *Producer) Recover(ctx context.Context, topic string, id int, visit func(Message) error) error {
	_, err := p.RecoverLast(ctx, topic, id, math.MaxInt64, visit)
	return err
}

// RecoverLast is Recover for the last so many offsets of the partition, those of markers and of aborted records
// included. all tells that this is the whole partition.
func (p *Producer) RecoverLast(ctx context.Context, topic string, id int, last int64, visit func(Message) error) (all bool, err error) {
	if _, ok := p.topics[topic]; !ok {
		return false, &Error{Op: "read " + topic, Category: Settings, Err: errors.New("the topic was not ensured")}
	}
	c := p.cluster.Load()
	at := partition{topic, id}
	end, err := c.offset(ctx, at, atEnd, readAll)
	if err != nil {
		return false, err
	}
	start, err := c.offset(ctx, at, atStart, readAll)
	if err != nil {
		return false, err
	}
	from := max(start, end-min(end, last))
	return from == start, c.readUntil(ctx, position{at, from}, end, visit)
}

// RecoverSince gives visit the committed records of all partitions of a topic, one partition after the other, each from
// its first record of that time or later to the end as it is at the call. It waits and ends as Recover does.
func (p *Producer) RecoverSince(ctx context.Context, topic string, since time.Time, visit func(Message) error) error {
	c := p.cluster.Load()
	for _, id := range p.topics[topic].partitions {
		at := partition{topic, id}
		end, err := c.offset(ctx, at, atEnd, readAll)
		if err != nil {
			return err
		}
		from, err := c.offset(ctx, at, max(0, since.UnixMilli()), readAll) // below zero are names, see atEnd
		if err != nil {
			return err
		}
		if from < 0 { // nothing is as new as that
			continue
		}
		if err := c.readUntil(ctx, position{at, from}, end, visit); err != nil {
			return err
		}
	}
	return nil
}

// Ends gives where each partition of each topic that was ensured ends: the offset that comes next.
func (p *Producer) Ends(ctx context.Context) (map[string][]int64, error) {
	c := p.cluster.Load()
	ends := map[string][]int64{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for topic, limits := range p.topics {
		list := make([]int64, len(limits.partitions))
		ends[topic] = list
		for i, id := range limits.partitions {
			group.Go(func() (err error) {
				list[i], err = c.offset(ctx, partition{topic, id}, atEnd, readAll)
				return err
			})
		}
	}
	return ends, group.Wait()
}

func (c *cluster) readUntil(ctx context.Context, at position, end int64, visit func(Message) error) error {
	// Compaction may remove the last records below end, but what is produced meanwhile lies above it.
	below := func(m Message) error {
		if m.Offset >= end {
			return nil
		}
		return visit(m)
	}
	for empty := 0; at.offset < end; {
		part, err := c.fetchOne(ctx, at, recoverWait)
		if errors.Is(err, kafka.OffsetOutOfRange) {
			if at.offset, err = c.skip(ctx, at); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		next, err := committed(at.topic, part, at.offset, below)
		if err != nil {
			return err
		}
		switch {
		case next > at.offset:
			empty = 0
		case part.LastStableOffset <= at.offset: // an open transaction: wait for its end
			sleep(ctx, firstPause)
		default:
			// A fetch gives the first batch that ends at or after its offset. None below the last stable offset means
			// that compaction left nothing there.
			if empty++; empty >= certain {
				next = min(part.LastStableOffset, end)
			} else {
				sleep(ctx, recoverWait)
			}
		}
		at.offset = next
	}
	return nil
}

// skip goes to the first offset there is, when what lay before was deleted meanwhile.
func (c *cluster) skip(ctx context.Context, at position) (int64, error) {
	start, err := c.offset(ctx, at.partition, atStart, readAll)
	if err == nil && start <= at.offset {
		err = &Error{
			Op: "read " + at.String(), Category: Unexpected,
			Err: fmt.Errorf("offset %d is out of range, and the topic begins at %d: was it truncated?", at.offset, start),
		}
	}
	return start, err
}
