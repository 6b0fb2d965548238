package producer

import "context"

// Barrier publishes records in a transaction that it aborts: read_committed consumers see none of them. From then on, until the
// next Acquire, CatchUp and ReadLast of this Producer do not return before they have passed them.
//
// The high watermark that a broker reports is no proof: a leader that was cut off from its cluster goes on serving an old high
// watermark, while another leader was elected and has taken commits since. But it cannot acknowledge a record with acks=all, so the
// offset that a record of ours was given lies behind everything that was committed before, and a Reader that has passed it has read
// all of that. No request that only asks would do: a leader that was cut off answers it from what it knows.
//
// The records are aborted and not committed so that nobody else needs to know what they mean, neither other readers of the topic nor
// an older version of the program.
//
// Errors are as those of Commit.
func (p *Producer) Barrier(ctx context.Context, records []Record) error {
	ends, err := p.transact(ctx, func(ctx context.Context, t *transaction) error {
		if err := t.publish(ctx, records); err != nil {
			return withoutIndexes(err)
		}
		return t.end(ctx, false)
	})
	if err == nil {
		p.barrier = ends
	}
	return err
}

// behindBarrier returns the offset after the barrier's record in the partition; 0 where there is none.
func (p *Producer) behindBarrier(at partition) int64 {
	if offset, ok := p.barrier[at.String()]; ok {
		return offset + 1
	}
	return 0
}
