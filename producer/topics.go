package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Topic is a topic as it should be.
type Topic struct {
	Name        string
	Partitions  int               // at creation; 0 means the brokers' default, or 1 with OnePartition
	Replication int               // at creation; 0 or -1 means the brokers' default
	Config      map[string]string // at creation
	// Required are settings that an existing topic must have, with exactly these values. Config is not compared.
	Required map[string]string
	// OnePartition: the topic must have exactly one partition, since its records need an order.
	OnePartition bool
}

// topicLimits is what is known of an ensured topic.
type topicLimits struct {
	partitions []int // 0, 1, 2, ...
	maxBytes   int
	retention  time.Duration
	maxAge     time.Duration
	compacts   bool
}

// EnsureTopics creates the topics that are missing, if create is true, and checks those that exist: number of partitions
// and required settings. It returns when every partition has a leader, and retries until ctx ends while brokers are unavailable.
// Its error lists every wrong topic, each with what to do about it. Only these topics can be written to and read from afterwards.
func (p *Producer) EnsureTopics(ctx context.Context, create bool, topics []Topic) error {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	// A new transport: the metadata in the old one's cache may be older than the topics.
	c := connect(p.cfg.Cluster, names)
	p.cluster.Swap(c).close()
	missing, err := c.missing(ctx, topics)
	if err != nil {
		return err
	}
	var wrong []error
	for _, t := range missing {
		if !create {
			wrong = append(wrong, &Error{
				Op: "topic " + t.Name, Category: Settings, Err: errors.New("does not exist"),
				Hint: "set TOPIC_CREATE=true, or " + t.command(),
			})
		}
	}
	if create {
		wrong = append(wrong, c.create(ctx, missing)...)
	}
	if len(wrong) > 0 {
		// Check the others all the same, so that the error lists everything.
		topics = slices.DeleteFunc(slices.Clone(topics), func(t Topic) bool {
			return slices.ContainsFunc(missing, func(m Topic) bool { return m.Name == t.Name })
		})
	}
	limits, more, err := c.inspect(ctx, topics)
	if err := errors.Join(append(append(wrong, more...), err)...); err != nil {
		return err
	}
	p.topics = limits
	return nil
}

// InspectTopics reads the number of partitions and the settings of ensured topics again, and checks them as EnsureTopics does.
// Connections and Readers stay valid.
func (p *Producer) InspectTopics(ctx context.Context, topics []Topic) error {
	limits, wrong, err := p.cluster.Load().inspect(ctx, topics)
	if err := errors.Join(append(wrong, err)...); err != nil {
		return err
	}
	p.topics = limits
	return nil
}

// MaxMessageBytes returns the size of the largest batch that the topic takes, in bytes after compression, as EnsureTopics read it; a
// single record may have some 100 bytes less than that. 0 for a topic that was not ensured.
func (p *Producer) MaxMessageBytes(topic string) int { return p.topics[topic].maxBytes }

// Retention returns how long the topic keeps a record, as EnsureTopics read it: the longest duration if it keeps records for ever, 0 if
// that is not known.
func (p *Producer) Retention(topic string) time.Duration { return p.topics[topic].retention }

// Compacts reports whether the topic is compacted, as EnsureTopics read it; false if that is not known.
func (p *Producer) Compacts(topic string) bool { return p.topics[topic].compacts }

// MaxAge returns how much older than now the timestamp of a record may be for the topic to take it, as EnsureTopics read it: the longest
// duration if there is no limit, or if that is not known.
func (p *Producer) MaxAge(topic string) time.Duration { return p.topics[topic].maxAge }

// Partitions returns the number of partitions that the topic had when EnsureTopics or a Commit last looked; 0 for a topic that was not
// ensured.
func (p *Producer) Partitions(topic string) int { return len(p.topics[topic].partitions) }

// inspect waits for leaders, then reads the settings.
func (c *cluster) inspect(ctx context.Context, topics []Topic) (map[string]topicLimits, []error, error) {
	if len(topics) == 0 {
		return nil, nil, nil
	}
	counts, err := c.leaders(ctx, topics, "Read", "Write")
	if err != nil {
		return nil, nil, err
	}
	settings, err := c.settings(ctx, topics)
	if err != nil {
		return nil, nil, err
	}
	limits := map[string]topicLimits{}
	var wrong []error
	for _, t := range topics {
		wrong = append(wrong, t.check(counts[t.Name], settings[t.Name])...)
		s := settings[t.Name]
		limits[t.Name] = topicLimits{partitionIDs(counts[t.Name]), s.maxBytes(), s.retention(), s.maxAge(), strings.Contains(s.values[cleanupPolicy], "compact")}
	}
	return limits, wrong, nil
}

func partitionIDs(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	return ids
}

