package producer

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestOperations(t *testing.T) {
	for op := range kafka.ACLOperationType(13) {
		only := Operations(1 << op)
		for other := range kafka.ACLOperationType(13) {
			if only.Allows(other) != (op == other) {
				t.Errorf("%v allows %v: %t", op, other, op != other)
			}
		}
		if !only.Known() {
			t.Errorf("%v alone counts as not known", op)
		}
	}
	if unknownOperations.Known() || !Operations(0).Known() {
		t.Error("what brokers do not tell is taken for nothing that is allowed, or the other way round")
	}
}

// partitionsOf returns partitions with these numbers of replicas and of those in sync.
func partitionsOf(sizes ...[2]int) (list []metadata.ResponsePartition) {
	for _, s := range sizes {
		list = append(list, metadata.ResponsePartition{ReplicaNodes: make([]int32, s[0]), IsrNodes: make([]int32, s[1])})
	}
	return list
}

// TestStatesOf: a topic's state from the answer about it, in the order of the question.
func TestStatesOf(t *testing.T) {
	offline := partitionsOf([2]int{3, 1}, [2]int{3, 1})
	offline[1].ErrorCode = int16(kafka.ReplicaNotAvailable)
	broken := partitionsOf([2]int{3, 1})
	broken[0].ErrorCode = int16(kafka.KafkaStorageError + 100)
	res := &metadata.Response{Topics: []metadata.ResponseTopic{
		{Name: "denied", ErrorCode: int16(kafka.TopicAuthorizationFailed), TopicAuthorizedOperations: 4},
		{Name: "there", Partitions: partitionsOf([2]int{3, 3}, [2]int{2, 2}, [2]int{3, 1}), TopicAuthorizedOperations: 8},
		{Name: "offline", Partitions: offline},
		{Name: "broken", Partitions: broken},
		{Name: "missing", ErrorCode: int16(kafka.UnknownTopicOrPartition), TopicAuthorizedOperations: 32},
	}}
	var asked []Topic
	for _, name := range []string{"there", "missing", "denied", "untold", "offline", "broken"} {
		asked = append(asked, Topic{Name: name})
	}
	states := statesOf(asked, res, sinceOperations, Cluster{})
	for i, want := range []TopicState{
		{Partitions: 3, Replicas: 2, InSync: 1, Operations: 8},
		{Missing: true, Operations: 32},
		{Operations: 4},
		{Operations: unknownOperations},
		{Partitions: 2, Replicas: 3, InSync: 1},
		{Partitions: 1, Replicas: 3, InSync: 1},
	} {
		s := states[i]
		if s.Name != asked[i].Name || s.Missing != want.Missing || s.Partitions != want.Partitions || s.Replicas != want.Replicas || s.InSync != want.InSync || s.Operations != want.Operations {
			t.Errorf("%s: %+v", asked[i].Name, s)
		}
		if wrong := slices.Contains([]string{"denied", "untold", "broken"}, s.Name); (s.Err != nil) != wrong || wrong && !strings.HasPrefix(s.Err.Error(), "topic "+s.Name+": ") {
			t.Errorf("%s: %v", s.Name, s.Err)
		}
	}
	if states = statesOf(asked[:1], res, sinceOperations-1, Cluster{}); states[0].Operations.Known() {
		t.Errorf("an answer that cannot have operations: %v", states[0].Operations)
	}
}

