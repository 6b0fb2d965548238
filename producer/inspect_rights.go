package producer

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describegroups"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
)

// Coordinated is a transactional id or a group as its coordinator has it.
type Coordinated struct {
	Denied []kafka.ACLOperationType // what the principal may not do with it; what another of them would allow as well is left out
	Err    error                    // what else is wrong: no coordinator, a setting
	// Timeout is the transaction timeout that a worker would use; 0 where it was not asked for.
	Timeout time.Duration
}

// deny takes the place of what it would allow as well: to read and to write allow to describe.
func (c *Coordinated) deny(op kafka.ACLOperationType) { c.Denied = []kafka.ACLOperationType{op} }

// nobodys is a producer id that no broker gives to anybody. What is asked in its name is refused, after it was looked at
// whether the principal may ask it.
const nobodys = math.MaxInt64

// Transactional looks at a transactional id, and changes nothing for who holds it: the questions are of a producer that does not
// exist. With idle, nobody works under it; then it is also asked for an epoch, as one who has one of that producer, so that the
// brokers judge the transaction timeout. They know the id from then on.
func (i *Inspector) Transactional(ctx context.Context, id string, idle bool) (c Coordinated) {
	coordinator, err := i.coordinator(ctx, id, kafka.CoordinatorKeyTypeTransaction)
	if denied(err) {
		c.deny(kafka.ACLOperationTypeDescribe)
		err = nil
	}
	if err != nil {
		c.Err = err
		return c
	}
	if err := i.asNobody(ctx, coordinator, id); denied(err) {
		c.deny(kafka.ACLOperationTypeWrite)
	} else if err != nil {
		c.Err = err
	}
	if idle && coordinator != "" && len(c.Denied) == 0 && c.Err == nil {
		c.Timeout, c.Err = i.timeoutTaken(ctx, coordinator, id)
	}
	return c
}

func denied(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Category == Denied
}

// asNobody asks for the end of a transaction in the name of nobody's producer. Who may not write under the id is told so; all
// others that there is no such producer.
func (i *Inspector) asNobody(ctx context.Context, coordinator, id string) error {
	req := &endtxn.Request{TransactionalID: id, ProducerID: nobodys}
	ask := func(x *exchange) error {
		res, err := x.roundTrip(req)
		if err != nil {
			return err
		}
		return meantForNobody(brokerError(res.(*endtxn.Response).ErrorCode))
	}
	if coordinator == "" { // whether the principal may is looked at before who coordinates
		return i.anywhere(ctx, "try transactional id "+id, func(x *exchange) error {
			if err := ask(x); !errors.Is(err, kafka.NotCoordinatorForGroup) {
				return err
			}
			return nil
		})
	}
	return i.patiently(ctx, "try transactional id "+id, func() error { return i.at(ctx, coordinator, ask) })
}

// meantForNobody returns nil for the refusals that a producer meets which does not exist.
func meantForNobody(err error) error {
	for _, expected := range []kafka.Error{
		kafka.InvalidProducerIDMapping, kafka.UnknownProducerId, kafka.InvalidProducerEpoch, kafka.ProducerFenced, kafka.InvalidTransactionState, kafka.ConcurrentTransactions,
	} {
		if errors.Is(err, expected) {
			return nil
		}
	}
	return err
}

// sinceExpected is the version of InitProducerId that names the producer that asks: one before it would fence whoever works.
const sinceExpected = 3

// timeoutTaken returns the transaction timeout that the brokers take, found as a Producer finds it.
func (i *Inspector) timeoutTaken(ctx context.Context, coordinator, id string) (timeout time.Duration, err error) {
	for timeout = defaultTransactionTimeout; timeout >= shortestTransaction; timeout /= 2 {
		if err = i.tryTimeout(ctx, coordinator, id, timeout); !errors.Is(err, kafka.InvalidTransactionTimeout) {
			return timeout, err
		}
	}
	return 0, err
}

func (i *Inspector) tryTimeout(ctx context.Context, coordinator, id string, timeout time.Duration) error {
	req := &initproducerid.Request{TransactionalID: id, TransactionTimeoutMs: int32(timeout.Milliseconds()), ProducerID: nobodys}
	return i.patiently(ctx, "try an epoch of transactional id "+id, func() error {
		return i.at(ctx, coordinator, func(x *exchange) error {
			if x.versions[req.ApiKey()] < sinceExpected {
				return nil
			}
			res, err := x.roundTrip(req)
			if err != nil {
				return err
			}
			return meantForNobody(brokerError(res.(*initproducerid.Response).ErrorCode))
		})
	})
}

// TransactionTimeout is after how long brokers abort a transaction of ours, unless their transaction.max.timeout.ms is less.
const TransactionTimeout = defaultTransactionTimeout

// GroupState is a consumer group as its coordinator has it.
type GroupState struct {
	Coordinated
	Members int
	// Foreign: something else than workers uses it.
	Foreign bool
}

// Group looks at a group without joining it.
func (i *Inspector) Group(ctx context.Context, id string) (g GroupState) {
	coordinator, err := i.coordinator(ctx, id, kafka.CoordinatorKeyTypeConsumer)
	if denied(err) {
		g.deny(kafka.ACLOperationTypeRead)
		return g
	}
	if err != nil {
		g.Err = err
		return g
	}
	req := &describegroups.Request{Groups: []string{id}, IncludeAuthorizedOperations: true}
	g.Err = i.patiently(ctx, "describe group "+id, func() error {
		return i.at(ctx, coordinator, func(x *exchange) error {
			answer, err := x.roundTrip(req)
			if err != nil {
				return err
			}
			return g.described(answer.(*describegroups.Response), x.versions[req.ApiKey()])
		})
	})
	if denied(g.Err) {
		g.Err = nil
		g.deny(kafka.ACLOperationTypeDescribe)
	}
	return g
}

// sinceGroupOperations is the version of DescribeGroups that has the authorized operations.
const sinceGroupOperations = 3

func (g *GroupState) described(res *describegroups.Response, version int16) error {
	if len(res.Groups) != 1 {
		return errors.New("the coordinator does not tell of it")
	}
	is := res.Groups[0]
	if err := brokerError(is.ErrorCode); err != nil {
		return err
	}
	if may := Operations(is.AuthorizedOperations); version >= sinceGroupOperations && may.Known() && !may.Allows(kafka.ACLOperationTypeRead) {
		g.deny(kafka.ACLOperationTypeRead)
	}
	g.Members = len(is.Members)
	g.Foreign = is.ProtocolType != "" && is.ProtocolType != groupProtocolType || is.ProtocolData != "" && is.ProtocolData != groupProtocol
	return nil
}

// coordinator finds it, and waits a while for one.
func (i *Inspector) coordinator(ctx context.Context, key string, kind kafka.CoordinatorKeyType) (address string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, coordinatorPatience, errNoCoordinator)
	defer cancel()
	err = i.anywhere(ctx, "find the coordinator of "+key, func(x *exchange) error {
		answer, err := x.roundTrip(&findcoordinator.Request{Key: key, KeyType: int8(kind)})
		if err != nil {
			return err
		}
		res := answer.(*findcoordinator.Response)
		if err := brokerError(res.ErrorCode); err != nil {
			return err
		}
		address = addressOf(res.Host, res.Port)
		return nil
	})
	return address, err
}

// coordinatorPatience is for a cluster that makes its internal topics, or moves them.
const coordinatorPatience = 8 * time.Second

var errNoCoordinator = errors.New("none within 8s")