func (c *cluster) missing(ctx context.Context, topics []Topic) (missing []Topic, err error) {
	err = c.retry(ctx, "look up topics", func(ctx context.Context) error {
		missing = nil
		found, err := c.metadata(ctx, topics)
		if err != nil {
			return err
		}
		for _, t := range topics {
			if errors.Is(found[t.Name].Error, kafka.UnknownTopicOrPartition) {
				missing = append(missing, t)
			}
		}
		return nil
	})
	return missing, err
}

func (c *cluster) metadata(ctx context.Context, topics []Topic) (map[string]kafka.Topic, error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	res, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return nil, err
	}
	found := map[string]kafka.Topic{}
	for _, t := range res.Topics {
		found[t.Name] = t
	}
	return found, nil
}

// create creates each topic with a request of its own: one that is refused does not prevent the others, and each has its own error.
func (c *cluster) create(ctx context.Context, topics []Topic) (wrong []error) {
	for _, t := range topics {
		if hasEnded(ctx) && len(wrong) > 0 {
			break // the others would say the same
		}
		err := c.retry(ctx, "create topic "+t.Name, func(ctx context.Context) error {
			res, err := c.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{t.topicConfig()}})
			if err != nil {
				return err
			}
			err = res.Errors[t.Name]
			if errors.Is(err, kafka.TopicAlreadyExists) { // another worker created it, or we did and the answer was lost
				return nil
			}
			return c.onTopic(err, t.Name, "Create")
		})
		if e, ok := errors.AsType[*Error](err); ok {
			wrong = append(wrong, t.advise(e))
		}
	}
	return wrong
}

// advise adds what to do about a topic that could not be created.
func (t Topic) advise(e *Error) *Error {
	switch {
	case errors.Is(e, kafka.InvalidReplicationFactor):
		e.Category, e.Hint = Settings, fmt.Sprintf("TOPIC_REPLICATION is %d: are that many brokers up?", t.replication())
	case errors.Is(e, kafka.InvalidTopic) && strings.Contains(e.Err.Error(), "collides"):
		e.Hint = "there is a topic whose name differs in '.' and '_' only, which Kafka does not tell apart in its metrics: use another TOPIC_PREFIX"
	case e.Category == Denied:
		e.Hint += "; or " + t.command()
	case e.Category == Unexpected: // a policy, or a setting that the brokers do not take
		e.Category, e.Hint = Settings, "or "+t.command()
	}
	return e
}

func (t Topic) partitions() int {
	switch {
	case t.OnePartition:
		return 1
	case t.Partitions > 0:
		return t.Partitions
	}
	return -1
}

func (t Topic) replication() int {
	if t.Replication > 0 {
		return t.Replication
	}
	return -1
}

func (t Topic) topicConfig() kafka.TopicConfig {
	config := kafka.TopicConfig{Topic: t.Name, NumPartitions: t.partitions(), ReplicationFactor: t.replication()}
	for _, name := range slices.Sorted(maps.Keys(t.Config)) {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: t.Config[name]})
	}
	return config
}

// command returns how to create the topic by hand.
func (t Topic) command() string {
	var b strings.Builder
	fmt.Fprintf(&b, "create it: kafka-topics.sh --create --topic %s", t.Name)
	if n := t.partitions(); n > 0 {
		fmt.Fprintf(&b, " --partitions %d", n)
	}
	if n := t.replication(); n > 0 {
		fmt.Fprintf(&b, " --replication-factor %d", n)
	}
	for _, entry := range t.topicConfig().ConfigEntries {
		fmt.Fprintf(&b, " --config %s=%s", entry.ConfigName, entry.ConfigValue)
	}
	return b.String()
}

// leaders waits until every partition has a leader, and returns the number of partitions of each topic. For new topics that takes until
// kafka-go's cached metadata expires, and is logged only after that. operations are those that the caller needs: brokers do not show a
// topic to a principal that is allowed none of them.
func (c *cluster) leaders(ctx context.Context, topics []Topic, operations ...string) (counts map[string]int, err error) {
	err = c.retryQuietly(ctx, 3*metadataTTL, "wait for partition leaders", func(ctx context.Context) error {
		found, err := c.metadata(ctx, topics)
		if err != nil {
			return err
		}
		counts = map[string]int{}
		for _, t := range topics {
			if err := checkLeaders(found[t.Name]); err != nil {
				return failure("topic "+t.Name, c.onTopic(err, t.Name, operations...))
			}
			counts[t.Name] = len(found[t.Name].Partitions)
		}
		return nil
	})
	return counts, err
}

// checkLeaders returns an error unless every partition of the topic has a leader.
func checkLeaders(t kafka.Topic) error {
	if t.Error != nil {
		return t.Error
	}
	if len(t.Partitions) == 0 {
		return kafka.LeaderNotAvailable
	}
	for _, p := range t.Partitions {
		if p.Leader.Host == "" {
			return fmt.Errorf("partition %d: %w", p.ID, kafka.LeaderNotAvailable)
		}
	}
	return nil
}
