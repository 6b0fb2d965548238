package producer

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// ErrFenced means that another worker took over the transactional id. A worker that gets it must not take the id back of its own
// accord, or two workers would fence each other for ever.
var ErrFenced = errors.New("another worker took over the transactional id")

// ErrNotAcquired means that Commit was called before Acquire, or again after an error without a new Acquire.
var ErrNotAcquired = errors.New("no producer epoch: Acquire first")

var errTransactionTime = errors.New("the transaction took too long")

// Category is the kind of an Error, used as the label of a metric; the set is bounded.
type Category string

// The categories of an Error.
const (
	Fenced      Category = "fenced"      // another worker took over
	Coordinator Category = "coordinator" // a coordinator is busy, loading or moving
	Leader      Category = "leader"      // a partition has no leader, or the leader moves, or too few replicas are in sync
	Connection  Category = "connection"  // no broker is reachable, or the connection was lost
	Protocol    Category = "protocol"    // the other side is not a broker
	Encryption  Category = "tls"         // the TLS handshake with a broker fails
	Login       Category = "login"       // a broker refuses the login
	Timeout     Category = "timeout"     // no answer in time
	Canceled    Category = "canceled"    // the caller's context ended, or Close was called
	Refused     Category = "refused"     // a record that the broker will never take, see RefusedError
	Denied      Category = "denied"      // an ACL is missing
	Settings    Category = "settings"    // a topic or a setting is wrong
	Lost        Category = "lost"        // the broker no longer knows this producer or its transaction
	Excluded    Category = "excluded"    // this member is not in the group's generation, or the group rebalances
	Unexpected  Category = "unexpected"  // anything else
)

// Error is the type of all errors of this package except ErrFenced and its like. It never holds keys or values of records.
type Error struct {
	Op       string   // what was being done, for example `produce conversations.voice-3`
	Category Category // for metrics
	Hint     string   // what the operator can do, or ""
	Err      error    // wraps a kafka.Error where a broker answered

	retriable bool
}

// Error returns the operation, the cause and the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error() + " (" + e.Hint + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// endedBy adds why the operation is not tried again.
func (e *Error) endedBy(ctx context.Context) *Error {
	cause := context.Cause(ctx)
	if errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded) {
		e.Err = cause
	} else {
		e.Err = fmt.Errorf("%w: %w", cause, e.Err)
	}
	if errors.Is(cause, context.Canceled) || errors.Is(cause, errClosed) {
		e.Category = Canceled
	}
	return e
}

// RefusedError names records that a broker refuses however often they are sent: too large, or with a timestamp or in a form that it
// does not take. The transaction is aborted; the caller can find the one record, put it aside, and commit the others.
type RefusedError struct {
	Topic     string
	Partition int
	// Records are indexes into the records given to Commit, ascending: at least one of them is refused. It is empty for a
	// record from closing.
	Records []int
	Err     error // a kafka.Error: 10, 18, 32 or 87
}

// Error returns the partition and the broker's error, and nothing of the record.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s refused one of %d records: %v", PartitionName(e.Topic, e.Partition), max(1, len(e.Records)), e.Err)
}

// Size reports whether a record is larger than the topic takes.
func (e *RefusedError) Size() bool {
	return errors.Is(e.Err, kafka.MessageSizeTooLarge) || errors.Is(e.Err, kafka.RecordListTooLarge)
}

// Time reports whether the broker does not take a record's timestamp.
func (e *RefusedError) Time() bool { return errors.Is(e.Err, kafka.InvalidTimestamp) }

// Remedy returns what the operator can do where no record can be put aside.
func (e *RefusedError) Remedy() string {
	switch {
	case e.Size():
		return "raise max.message.bytes of topic " + e.Topic
	case e.Time():
		return "compare the clocks of the brokers and of this machine, and see message.timestamp.before.max.ms and message.timestamp.after.max.ms of topic " + e.Topic
	default:
		return "the brokers' logs say why; cleanup.policy of topic " + e.Topic + " is one cause: compaction refuses records without a key"
	}
}

// Unwrap returns the broker's error.
func (e *RefusedError) Unwrap() error { return e.Err }

// class is how an error is treated.
type class struct {
	category  Category
	retriable bool
	hint      string
}

const (
	hintBrokers = "check KAFKA_BROKERS and that the brokers are up"
	// hintInternal is for coordinators that a new cluster has after a moment, and one that cannot make its topics never.
	hintInternal = "if it stays so, the brokers cannot make their topic __transaction_state, for a group __consumer_offsets: their transaction.state.log.replication.factor and " +
		"offsets.topic.replication.factor, 3 unless changed, may not exceed the number of brokers"
	hintExpired = "the brokers forget a producer that commits less often than their transactional.id.expiration.ms, 7 days unless changed: raise it above the time between two commits"
	hintLeader  = "check that the brokers are up and enough replicas are in sync"
)

