package check

import (
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/convstream/convstream/producer"
)

// topicOperations are the operations that a worker needs on every topic. Read and Write imply Describe.
var topicOperations = []kafka.ACLOperationType{
	kafka.ACLOperationTypeRead, kafka.ACLOperationTypeWrite, kafka.ACLOperationTypeDescribeConfigs,
}

// topicPermissions reports for each operation on which topics it is denied.
func (k *cluster) topicPermissions(w topicWorld) {
	for _, op := range topicOperations {
		var denied []string
		known := false
		for _, s := range w.states {
			is, isKnown := deniedOf(s, op)
			if known = known || isKnown; is {
				denied = append(denied, s.Name)
			}
		}
		k.topicPermission(op, denied, len(w.states), known)
	}
	if w.creations != nil {
		k.mayCreate(w)
	}
}

// deniedOf reports whether an operation on a topic is denied, and whether that is known.
func deniedOf(s producer.TopicState, op kafka.ACLOperationType) (denied, known bool) {
	switch {
	case isDenied(s.Err): // not even Describe is allowed
		return op != kafka.ACLOperationTypeDescribeConfigs, op != kafka.ACLOperationTypeDescribeConfigs
	case op == kafka.ACLOperationTypeDescribeConfigs && s.Unread != nil:
		return isDenied(s.Unread), true
	case s.Operations.Known():
		return !s.Operations.Allows(op), true
	}
	return false, false
}

func (k *cluster) topicPermission(op kafka.ACLOperationType, denied []string, of int, known bool) {
	l := Line{Area: Permissions, Subject: "topics " + op.String(), State: OK, Says: "allowed"}
	switch {
	case len(denied) > 0:
		l.State, l.Says, l.Do = Fail, "denied on "+all(denied, of), k.allowTopics(denied, of, op)
	case !known:
		l.State, l.Says = Skip, "not known: the brokers did not answer that"
	}
	k.say(l)
}

// mayCreate reports whether topics may be created; if all exist, a denial is only a warning.
func (k *cluster) mayCreate(w topicWorld) {
	l := Line{Area: Permissions, Subject: "topics Create", State: OK, Says: "allowed"}
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
		l.Says, l.Do = "denied on "+all(denied, len(w.states)), k.allowTopics(denied, len(w.states), kafka.ACLOperationTypeCreate)
		if !missing {
			l.Says += "; they exist, but could not be created again if they were deleted"
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

// allowTopics returns the command that allows an operation on some of the topics.
func (k *cluster) allowTopics(names []string, of int, op kafka.ACLOperationType) string {
	allowed := names
	if len(names) == of {
		allowed = []string{k.Process.TopicPrefix + "*"}
	}
	return k.permit("topic", names, allowed, op.String())
}

// permit returns the remedy for denied operations on resources: the commands that remove the ACLs that deny them, if the brokers list
// any, otherwise the command that allows them.
func (k *cluster) permit(kind string, names, allowed []string, ops ...string) string {
	denials, _ := k.denials() // an error is reported once, by hidden
	var commands []string
	for _, d := range denials {
		denies := slices.ContainsFunc(names, func(name string) bool {
			return slices.ContainsFunc(ops, func(op string) bool { return d.Denies(kind, name, op) })
		})
		if denies {
			commands = append(commands, k.at.Withdraw(d))
		}
	}
	if len(commands) > 0 {
		return "an ACL of type DENY takes precedence: " + strings.Join(commands, "; ")
	}
	return k.at.Allow(kind, allowed, ops...)
}

// hidden reports that ACLs of type DENY could not be listed, if something is denied.
func (k *cluster) hidden() {
	list := k.at.ListACLs()
	if !slices.ContainsFunc(k.lines, func(l Line) bool { return l.Area == Permissions && l.State != OK && l.State != Skip }) || list == "" {
		return
	}
	if _, err := k.denials(); err != nil {
		k.say(Line{Area: Permissions, Subject: "ACLs of type DENY", State: Skip, Says: "cannot be listed; one of them may deny what is denied above, even if it is allowed", Do: list})
	}
}

// denied reports operations that are denied on a resource, with the command that allows them.
func (k *cluster) denied(kind, name string, ops []kafka.ACLOperationType) Line {
	operations := namesOf(ops)
	return Line{
		Area: Permissions, Subject: strings.ReplaceAll(kind, "-", " ") + " " + name, State: Fail,
		Says: strings.Join(operations, " and ") + " denied", Do: k.permit(kind, []string{name}, []string{name}, operations...),
	}
}

func namesOf(ops []kafka.ACLOperationType) (names []string) {
	for _, op := range ops {
		names = append(names, op.String())
	}
	return names
}
