package check

import (
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/convstream/convstream/producer"
)

// topicOperations are what a worker does with every topic. It describes them, too; to read and to write allow that.
var topicOperations = []kafka.ACLOperationType{
	kafka.ACLOperationTypeRead, kafka.ACLOperationTypeWrite, kafka.ACLOperationTypeDescribeConfigs,
}

// topicRights says of each operation with which topics it is denied, a line for each.
func (k *cluster) topicRights(w topicWorld) {
	for _, op := range topicOperations {
		var denied []string
		known := false
		for _, s := range w.states {
			is, told := deniedOf(s, op)
			if known = known || told; is {
				denied = append(denied, s.Name)
			}
		}
		k.topicRight(op, denied, len(w.states), known)
	}
	if w.creations != nil {
		k.mayCreate(w)
	}
}

// deniedOf reports whether an operation with a topic is denied, and whether that is known.
func deniedOf(s producer.TopicState, op kafka.ACLOperationType) (denied, told bool) {
	switch {
	case isDenied(s.Err): // it may not even be described
		return op != kafka.ACLOperationTypeDescribeConfigs, op != kafka.ACLOperationTypeDescribeConfigs
	case op == kafka.ACLOperationTypeDescribeConfigs && s.Unread != nil:
		return isDenied(s.Unread), true
	case s.Operations.Known():
		return !s.Operations.Allows(op), true
	}
	return false, false
}

func (k *cluster) topicRight(op kafka.ACLOperationType, denied []string, of int, known bool) {
	l := Line{Area: Rights, Subject: "topics " + op.String(), State: OK, Says: "allowed"}
	switch {
	case len(denied) > 0:
		l.State, l.Says, l.Do = Fail, "denied with "+all(denied, of), k.allowTopics(denied, of, op)
	case !known:
		l.State, l.Says = Skip, "the brokers do not tell"
	}
	k.say(l)
}

// mayCreate needs no more than a warning where all topics are there.
func (k *cluster) mayCreate(w topicWorld) {
	l := Line{Area: Rights, Subject: "topics Create", State: OK, Says: "allowed"}
	var denied []string
	missing := false
	for _, s := range w.states {
		if isDenied(w.creations[s.Name].Err) {
			denied = append(denied, s.Name)
			missing = missing || s.Missing || s.Err != nil
		}
	}
	switch {
	case missing:
		l.State = Fail
	case len(denied) > 0:
		l.State = Warn
	}
	if len(denied) > 0 {
		l.Says, l.Do = "denied with "+all(denied, len(w.states)), k.allowTopics(denied, len(w.states), kafka.ACLOperationTypeCreate)
		if !missing {
			l.Says += "; they exist, and would not be made again if they were deleted"
		}
	}
	k.say(l)
}

func all(names []string, of int) string {
	if len(names) == of {
		return "all topics"
	}
	return strings.Join(names, ", ")
}

// allowTopics is how an operation with some topics is allowed.
func (k *cluster) allowTopics(names []string, of int, op kafka.ACLOperationType) string {
	if len(names) == of {
		names = []string{k.Process.TopicPrefix + "*"}
	}
	return k.at.Allow("topic", names, op.String())
}

// denied says what is denied with a resource, and how to allow it.
func (k *cluster) denied(kind, name string, ops []kafka.ACLOperationType) Line {
	var operations []string
	for _, op := range ops {
		operations = append(operations, op.String())
	}
	return Line{
		Area: Rights, Subject: strings.ReplaceAll(kind, "-", " ") + " " + name, State: Fail,
		Says: strings.Join(operations, " and ") + " denied", Do: k.at.Allow(kind, []string{name}, operations...),
	}
}
