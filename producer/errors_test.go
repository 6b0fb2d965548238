package producer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// categories are all that the label of a metric may be.
var categories = map[Category]bool{
	Fenced: true, Coordinator: true, Leader: true, Connection: true, Protocol: true, Encryption: true, Login: true, Timeout: true, Canceled: true,
	Refused: true, Denied: true, Settings: true, Lost: true, Excluded: true, Unexpected: true,
}

// TestClasses: whatever code a broker may answer with, the category is one of the bounded set. What the operator has to correct is not
// retried and says how; nor is what ends an epoch retried.
func TestClasses(t *testing.T) {
	for code := kafka.Error(-1); code < 130; code++ {
		c := classify(fmt.Errorf("wrapped: %w", code))
		if !categories[c.category] {
			t.Errorf("%d: category %q", code, c.category)
		}
		_, known := classes[code]
		switch c.category {
		case Denied, Settings:
			if c.retriable || c.hint == "" {
				t.Errorf("%d, %s: retriable %t, hint %q", code, c.category, c.retriable, c.hint)
			}
		case Fenced, Lost, Refused:
			if c.retriable {
				t.Errorf("%d, %s: is retried", code, c.category)
			}
		case Unexpected:
			if known || c.retriable {
				t.Errorf("%d is unexpected: known %t, retriable %t", code, known, c.retriable)
			}
		case Leader, Connection, Timeout, Login:
			if !c.retriable || c.hint == "" {
				t.Errorf("%d, %s: retriable %t, hint %q", code, c.category, c.retriable, c.hint)
			}
		}
		if !known && c.category != Unexpected {
			t.Errorf("%d is not in the table and is %s", code, c.category)
		}
	}
}

// TestClassifyWithoutCode: errors that no broker answered with.
func TestClassifyWithoutCode(t *testing.T) {
	for _, c := range []struct {
		err       error
		category  Category
		retriable bool
		hint      string
	}{
		{protocol.ErrNoTopic, Leader, true, hintLeader},
		{protocol.ErrNoPartition, Leader, true, hintLeader},
		{protocol.ErrNoLeader, Leader, true, hintLeader},
		{context.Canceled, Canceled, true, ""},
		{context.DeadlineExceeded, Timeout, true, hintBrokers},
		{silence(time.Second), Timeout, true, hintBrokers},
		{io.ErrUnexpectedEOF, Connection, true, hintBrokers},
		{&net.DNSError{Err: "no such host"}, Connection, true, hintBrokers},
		{&peerError{category: Encryption, hint: "the peer's"}, Encryption, true, "the peer's"},
		// What the peer is outweighs how the connection ended.
		{&peerError{category: Protocol, hint: "the peer's", err: context.DeadlineExceeded}, Protocol, true, "the peer's"},
		{&peerError{category: Login, hint: "the peer's", err: kafka.UnsupportedSASLMechanism}, Login, true, "the peer's"},
		// The permission that is missing says more than the code.
		{&deniedError{permission{"topic", "t", []string{"Read"}}, Cluster{Brokers: []string{"b:1"}}, kafka.TopicAuthorizationFailed}, Denied, false,
			"the principal needs Read on topic t: kafka-acls.sh --bootstrap-server b:1 --add --allow-principal User:ANONYMOUS --operation Read --topic t"},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			if got := classify(err); got != (class{c.category, c.retriable, c.hint}) {
				t.Errorf("%v: %+v", err, got)
			}
		}
	}
}

// TestFailure: the innermost operation stays, only "fenced" is ErrFenced, and the broker's code can be asked for.
func TestFailure(t *testing.T) {
	inner := failure("produce t-1", kafka.NotLeaderForPartition)
	if got := failure("commit transaction", fmt.Errorf("closing: %w", inner)); got != inner {
		t.Errorf("the operation is %q, want that of the innermost error", got.Op)
	}
	if want := "produce t-1: " + kafka.NotLeaderForPartition.Error() + " (" + hintLeader + ")"; inner.Error() != want {
		t.Errorf("%q, want %q", inner.Error(), want)
	}
	if e := failure("end", kafka.InvalidTransactionState); e.Error() != "end: "+kafka.InvalidTransactionState.Error() {
		t.Errorf("without a hint: %q", e.Error())
	}
	for code, c := range classes {
		e := failure("ask", code)
		if errors.Is(e, ErrFenced) != (c.category == Fenced) || !errors.Is(e, code) || e.retriable != c.retriable || e.Hint != c.hint {
			t.Errorf("%v: %+v", code, e)
		}
	}
}

