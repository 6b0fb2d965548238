package producer

import (
	"context"
	"errors"

	"github.com/segmentio/kafka-go"
)

// partition names one partition of a topic.
type partition struct {
	topic string
	id    int
}

// session is what one Acquire gave: the epoch under which transactions are written, and how far each partition is.
type session struct {
	producerID int
	epoch      int
	sequence   map[partition]int32 // next sequence number; a partition not in it begins at 0
	// doubtful: a request to begin or end a transaction was given up and may still be under way, see renew.
	doubtful bool
}

// Acquire takes a new producer epoch: from now on an earlier holder of the transactional id is refused (it meets
// ErrFenced), and the transaction it left open is aborted. It tries again until ctx ends while brokers or the
// coordinator are away; an *Error of category denied or settings is final.
func (p *Producer) Acquire(ctx context.Context) error {
	if p.cfg.TransactionalID == "" {
		return errors.New("acquire: no transactional id given")
	}
	p.session = nil
	p.barrier = nil
	c := p.cluster.Load()
	return c.attempts(ctx, "acquire transactional id "+p.cfg.TransactionalID, func(ctx context.Context) error {
		if err := p.findCoordinator(ctx, c); err != nil {
			return err
		}
		s, err := p.initProducer(ctx, c, session{producerID: -1, epoch: -1})
		if err != nil {
			return err
		}
		p.session = s
		return nil
	})
}

// findCoordinator asks in so many words because kafka-go, which asks before each request too, drops the error: what the
// operator then saw would be "not coordinator" instead of the reason.
func (p *Producer) findCoordinator(ctx context.Context, c *cluster) error {
	res, err := c.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{
		Key: p.cfg.TransactionalID, KeyType: kafka.CoordinatorKeyTypeTransaction,
	})
	if err != nil {
		return err
	}
	return c.onTransactionalID(res.Error, p.cfg.TransactionalID)
}

// renew takes the next epoch after a commit of which one request was given up and another answered. The first may yet
// arrive. In the same epoch, a request to commit would then commit what the next transaction has written by that time, a
// half of it; a request to begin would begin one that nobody ends, and its timeout looks like another worker. renew names
// the epoch, so a worker that was fenced meanwhile is refused and fences nobody in return.
func (p *Producer) renew(ctx context.Context, old *session) (s *session, err error) {
	c := p.cluster.Load()
	err = c.attempts(ctx, "renew the epoch of transactional id "+p.cfg.TransactionalID, func(ctx context.Context) error {
		s, err = p.initProducer(ctx, c, *old)
		return err
	})
	return s, err
}

// initProducer asks for the epoch after the one of old. -1 for both ids: whatever the epoch was, the next one is ours. An
// answer that was lost costs an epoch and nothing else.
func (p *Producer) initProducer(ctx context.Context, c *cluster, old session) (*session, error) {
	res, err := c.client.InitProducerID(ctx, &kafka.InitProducerIDRequest{
		TransactionalID:      p.cfg.TransactionalID,
		TransactionTimeoutMs: int(p.cfg.TransactionTimeout.Milliseconds()),
		ProducerID:           old.producerID,
		ProducerEpoch:        old.epoch,
	})
	if err != nil {
		return nil, err
	}
	if res.Error != nil {
		return nil, c.onTransactionalID(res.Error, p.cfg.TransactionalID)
	}
	return &session{
		producerID: res.Producer.ProducerID,
		epoch:      res.Producer.ProducerEpoch,
		sequence:   map[partition]int32{},
	}, nil
}
