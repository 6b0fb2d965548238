package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/producer"
)

// topicWorld is the state of the topics.
type topicWorld struct {
	states    []producer.TopicState
	creations map[string]producer.Creation // outcomes of trying to create them, by name; nil if that was not tried
}

func (k *cluster) topics(ctx context.Context) {
	wanted := worker.Topics(k.Accounts[0].Config) // the same for all
	states, err := k.to.Topics(ctx, wanted)
	if err != nil {
		k.say(failed(Line{Area: Topics, Subject: "all"}, err))
		k.say(Line{Area: Permissions, Subject: "topics", State: Skip, Says: "the topics are not known"})
		return
	}
	w := topicWorld{states: states}
	k.found = states
	if k.Process.TopicCreate {
		if w.creations, err = k.to.MayCreate(ctx, wanted); err != nil {
			k.say(k.failedAfter(Line{Area: Topics, Subject: "creation"}, err))
		}
	}
	for _, s := range states {
		k.topic(s, w.creations)
	}
	k.topicPermissions(w)
}

// topic reports all that is wrong with a topic, or that it is OK.
func (k *cluster) topic(s producer.TopicState, creations map[string]producer.Creation) {
	l := Line{Area: Topics, Subject: s.Name}
	switch denied := isDenied(s.Err); {
	case denied:
		l.State, l.Says = Skip, "Describe is denied"
		k.say(l)
	case s.Err != nil:
		k.say(failed(l, s.Err))
	case s.Missing:
		k.missing(l, s, creations)
	default:
		k.existing(l, s)
	}
}

func isDenied(err error) bool {
	e, ok := errors.AsType[*producer.Error](err)
	return ok && e.Category == producer.Denied
}

func (k *cluster) missing(l Line, s producer.TopicState, creations map[string]producer.Creation) {
	switch c, tried := creations[s.Name]; {
	case !k.Process.TopicCreate:
		l.State, l.Says, l.Do = Fail, "does not exist", "set TOPIC_CREATE=true, or "+s.Command()
	case !tried:
		l.State, l.Says = Skip, "does not exist; it is not known whether it can be created"
	case isDenied(c.Err):
		l.State, l.Says, l.Do = Fail, "does not exist, and Create is denied", "allow it (see permissions below), or "+s.Command()
	case c.Err != nil:
		l = failed(l, c.Err)
		l.Says = "does not exist and cannot be created: " + l.Says
	default:
		l.State, l.Says = OK, "does not exist yet; will be created"
		k.wouldBe(l, s, c)
		return
	}
	k.say(l)
}

// wouldBe reports a topic that the worker will create.
func (k *cluster) wouldBe(l Line, s producer.TopicState, c producer.Creation) {
	s.Replicas, s.Partitions = c.Replication, c.Partitions
	s.MinInSync, _ = strconv.Atoi(c.Config["min.insync.replicas"])
	s.UncleanVote = c.Config["unclean.leader.election.enable"] == "true"
	l.Says += replicas(s)
	k.say(l)
	k.durability(l, s)
}

func replicas(s producer.TopicState) string {
	if s.Replicas == 0 { // older brokers do not return them
		return ""
	}
	return fmt.Sprintf(", partitions %d, replicas %d, min.insync.replicas %d", s.Partitions, s.Replicas, s.MinInSync)
}

func (k *cluster) existing(l Line, s producer.TopicState) {
	before := len(k.lines)
	for _, err := range s.Wrong {
		k.say(failed(l, err))
	}
	if s.Unread != nil {
		k.unread(l, s)
		return
	}
	if k.Process.Topics().Kind(s.Name) != encoder.KindState {
		for _, loss := range worker.Losses(k.farthest(), s.Name, s.Compacts, s.Retention) {
			l.State, l.Says, l.Do = Warn, loss.Text+": "+loss.Hint, k.at.Alter(s.Name, k.remedy(loss.Setting))
			k.say(l)
		}
	}
	k.size(l, s)
	k.durability(l, s)
	if len(k.lines) > before {
		return
	}
	l.State, l.Says, l.Do = OK, strings.TrimPrefix(replicas(s), ", ")+", "+kept(s), ""
	k.say(l)
}