// TestStatesWithoutLeader: a topic that has just been made is asked for again; where that does not help, the partition is named, and the
// brokers that hold it.
func TestStatesWithoutLeader(t *testing.T) {
	for _, c := range []struct {
		topic, partition kafka.Error
		again            bool
		says, hint       string
	}{
		{topic: kafka.LeaderNotAvailable, again: true, says: "topic t: ", hint: hintLeader},
		{partition: kafka.LeaderNotAvailable, again: true, says: "topic t: partition 7 has no leader: ", hint: "bring back one of the brokers that hold it: 3, 5; kafka-topics.sh --bootstrap-server b:9092 --describe --topic t "},
		{partition: kafka.KafkaStorageError, again: true, says: "topic t: partition 7: ", hint: "disk"},
		{partition: kafka.TopicAuthorizationFailed, says: "topic t: partition 7: ", hint: "principal"},
	} {
		is := metadata.ResponseTopic{Name: "t", ErrorCode: int16(c.topic), Partitions: []metadata.ResponsePartition{{PartitionIndex: 7, ErrorCode: int16(c.partition), ReplicaNodes: []int32{3, 5}}}}
		states := statesOf([]Topic{{Name: "t"}}, &metadata.Response{Topics: []metadata.ResponseTopic{is}}, sinceOperations, Cluster{Brokers: []string{"b:9092"}})
		e, ok := errors.AsType[*Error](states[0].Err)
		if !ok || states[0].leaderless() != c.again || !strings.HasPrefix(e.Error(), c.says) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%v %v: asked again %v, %v, hint %v", c.topic, c.partition, states[0].leaderless(), states[0].Err, e)
		}
	}
}

// TestTopicConfigured: settings as the cluster has them, and what a worker requires of them.
func TestTopicConfigured(t *testing.T) {
	for _, c := range []struct {
		values map[string]string
		want   TopicSettings
		wrong  int
	}{
		{nil, TopicSettings{MaxBytes: defaultMaxMessageBytes}, 1},
		{map[string]string{cleanupPolicy: "compact", retentionMillis: "1000", maxMessageBytes: "5", minInSync: "2", uncleanElection: "true"},
			TopicSettings{Compacts: true, Retention: time.Second, MaxBytes: 5, MinInSync: 2, UncleanVote: true}, 0},
		{map[string]string{cleanupPolicy: "compact,delete", retentionMillis: "-1", minInSync: "all", uncleanElection: "false"},
			TopicSettings{Compacts: true, Retention: math.MaxInt64, MaxBytes: defaultMaxMessageBytes}, 1},
		{map[string]string{cleanupPolicy: "delete"}, TopicSettings{MaxBytes: defaultMaxMessageBytes}, 1},
	} {
		s := TopicState{Topic: topics[1], Partitions: 1}
		s.configured(topicSettings{values: c.values})
		if got := s.TopicSettings; got.Compacts != c.want.Compacts || got.Retention != c.want.Retention || got.MaxBytes != c.want.MaxBytes || got.MinInSync != c.want.MinInSync ||
			got.UncleanVote != c.want.UncleanVote || len(got.Wrong) != c.wrong || got.Unread != nil {
			t.Errorf("%v: %+v", c.values, got)
		}
	}
}

// TestCheck: every requirement that is not met has an error of its own, and what may not be read is one for all of them.
func TestCheck(t *testing.T) {
	want := Topic{Name: "t", OnePartition: true, Required: map[string]string{"b": "2", "a": "1"}}
	denied := topicSettings{denied: errBroken}
	for name, c := range map[string]struct {
		topic      Topic
		partitions int
		is         topicSettings
		texts      []string
	}{
		"right":                  {want, 1, topicSettings{values: map[string]string{"a": "1", "b": "2", "c": "3"}}, nil},
		"all wrong":              {want, 2, topicSettings{values: map[string]string{"b": "1"}}, []string{"has 2 partitions, needs exactly 1", "has a=, needs exactly 1", "has b=1, needs exactly 2"}},
		"not read":               {want, 1, denied, []string{"read settings of topic t: the wire was cut"}},
		"not read, and wrong":    {want, 2, denied, []string{"needs exactly 1", "read settings of topic t"}},
		"not read, not required": {Topic{Name: "t"}, 2, denied, nil},
	} {
		wrong := c.topic.check(c.partitions, c.is)
		if len(wrong) != len(c.texts) {
			t.Errorf("%s: %v", name, wrong)
			continue
		}
		for i, text := range c.texts {
			if e, ok := errors.AsType[*Error](wrong[i]); !ok || !strings.Contains(e.Error(), text) || e.Hint == "" || e.Category == Settings && e.Op != "topic t" {
				t.Errorf("%s: %v, want one with %q", name, wrong[i], text)
			}
		}
	}
}

