package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// Operations are what the principal may do with a resource, as bits by the numbers of ACL operations.
type Operations int32

// unknownOperations is what brokers say that do not tell, as those that are older than 2.3.
const unknownOperations Operations = math.MinInt32

// Known reports whether the brokers told.
func (o Operations) Known() bool { return o != unknownOperations }

// Allows reports whether the operation is among them.
func (o Operations) Allows(op kafka.ACLOperationType) bool { return o&(1<<op) != 0 }

// TopicState is a topic as the cluster has it. Where Err is not nil nothing else is known, where it is Missing only the
// operations are; Replicas and InSync are those of the partition that has the fewest.
type TopicState struct {
	Topic
	Err        error // it may not be seen, or has no leader
	Missing    bool
	Partitions int
	Replicas   int
	InSync     int
	Operations Operations
	TopicSettings
}

// TopicSettings are a topic's settings as the cluster has them. What is not known is zero.
type TopicSettings struct {
	Unread      error // why they are not known; nil if they are
	Wrong       []error
	Compacts    bool
	Retention   time.Duration // the longest there is for no limit
	MaxBytes    int
	MinInSync   int
	UncleanVote bool // a replica that lacks records may become the leader
}

// leaderPatience is for topics that have just been made, and for leaders that change.
const leaderPatience = 8 * time.Second

// Topics looks at topics. It waits a while for those without a leader.
func (i *Inspector) Topics(ctx context.Context, topics []Topic) (states []TopicState, err error) {
	patience, cancel := context.WithTimeout(ctx, leaderPatience)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		states, err = i.topicsNow(ctx, topics)
		if err != nil || !slices.ContainsFunc(states, TopicState.leaderless) || !sleep(patience, jitter(pause)) {
			return states, err
		}
	}
}

func (s TopicState) leaderless() bool {
	e, ok := errors.AsType[*Error](s.Err)
	return ok && e.Category == Leader
}

func (i *Inspector) topicsNow(ctx context.Context, topics []Topic) (states []TopicState, err error) {
	req := &metadata.Request{IncludeTopicAuthorizedOperations: true}
	for _, t := range topics {
		req.TopicNames = append(req.TopicNames, t.Name)
	}
	err = i.anywhere(ctx, "look up topics", func(x *exchange) error {
		res, err := x.metadata(req)
		if err != nil {
			return err
		}
		states = statesOf(topics, res, x.versions[req.ApiKey()], i.to)
		return x.readSettings(states)
	})
	return states, err
}

// sinceOperations is the version of Metadata that has the authorized operations.
const sinceOperations = 8

func statesOf(topics []Topic, res *metadata.Response, version int16, to Cluster) []TopicState {
	states := make([]TopicState, len(topics))
	for n, t := range topics {
		s := &states[n]
		s.Topic, s.Operations = t, unknownOperations
		at := slices.IndexFunc(res.Topics, func(r metadata.ResponseTopic) bool { return r.Name == t.Name })
		if at < 0 {
			s.Err = failure("topic "+t.Name, errors.New("the broker does not tell of it"))
			continue
		}
		is := res.Topics[at]
		if version >= sinceOperations {
			s.Operations = Operations(is.TopicAuthorizedOperations)
		}
		switch err := brokerError(is.ErrorCode); {
		case errors.Is(err, kafka.UnknownTopicOrPartition):
			s.Missing = true
		case err != nil:
			s.Err = failure("topic "+t.Name, err)
		default:
			s.replicas(is.Partitions)
			s.leaders(is.Partitions, to)
		}
	}
	return states
}

func (s *TopicState) replicas(partitions []metadata.ResponsePartition) {
	s.Partitions, s.Replicas, s.InSync = len(partitions), math.MaxInt, math.MaxInt
	for _, p := range partitions {
		s.Replicas, s.InSync = min(s.Replicas, len(p.ReplicaNodes)), min(s.InSync, len(p.IsrNodes))
	}
}

// leaders sets Err where a partition has none.
func (s *TopicState) leaders(partitions []metadata.ResponsePartition, to Cluster) {
	byNumber := slices.SortedFunc(slices.Values(partitions), func(a, b metadata.ResponsePartition) int { return cmp.Compare(a.PartitionIndex, b.PartitionIndex) })
	for _, p := range byNumber {
		err := brokerError(p.ErrorCode)
		if err == nil || errors.Is(err, kafka.ReplicaNotAvailable) { // that one still has a leader
			continue
		}
		e := failure("topic "+s.Name, fmt.Errorf("partition %d: %w", p.PartitionIndex, err))
		if errors.Is(err, kafka.LeaderNotAvailable) {
			e.Err = fmt.Errorf("partition %d has no leader: %w", p.PartitionIndex, err)
			e.Hint = fmt.Sprintf("bring back %s; kafka-topics.sh %s --describe --topic %s --unavailable-partitions shows all", brokersOf(p.ReplicaNodes), to.admin(), s.Name)
		}
		s.Err = e
		return // the first says enough
	}
}