// TestEndedBy: the cause takes the place of the context's own error, and goes before any other. Only a caller who left, or Close, makes
// the category canceled: a deadline leaves the category of what it was waited for.
func TestEndedBy(t *testing.T) {
	errLate := errors.New("too late")
	for _, c := range []struct {
		cause, err error
		text       string
		category   Category
	}{
		{context.Canceled, kafka.NotCoordinatorForGroup, "context canceled: [16] ", Canceled},
		{errClosed, context.Canceled, "producer is closed", Canceled},
		{errClosed, io.EOF, "producer is closed: EOF", Canceled},
		{errLate, context.DeadlineExceeded, "too late", Timeout},
		{errLate, kafka.NotLeaderForPartition, "too late: [6] ", Leader},
		{context.DeadlineExceeded, kafka.BrokerNotAvailable, "context deadline exceeded: [8] ", Connection},
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(c.cause)
		e := failure("ask", c.err).endedBy(ctx)
		if !strings.HasPrefix(e.Err.Error(), c.text) || e.Category != c.category || !errors.Is(e, c.cause) {
			t.Errorf("%v after %v: %q, category %s", c.cause, c.err, e.Err, e.Category)
		}
		if own := errors.Is(c.err, context.Canceled) || errors.Is(c.err, context.DeadlineExceeded); own != (e.Err == c.cause) {
			t.Errorf("%v after %v: %q", c.cause, c.err, e.Err)
		}
	}
}

// TestPermissions: an error about a permission gets the command that adds it; another one, or none, stays as it is.
func TestPermissions(t *testing.T) {
	c := &cluster{sockets: newSockets(Cluster{Brokers: []string{"kafka:9092", "other:9092"}})}
	for code, add := range map[kafka.Error]struct {
		add  func(error) error
		hint string
	}{
		kafka.TopicAuthorizationFailed: {func(err error) error { return c.onTopic(err, "a.b", "Read", "Write") }, "needs Read and Write on topic a.b: kafka-acls.sh " +
			"--bootstrap-server kafka:9092 --add --allow-principal User:ANONYMOUS --operation Read --operation Write --topic a.b"},
		kafka.GroupAuthorizationFailed: {func(err error) error { return c.onGroup(err, "g") }, "needs Read on group g: kafka-acls.sh " +
			"--bootstrap-server kafka:9092 --add --allow-principal User:ANONYMOUS --operation Read --group g"},
		kafka.TransactionalIDAuthorizationFailed: {func(err error) error { return c.onTransactionalID(err, "id") }, "needs Write on transactional id id: kafka-acls.sh " +
			"--bootstrap-server kafka:9092 --add --allow-principal User:ANONYMOUS --operation Write --transactional-id id"},
	} {
		err := add.add(fmt.Errorf("partition 3: %w", code))
		if e := failure("ask", err); e.Category != Denied || e.retriable || !strings.HasSuffix(e.Hint, add.hint) || !errors.Is(e, code) {
			t.Errorf("%v: %v", code, e)
		}
		if !strings.HasPrefix(err.Error(), "partition 3: ") {
			t.Errorf("%v: the broker's error became %q", code, err)
		}
		if add.add(nil) != nil || add.add(errBroken) != errBroken || add.add(kafka.ClusterAuthorizationFailed) != kafka.ClusterAuthorizationFailed {
			t.Errorf("%v: an error about something else is changed", code)
		}
	}
}

// grantingLogin is a login whose users have no ACLs.
type grantingLogin struct{ UserPassword }

func (grantingLogin) Grant(resource string, operations []string) string {
	return "grant " + strings.Join(operations, ",") + " on " + resource
}

// TestAllow: the command works in a shell as it is written, whatever the names, and a login without ACLs has its own word.
func TestAllow(t *testing.T) {
	user := func(name string) Cluster {
		return Cluster{Brokers: []string{"b:1"}, SASL: UserPassword{Username: name}}
	}
	const acls = "kafka-acls.sh --bootstrap-server b:1 --command-config admin.properties --add --allow-principal "
	for _, c := range []struct {
		to         Cluster
		kind       string
		names      []string
		operations []string
		want       string
	}{
		{user("me"), "topic", []string{"a", "b"}, []string{"Read", "Describe"}, acls + "User:me --operation Read --operation Describe --topic a --topic b"},
		{user("me"), "topic", []string{"a*"}, []string{"Read"}, acls + "User:me --operation Read --resource-pattern-type prefixed --topic a"},
		{user("me"), "cluster", nil, []string{"Create"}, acls + "User:me --operation Create --cluster"},
		{user("it's me"), "group", []string{"g"}, []string{"Read"}, acls + `'User:it'\''s me' --operation Read --group g`},
		{user("$(rm)"), "group", []string{"g"}, []string{"Read"}, acls + `'User:$(rm)' --operation Read --group g`},
		{Cluster{Brokers: []string{"b:1"}, SASL: Bearer{}}, "group", []string{"g"}, []string{"Read"}, acls + "User:NAME --operation Read --group g"},
		{Cluster{Brokers: []string{"b:1"}}, "group", []string{"g"}, []string{"Read"}, "kafka-acls.sh --bootstrap-server b:1 --add --allow-principal User:ANONYMOUS --operation Read --group g"},
		{Cluster{Brokers: []string{"b:1"}, SASL: grantingLogin{}}, "topic", []string{"a"}, []string{"Read", "Write"}, "grant Read,Write on topic"},
	} {
		if got := c.to.Allow(c.kind, c.names, c.operations...); got != c.want {
			t.Errorf("%s of %v:\n%s, want\n%s", c.kind, c.names, got, c.want)
		}
	}
	if got, want := user("me").Alter("t", "a=b"), "kafka-configs.sh --bootstrap-server b:1 --command-config admin.properties --alter --entity-type topics --entity-name t --add-config a=b"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