// TestInspectorTopics looks at topics of all kinds in one question, and makes none of them.
func TestInspectorTopics(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.open()
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Err: kerr.TopicAuthorizationFailed, Topic: "secret", Count: -1},
			kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Resource: voice, Count: -1})
		asked := []Topic{topics[0], topics[1], {Name: "none"}, {Name: "secret"}}
		i := w.inspector()
		states, err := i.Topics(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		v, s, none, secret := states[0], states[1], states[2], states[3]
		if v.Err != nil || v.Partitions != 6 || v.Replicas != 3 || v.InSync != 3 || v.Unread == nil || v.MaxBytes != 0 || !v.Operations.Allows(kafka.ACLOperationTypeWrite) {
			t.Errorf("a topic whose settings may not be read: %+v", v)
		}
		if s.Err != nil || s.Unread != nil || !s.Compacts || s.MaxBytes != defaultMaxMessageBytes || s.Partitions != 1 || len(s.Wrong) > 0 {
			t.Errorf("the state: %+v", s)
		}
		if none.Err != nil || !none.Missing || none.Partitions != 0 || none.MaxBytes != 0 {
			t.Errorf("a topic that is missing: %+v", none)
		}
		if e, ok := errors.AsType[*Error](secret.Err); !ok || e.Category != Denied || secret.Missing {
			t.Errorf("a topic that may not be seen: %+v", secret)
		}
		if states, err = i.Topics(t.Context(), asked[2:]); err != nil || len(states) != 2 || w.kafka.TopicInfo("none") != nil {
			t.Errorf("none that has settings: %+v, %v; made: %t", states, err, w.kafka.TopicInfo("none") != nil)
		}
	})
}

// TestMayCreate: what would come of each topic, and nothing comes of it.
func TestMayCreate(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.open()
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Topic: "secret", Count: -1})
		got, err := w.inspector().MayCreate(t.Context(), []Topic{
			{Name: "new", Partitions: 4, Replication: 2, Config: map[string]string{"retention.ms": "5"}},
			{Name: "defaults", OnePartition: true}, {Name: "wide", Replication: 4}, {Name: "secret"}, {Name: voice, Partitions: 6}, {Name: "conversations_voice"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Creation{Partitions: 4, Replication: 2, Config: map[string]string{"retention.ms": "5"}}, got["new"]); diff != "" {
			t.Error(diff)
		}
		if c := got["defaults"]; c.Err != nil || c.Partitions != 1 || c.Replication != 3 {
			t.Errorf("with the brokers' defaults: %+v", c)
		}
		if c := got[voice]; c.Err != nil {
			t.Errorf("what is there: %v", c.Err)
		}
		for name, want := range map[string]struct {
			category Category
			hint     string
		}{"wide": {Settings, "TOPIC_REPLICATION is 4"}, "secret": {Denied, "kafka-topics.sh --create --topic secret"}, "conversations_voice": {Settings, "TOPIC_PREFIX"}} {
			if e, ok := errors.AsType[*Error](got[name].Err); !ok || e.Category != want.category || !strings.Contains(e.Hint, want.hint) || e.Op != "create topic "+name {
				t.Errorf("%s: %v", name, got[name].Err)
			}
		}
		for _, name := range []string{"new", "defaults", "wide", "secret", "conversations_voice"} {
			if w.kafka.TopicInfo(name) != nil {
				t.Errorf("%s was created", name)
			}
		}
	})
}