func brokersOf(ids []int32) string {
	var names []string
	for _, id := range ids {
		names = append(names, strconv.Itoa(int(id)))
	}
	if len(names) == 0 {
		return "a broker that holds it"
	}
	return "one of the brokers that hold it: " + strings.Join(names, ", ")
}

// readSettings reads the settings of the topics that are there.
func (x *exchange) readSettings(states []TopicState) error {
	req := &describeconfigs.Request{}
	for _, s := range states {
		if s.Err == nil && !s.Missing {
			names := append(slices.Sorted(maps.Keys(s.Required)), cleanupPolicy, retentionMillis, maxMessageBytes, minInSync, uncleanElection)
			req.Resources = append(req.Resources, describeconfigs.RequestResource{
				ResourceType: int8(kafka.ResourceTypeTopic), ResourceName: s.Name, ConfigNames: names,
			})
		}
	}
	if len(req.Resources) == 0 {
		return nil
	}
	answer, err := x.roundTrip(req)
	if err != nil {
		return err
	}
	for _, r := range answer.(*describeconfigs.Response).Resources {
		at := slices.IndexFunc(states, func(s TopicState) bool { return s.Name == r.ResourceName })
		if at < 0 {
			continue
		}
		if err := brokerError(r.ErrorCode); err != nil {
			states[at].Unread = failure("read settings of topic "+r.ResourceName, err)
			continue
		}
		values := map[string]string{}
		for _, e := range r.ConfigEntries {
			values[e.ConfigName] = e.ConfigValue
		}
		states[at].configured(topicSettings{values: values})
	}
	return nil
}

func (s *TopicState) configured(is topicSettings) {
	s.Wrong = s.check(s.Partitions, is)
	s.Compacts, s.Retention, s.MaxBytes = strings.Contains(is.values[cleanupPolicy], "compact"), is.retention(), is.maxBytes()
	s.MinInSync, _ = strconv.Atoi(is.values[minInSync])
	s.UncleanVote = is.values[uncleanElection] == "true"
}

// Creation is what became of a topic that was not created, but for the asking. What is not known is zero.
type Creation struct {
	Err         error // nil if it would be created, or is there
	Partitions  int
	Replication int
	Config      map[string]string // settings that it would have
}

// MayCreate tries to create topics without creating them: each may be, or why not, by name.
func (i *Inspector) MayCreate(ctx context.Context, topics []Topic) (map[string]Creation, error) {
	controller, err := i.controller(ctx)
	if err != nil {
		return nil, err
	}
	req := &createtopics.Request{ValidateOnly: true, TimeoutMs: int32(i.to.Timeout.Milliseconds() / 2)}
	for _, t := range topics {
		wanted := createtopics.RequestTopic{Name: t.Name, NumPartitions: int32(t.partitions()), ReplicationFactor: int16(t.replication())}
		for _, e := range t.topicConfig().ConfigEntries {
			wanted.Configs = append(wanted.Configs, createtopics.RequestConfig{Name: e.ConfigName, Value: e.ConfigValue})
		}
		req.Topics = append(req.Topics, wanted)
	}
	out := map[string]Creation{}
	err = i.patiently(ctx, "try to create topics", func() error {
		return i.at(ctx, controller, func(x *exchange) error {
			answer, err := x.roundTrip(req)
			if err != nil {
				return err
			}
			for _, r := range answer.(*createtopics.Response).Topics {
				at := slices.IndexFunc(topics, func(t Topic) bool { return t.Name == r.Name })
				if at >= 0 {
					out[r.Name] = creationOf(topics[at], r)
				}
			}
			return nil
		})
	})
	return out, err
}

func (i *Inspector) controller(ctx context.Context) (address string, err error) {
	err = i.anywhere(ctx, "find the controller", func(x *exchange) error {
		res, err := x.metadata(&metadata.Request{TopicNames: []string{}})
		if err != nil {
			return err
		}
		for _, b := range res.Brokers {
			if b.NodeID == res.ControllerID {
				address = addressOf(b.Host, b.Port)
				return nil
			}
		}
		return kafka.NotController
	})
	return address, err
}

func creationOf(t Topic, r createtopics.ResponseTopic) Creation {
	c := Creation{Partitions: int(r.NumPartitions), Replication: int(r.ReplicationFactor), Config: map[string]string{}}
	if err := brokerError(r.ErrorCode); err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		c.Err = t.advise(failure("create topic "+t.Name, err))
	}
	for _, e := range r.Configs {
		c.Config[e.Name] = e.Value
	}
	return c
}

// Command is how to make the topic by hand.
func (t Topic) Command() string { return strings.TrimPrefix(t.command(), "create it: ") }