// unread reports a topic whose settings could not be read.
func (k *cluster) unread(l Line, s producer.TopicState) {
	if isDenied(s.Unread) {
		l.State, l.Says = Skip, "DescribeConfigs is denied"
	} else {
		l = failed(l, s.Unread)
	}
	k.say(l)
}

func kept(s producer.TopicState) string {
	switch {
	case s.Compacts:
		return "compacted"
	case s.Retention == math.MaxInt64:
		return "kept for ever"
	}
	return "kept for " + short(s.Retention)
}

// remedy returns the setting that prevents a loss.
func (k *cluster) remedy(setting string) string {
	if setting != "retention.ms" {
		return setting + "=delete"
	}
	return fmt.Sprintf("%s=%d", setting, (horizon(k.farthest()) + 24*time.Hour).Milliseconds())
}

// farthest returns the account with the longest horizon.
func (k *cluster) farthest() *config.Config {
	return slices.MaxFunc(k.Accounts, func(a, b config.AccountFile) int { return cmp.Compare(horizon(a.Config), horizon(b.Config)) }).Config
}

func horizon(c *config.Config) time.Duration { return c.Reread[len(c.Reread)-1].Age }

// smallTopic is about Kafka's default of max.message.bytes.
const smallTopic = 1 << 20

// size reports a topic whose max.message.bytes is small.
func (k *cluster) size(l Line, s producer.TopicState) {
	l.Do = k.at.Alter(s.Name, "max.message.bytes="+cmp.Or(s.Config["max.message.bytes"], strconv.Itoa(1048588)))
	switch letters := k.Process.Topics().Kind(s.Name) == encoder.KindDeadLetter; {
	case letters && s.MaxBytes < worker.SmallestDeadLetters:
		l.State, l.Says = Fail, fmt.Sprintf("has max.message.bytes=%d: too small even for parts of dead letters", s.MaxBytes)
	case s.MaxBytes < smallTopic:
		l.State, l.Says = Warn, fmt.Sprintf("has max.message.bytes=%d: a larger record %s", s.MaxBytes, whatIsLarger(k.Process.Topics().Kind(s.Name)))
	default:
		return
	}
	k.say(l)
}

func whatIsLarger(kind encoder.Kind) string {
	switch kind {
	case encoder.KindConversation:
		return "becomes a dead letter"
	case encoder.KindDeadLetter:
		return "is cut into more parts"
	}
	return "blocks all commits"
}

// durability reports a topic that loses records, or blocks commits, when few brokers fail.
func (k *cluster) durability(l Line, s producer.TopicState) {
	warn := func(do, format string, args ...any) {
		l.State, l.Says, l.Do = Warn, fmt.Sprintf(format, args...), do
		k.say(l)
	}
	switch {
	case s.Replicas == 0: // not known
	case s.Replicas == 1:
		warn("create it with three replicas (TOPIC_REPLICATION=3), or add replicas with kafka-reassign-partitions.sh", "has one replica: its records are lost with that broker's disk")
	case s.MinInSync == 1:
		warn(k.at.Alter(s.Name, "min.insync.replicas=2"), "has min.insync.replicas=1: committed records may be on one broker only")
	case s.MinInSync > s.Replicas:
		l.State, l.Says, l.Do = Fail, fmt.Sprintf("has %d replicas and min.insync.replicas=%d: nothing can be written", s.Replicas, s.MinInSync), k.at.Alter(s.Name, fmt.Sprintf("min.insync.replicas=%d", s.Replicas-1))
		k.say(l)
	case !s.Missing && s.InSync < s.MinInSync:
		l.State, l.Says, l.Do = Fail, fmt.Sprintf("has %d replicas in sync and min.insync.replicas=%d: nothing can be written now", s.InSync, s.MinInSync), "check that the brokers are up"
		k.say(l)
	}
	if s.UncleanVote {
		warn(k.at.Alter(s.Name, "unclean.leader.election.enable=false"), "has unclean.leader.election.enable=true: a broker without the latest committed records may become leader")
	}
}