// TestCreationOf: a topic that exists could have been created.
func TestCreationOf(t *testing.T) {
	for code, fails := range map[kafka.Error]bool{0: false, kafka.TopicAlreadyExists: false, kafka.PolicyViolation: true, kafka.InvalidReplicationFactor: true} {
		c := creationOf(Topic{Name: "t"}, createtopics.ResponseTopic{Name: "t", ErrorCode: int16(code), NumPartitions: 7, ReplicationFactor: 2})
		if (c.Err != nil) != fails || fails && !errors.Is(c.Err, code) || c.Partitions != 7 || c.Replication != 2 || c.Config == nil {
			t.Errorf("%v: %+v", code, c)
		}
	}
}

// TestAdvise: what to do about a topic that could not be created, by cause.
func TestAdvise(t *testing.T) {
	topic := Topic{Name: "t", Partitions: 3, Replication: 5, Config: map[string]string{"b": "2", "a": "1"}}
	const command = "kafka-topics.sh --create --topic t --partitions 3 --replication-factor 5 --config a=1 --config b=2"
	for _, c := range []struct {
		err      *Error
		category Category
		hint     string
	}{
		{&Error{Category: Unexpected, Err: kafka.InvalidReplicationFactor}, Settings, "TOPIC_REPLICATION is 5: are that many brokers up?"},
		{&Error{Category: Settings, Err: &wrapping{"Topic 't' collides with existing topics: t_", kafka.InvalidTopic}}, Settings, "use another TOPIC_PREFIX"},
		{&Error{Category: Settings, Hint: "as it was", Err: kafka.InvalidTopic}, Settings, "as it was"},
		{&Error{Category: Denied, Hint: "first", Err: kafka.TopicAuthorizationFailed}, Denied, "first; or create it: " + command},
		{&Error{Category: Unexpected, Err: kafka.PolicyViolation}, Settings, "or create it: " + command},
		{&Error{Category: Timeout, Hint: "as it was", Err: kafka.RequestTimedOut}, Timeout, "as it was"},
	} {
		code := c.err.Err
		if e := topic.advise(c.err); e.Category != c.category || !strings.HasSuffix(e.Hint, c.hint) || e.Err != code {
			t.Errorf("%v: category %s, hint %q", code, e.Category, e.Hint)
		}
	}
	for want, t2 := range map[string]Topic{
		command:                              topic,
		"kafka-topics.sh --create --topic t": {Name: "t"},
		"kafka-topics.sh --create --topic t --partitions 1": {Name: "t", OnePartition: true, Partitions: 9},
		"kafka-topics.sh --create --topic t --partitions 2": {Name: "t", Partitions: 2, Replication: -1},
	} {
		if got := t2.Command(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// wrapping is a broker's error with a text of its own.
type wrapping struct {
	text string
	err  error
}

func (w *wrapping) Error() string { return w.text }
func (w *wrapping) Unwrap() error { return w.err }

// TestCheckLeaders: a topic is ready when each of its partitions has a leader.
func TestCheckLeaders(t *testing.T) {
	led := func(id int) kafka.Partition { return kafka.Partition{ID: id, Leader: kafka.Broker{Host: "b"}} }
	for _, c := range []struct {
		topic kafka.Topic
		want  error
		text  string
	}{
		{kafka.Topic{Partitions: []kafka.Partition{led(0), led(1)}}, nil, ""},
		{kafka.Topic{}, kafka.LeaderNotAvailable, ""},
		{kafka.Topic{Partitions: []kafka.Partition{led(0), {ID: 1}}}, kafka.LeaderNotAvailable, "partition 1: "},
		{kafka.Topic{Error: kafka.TopicAuthorizationFailed, Partitions: []kafka.Partition{led(0)}}, kafka.TopicAuthorizationFailed, ""},
	} {
		if err := checkLeaders(c.topic); !errors.Is(err, c.want) || err != nil && !strings.HasPrefix(err.Error(), c.text) {
			t.Errorf("%+v: %v", c.topic, err)
		}
	}
}
