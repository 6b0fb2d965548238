package producer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/segmentio/kafka-go"
)

// permission is what an ACL allows, in the terms of kafka-acls.sh.
type permission struct {
	resource   string // topic, group or transactional-id
	name       string
	operations []string
}

// deniedError is an authorization error of a broker, with the permission that is missing.
type deniedError struct {
	permission
	to  Cluster
	err error
}

// Error returns the broker's error.
func (e *deniedError) Error() string { return e.err.Error() }

// Unwrap returns the broker's error.
func (e *deniedError) Unwrap() error { return e.err }

// onTopic adds the permission on the topic that the principal lacks, if err is about one. onGroup and onTransactionalID do the same.
func (c *cluster) onTopic(err error, topic string, operations ...string) error {
	return c.withPermission(err, kafka.TopicAuthorizationFailed, permission{"topic", topic, operations})
}

func (c *cluster) onGroup(err error, group string) error {
	return c.withPermission(err, kafka.GroupAuthorizationFailed, permission{"group", group, []string{"Read"}})
}

func (c *cluster) onTransactionalID(err error, id string) error {
	return c.withPermission(err, kafka.TransactionalIDAuthorizationFailed, permission{"transactional-id", id, []string{"Write"}})
}

func (c *cluster) withPermission(err error, code kafka.Error, p permission) error {
	if !errors.Is(err, code) {
		return err
	}
	return &deniedError{p, c.sockets.to, err}
}

// granter is a Mechanism whose users have no ACLs. Grant says how the operations on a resource are allowed there.
type granter interface {
	Grant(resource string, operations []string) string
}

// hint returns the command that adds the permission.
func (e *deniedError) hint() string {
	what := fmt.Sprintf("the principal needs %s on %s %s", strings.Join(e.operations, " and "), strings.ReplaceAll(e.resource, "-", " "), e.name)
	return what + ": " + e.to.Allow(e.resource, []string{e.name}, e.operations...)
}

// Allow returns how our principal is allowed operations on resources of a kind: topic, group, transactional-id, or cluster, which has
// no name. A name that ends in * stands for all that begin like that. It is a command, where the login's users have ACLs.
func (to Cluster) Allow(kind string, names []string, operations ...string) string {
	if g, ok := to.SASL.(granter); ok {
		return g.Grant(kind, operations)
	}
	command := []string{"kafka-acls.sh", to.admin(), "--add", "--allow-principal", to.principal()}
	for _, o := range operations {
		command = append(command, "--operation", o)
	}
	if len(names) == 0 {
		command = append(command, "--"+kind)
	}
	for _, name := range names {
		if prefix, all := strings.CutSuffix(name, "*"); all {
			command, name = append(command, "--resource-pattern-type", "prefixed"), prefix
		}
		command = append(command, "--"+kind, name)
	}
	return strings.Join(command, " ")
}

// Alter returns the command that changes a setting of a topic, given as name=value.
func (to Cluster) Alter(topic, setting string) string {
	return fmt.Sprintf("kafka-configs.sh %s --alter --entity-type topics --entity-name %s --add-config %s", to.admin(), topic, setting)
}

// admin is how the brokers' own tools reach them: with a login of theirs, where the listeners want one.
func (to Cluster) admin() string {
	if to.TLS != nil || to.SASL != nil {
		return "--bootstrap-server " + to.Brokers[0] + " --command-config admin.properties"
	}
	return "--bootstrap-server " + to.Brokers[0]
}

// unknownPrincipal stands for one that only the brokers know.
const unknownPrincipal = "User:NAME"

// principal returns our principal as far as it is known here: brokers may map a certificate's name to another one.
func (to Cluster) principal() string {
	user, known := to.SASL.(UserPassword)
	switch {
	case known:
		return quoted("User:" + user.Username)
	case to.SASL != nil:
		return unknownPrincipal
	case to.TLS == nil || to.TLS.CertFile == "":
		return "User:ANONYMOUS"
	}
	own, err := to.TLS.clientCertificate()
	if err != nil {
		return unknownPrincipal
	}
	return quoted("User:" + own.Leaf.Subject.String())
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.:@/+-]+$`)

// quoted returns a word of a command as a shell takes it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
