package check

import (
	"slices"
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
	allowed := names
	if len(names) == of {
		allowed = []string{k.Process.TopicPrefix + "*"}
	}
	return k.permit("topic", names, allowed, op.String())
}

// permit is what to do about operations on resources that are denied: to remove the ACLs that deny them, where the brokers tell of such,
// else to allow them.
func (k *cluster) permit(kind string, names, allowed []string, ops ...string) string {
	denials, _ := k.denials() // who may not see them is told so once, see hidden
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
		return "an ACL of type DENY has the last word: " + strings.Join(commands, "; ")
	}
	return k.at.Allow(kind, allowed, ops...)
}

// hidden says that something may be denied though it is allowed, where something is denied and ACLs may not be seen.
func (k *cluster) hidden() {
	list := k.at.ListACLs()
	if !slices.ContainsFunc(k.lines, func(l Line) bool { return l.Area == Rights && l.State != OK && l.State != Skip }) || list == "" {
		return
	}
	if _, err := k.denials(); err != nil {
		k.say(Line{Area: Rights, Subject: "ACLs of type DENY", State: Skip, Says: "may not be seen; what is denied above may be allowed already, and one of these has the last word", Do: list})
	}
}

// denied says what is denied with a resource, and how to allow it.
func (k *cluster) denied(kind, name string, ops []kafka.ACLOperationType) Line {
	operations := namesOf(ops)
	return Line{
		Area: Rights, Subject: strings.ReplaceAll(kind, "-", " ") + " " + name, State: Fail,
		Says: strings.Join(operations, " and ") + " denied", Do: k.permit(kind, []string{name}, []string{name}, operations...),
	}
}

func namesOf(ops []kafka.ACLOperationType) (names []string) {
	for _, op := range ops {
		names = append(names, op.String())
	}
	return names
}
