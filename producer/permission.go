package producer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"
)

// permission is what an ACL allows, in the words of kafka-acls.sh.
type permission struct {
	resource   string // topic, group or transactional-id
	name       string
	operations []string
}

// deniedError is a broker's refusal, and the permission that ends it.
type deniedError struct {
	permission
	to  Cluster
	err error
}

func (e *deniedError) Error() string { return e.err.Error() }
func (e *deniedError) Unwrap() error { return e.err }

// onTopic names what the principal lacks on the topic, where that is what err says. So do the others for what they are named after.
func (c *cluster) onTopic(err error, topic string, operations ...string) error {
	return c.lacking(err, kafka.TopicAuthorizationFailed, permission{"topic", topic, operations})
}

func (c *cluster) onGroup(err error, group string) error {
	return c.lacking(err, kafka.GroupAuthorizationFailed, permission{"group", group, []string{"Read"}})
}

func (c *cluster) onTransactionalID(err error, id string) error {
	return c.lacking(err, kafka.TransactionalIDAuthorizationFailed, permission{"transactional-id", id, []string{"Write"}})
}

func (c *cluster) lacking(err error, code kafka.Error, p permission) error {
	if !errors.Is(err, code) {
		return err
	}
	return &deniedError{p, c.sockets.to, err}
}

// hint is the command that gives the permission.
func (e *deniedError) hint() string {
	what := fmt.Sprintf("the principal needs %s on %s %s", strings.Join(e.operations, " and "), strings.ReplaceAll(e.resource, "-", " "), e.name)
	command := []string{"kafka-acls.sh", "--bootstrap-server", e.to.Brokers[0], "--add", "--allow-principal", e.to.principal()}
	for _, o := range e.operations {
		command = append(command, "--operation", o)
	}
	return what + ": " + strings.Join(append(command, "--"+e.resource, e.name), " ")
}

// principal is how the brokers call us, as far as that is known here: they may have rules that make another name of a certificate's.
func (to Cluster) principal() string {
	user, known := to.SASL.(UserPassword)
	switch {
	case known:
		return "User:" + user.Username
	case to.SASL != nil:
		return "User:NAME"
	case to.TLS == nil || to.TLS.CertFile == "":
		return "User:ANONYMOUS"
	}
	own, err := to.TLS.own()
	if err != nil {
		return "User:NAME"
	}
	return "'User:" + own.Leaf.Subject.String() + "'"
}