// classes holds the error codes that a broker may answer with. Any other is Unexpected and is not retried.
var classes = map[kafka.Error]class{
	kafka.InvalidProducerEpoch:         {category: Fenced},
	kafka.ProducerFenced:               {category: Fenced},
	kafka.TransactionCoordinatorFenced: {category: Coordinator},
	kafka.GroupLoadInProgress:          {category: Coordinator, retriable: true},
	kafka.GroupCoordinatorNotAvailable: {Coordinator, true, hintInternal},
	kafka.NotCoordinatorForGroup:       {category: Coordinator, retriable: true},
	kafka.ConcurrentTransactions:       {category: Coordinator, retriable: true},

	kafka.UnknownTopicOrPartition:      {Leader, true, "check that the topic was not deleted"},
	kafka.LeaderNotAvailable:           {Leader, true, hintLeader},
	kafka.NotLeaderForPartition:        {Leader, true, hintLeader},
	kafka.ReplicaNotAvailable:          {Leader, true, hintLeader},
	kafka.NotEnoughReplicas:            {Leader, true, hintLeader},
	kafka.NotEnoughReplicasAfterAppend: {Leader, true, hintLeader},
	kafka.KafkaStorageError:            {Leader, true, "a broker's disk failed"},
	kafka.FencedLeaderEpoch:            {Leader, true, hintLeader},
	kafka.UnknownLeaderEpoch:           {Leader, true, hintLeader},
	kafka.OffsetNotAvailable:           {Leader, true, hintLeader},
	kafka.NotController:                {Leader, true, hintLeader},
	kafka.SASLAuthenticationFailed:     {Login, true, "check the settings of the login, KAFKA_SASL_MECHANISM and those with it"},
	kafka.BrokerNotAvailable:           {Connection, true, hintBrokers},
	kafka.NetworkException:             {Connection, true, hintBrokers},
	kafka.RequestTimedOut:              {Timeout, true, hintLeader},
	kafka.ThrottlingQuotaExceeded:      {Timeout, true, "the broker's quota is used up"},

	kafka.MessageSizeTooLarge: {category: Refused},
	kafka.RecordListTooLarge:  {category: Refused},
	kafka.InvalidTimestamp:    {category: Refused},
	kafka.InvalidRecord:       {category: Refused},

	kafka.TopicAuthorizationFailed:           {Denied, false, "the principal needs Read and Write on the topic"},
	kafka.ClusterAuthorizationFailed:         {Denied, false, "the principal needs Create on the topics, or create them by hand and set TOPIC_CREATE=false"},
	kafka.TransactionalIDAuthorizationFailed: {Denied, false, "the principal needs Write on the transactional id"},

	kafka.InvalidTransactionTimeout:  {Settings, false, "the transaction timeout exceeds the brokers' transaction.max.timeout.ms"},
	kafka.UnsupportedCompressionType: {Settings, false, "set KAFKA_COMPRESSION to what the brokers take"},
	kafka.InvalidTopic:               {Settings, false, "check TOPIC_PREFIX: letters, digits, '.', '_' and '-', up to 249"},

	kafka.UnknownMemberId:     {category: Excluded, retriable: true},
	kafka.FencedInstanceID:    {category: Excluded, retriable: true},
	kafka.IllegalGeneration:   {category: Excluded, retriable: true},
	kafka.RebalanceInProgress: {category: Excluded, retriable: true},

	kafka.GroupAuthorizationFailed:  {Denied, false, "the principal needs Read on the group"},
	kafka.InvalidSessionTimeout:     {Settings, false, "LEASE_TIMEOUT, less a tenth where it is longer than 6s, must lie between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms, 6s and 30m unless changed"},
	kafka.InconsistentGroupProtocol: {Settings, false, "something else uses this consumer group; set another TOPIC_PREFIX, or LEASE=off"},
	kafka.GroupMaxSizeReached:       {Settings, false, "fewer replicas, or a larger group.max.size on the brokers"},

	kafka.InvalidProducerIDMapping: {Lost, false, hintExpired},
	kafka.UnknownProducerId:        {category: Lost},
	kafka.InvalidTransactionState:  {category: Lost},
	kafka.OutOfOrderSequenceNumber: {category: Lost},
}

// failure returns err as an *Error of the operation. If it is one already, it is returned as it is: the innermost operation says most.
func failure(op string, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	v := classify(err)
	if v.category == Fenced {
		err = fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return &Error{Op: op, Category: v.category, Hint: v.hint, Err: err, retriable: v.retriable}
}

func classify(err error) class {
	if peer, ok := errors.AsType[*peerError](err); ok {
		return class{peer.category, true, peer.hint}
	}
	if denied, ok := errors.AsType[*deniedError](err); ok {
		return class{Denied, false, denied.hint()}
	}
	if code, ok := errors.AsType[kafka.Error](err); ok {
		if v, ok := classes[code]; ok {
			return v
		}
		return class{category: Unexpected}
	}
	switch {
	case errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition), errors.Is(err, protocol.ErrNoLeader):
		return class{Leader, true, hintLeader}
	case errors.Is(err, context.Canceled):
		return class{Canceled, true, ""}
	case errors.Is(err, context.DeadlineExceeded):
		return class{Timeout, true, hintBrokers}
	}
	// Anything else comes from dialling, reading and writing.
	return class{Connection, true, hintBrokers}
}
