package producer

import "context"

// Barrier publishes records in a transaction that it aborts: whoever reads committed sees nothing of them. From then on, until
// the next Acquire, CatchUp and ReadLast of this Producer do not end before they have passed them.
//
// What a broker says of where a partition ends proves nothing: a leader that was cut off from its cluster goes on serving the
// high watermark of then, while another was elected and has taken commits since. But it cannot acknowledge a record for all
// replicas in sync, so the offset that a record of ours was given lies behind everything that was committed before, and who has
// read past it has read all of that. Nothing less serves: a leader that does not know better answers any question about itself.
//
// The records are aborted and not committed, since nobody else must have to know what they mean: in a topic that others read,
// and in one that an older version of the program reads.
//
// An error is like one of Commit.
func (p *Producer) Barrier(ctx context.Context, records []Record) error {
	ends, err := p.transact(ctx, func(ctx context.Context, t *transaction) error {
		if err := t.publish(ctx, records); err != nil {
			return unindexed(err)
		}
		return t.end(ctx, false)
	})
	if err == nil {
		p.barrier = ends
	}
	return err
}

// behindBarrier is the offset after the barrier's record in the partition; 0 where there is none.
func (p *Producer) behindBarrier(at partition) int64 {
	if offset, ok := p.barrier[at.String()]; ok {
		return offset + 1
	}
	return 0
}
