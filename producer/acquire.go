package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// partition is one partition of a topic.
type partition struct {
	topic string
	id    int
}

// session is a producer epoch and the sequence numbers used in it.
type session struct {
	producerID int
	epoch      int
	sequence   map[partition]int32 // the next sequence numbers; 0 for a partition that is not in it
	// requestPending: a request to begin or end a transaction was given up and may still reach the broker, see renewEpoch.
	requestPending bool
}

// Acquire takes a new producer epoch: from now on an earlier producer of the transactional id is fenced, and the transaction that it
// left open is aborted. It retries until ctx ends while brokers or the coordinator are unavailable; an *Error of category denied or
// settings is returned at once.
func (p *Producer) Acquire(ctx context.Context) error {
	if p.cfg.TransactionalID == "" {
		return errors.New("acquire: no transactional id")
	}
	p.session = nil
	p.barrier = nil
	c := p.cluster.Load()
	return c.retry(ctx, "acquire transactional id "+p.cfg.TransactionalID, func(ctx context.Context) error {
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

// shortestTransaction is the least time with which a transaction is worth trying.
const shortestTransaction = time.Second

// shorten halves the transaction timeout, which brokers with a low transaction.max.timeout.ms do not take, for as long as this
// Producer lives.
func (p *Producer) shorten() bool {
	half := p.cfg.TransactionTimeout / 2
	if half < shortestTransaction {
		return false
	}
	p.cfg.TransactionTimeout = half
	p.cfg.Log.Warn().Dur("seconds", half).Str("hint", fmt.Sprintf("raise it to %d or more: a commit that takes longer than three quarters of that time is given up and made again", defaultTransactionTimeout.Milliseconds())).
		Msg("kafka: the brokers' transaction.max.timeout.ms is shorter than a transaction of ours may take; trying with less")
	return true
}

// findCoordinator returns the error of FindCoordinator. kafka-go sends that before each request too, but drops the error: the operator
// would see "not coordinator" instead of the reason.
func (p *Producer) findCoordinator(ctx context.Context, c *cluster) error {
	res, err := c.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{
		Key: p.cfg.TransactionalID, KeyType: kafka.CoordinatorKeyTypeTransaction,
	})
	if err != nil {
		return err
	}
	return c.onTransactionalID(res.Error, p.cfg.TransactionalID)
}

// renewEpoch takes the next epoch after a commit in which one request was given up and its repetition answered. The first may still
// arrive. In the same epoch, an EndTxn would then commit half of the next transaction, and an AddPartitionsToTxn would begin a
// transaction that nobody ends, whose timeout looks like another worker. renewEpoch names the present epoch, so a worker that was fenced
// meanwhile is refused and does not fence the other in return.
func (p *Producer) renewEpoch(ctx context.Context, old *session) (s *session, err error) {
	c := p.cluster.Load()
	err = c.retry(ctx, "renew the epoch of transactional id "+p.cfg.TransactionalID, func(ctx context.Context) error {
		s, err = p.initProducer(ctx, c, *old)
		return err
	})
	return s, err
}

// initProducer takes the epoch after that of old; with -1 for both ids, the epoch after whatever it is now. An answer that is lost
// costs an epoch and nothing else. Where the brokers do not take the transaction timeout, it tries with less.
func (p *Producer) initProducer(ctx context.Context, c *cluster, old session) (s *session, err error) {
	s, err = p.tryInitProducer(ctx, c, old)
	for errors.Is(err, kafka.InvalidTransactionTimeout) && p.shorten() {
		s, err = p.tryInitProducer(ctx, c, old)
	}
	return s, err
}

func (p *Producer) tryInitProducer(ctx context.Context, c *cluster, old session) (*session, error) {
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
