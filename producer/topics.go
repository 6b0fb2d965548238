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
	// Required is what an existing topic must have, word for word; what it was created with is not compared otherwise.
	Required map[string]string
	// OnePartition: more than one would break what the topic is for.
	OnePartition bool
}

// topicLimits is what the packer must know of a topic.
type topicLimits struct {
	partitions []int // 0, 1, 2, ...
	maxBytes   int
	retention  time.Duration
	maxAge     time.Duration
	compacts   bool
}

// EnsureTopics creates the topics that are missing, if create is true, and checks those that exist: number of partitions
// and required settings. It returns when every partition has a leader, and tries again until ctx ends while brokers are
// away. The error names every wrong topic at once, each with what to do about it. Only these topics can be committed to
// and recovered from afterwards.
func (p *Producer) EnsureTopics(ctx context.Context, create bool, topics []Topic) error {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	// A new transport: what the old one remembers of the topics may be older than the topics.
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
		// Look at the others all the same, so that everything wrong is named at once.
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

// InspectTopics reads number of partitions and settings of topics that were ensured once more, and checks them as
// EnsureTopics does. Connections and Readers stay.
func (p *Producer) InspectTopics(ctx context.Context, topics []Topic) error {
	limits, wrong, err := p.cluster.Load().inspect(ctx, topics)
	if err := errors.Join(append(wrong, err)...); err != nil {
		return err
	}
	p.topics = limits
	return nil
}

// MaxMessageBytes is the largest batch that the topic takes, in bytes after compression, as EnsureTopics read it; a
// single record may take some 100 bytes less than that. 0 for a topic that was not ensured.
func (p *Producer) MaxMessageBytes(topic string) int { return p.topics[topic].maxBytes }

// Retention is how long the topic keeps a record, as EnsureTopics read it: the longest duration there is where it keeps it
// for ever, 0 where that is not known.
func (p *Producer) Retention(topic string) time.Duration { return p.topics[topic].retention }

// Compacts tells whether the topic keeps only the newest record of a key, as EnsureTopics read it; false where that is not known.
func (p *Producer) Compacts(topic string) bool { return p.topics[topic].compacts }

// MaxAge is how much older than now the own time of a record may be for the topic to take it, as EnsureTopics read it: the
// longest duration there is where there is no limit, or where that is not known.
func (p *Producer) MaxAge(topic string) time.Duration { return p.topics[topic].maxAge }

// Partitions is how many partitions the topic had when EnsureTopics or a Commit last looked; 0 for a topic that was not
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
		limits[t.Name] = topicLimits{upTo(counts[t.Name]), s.maxBytes(), s.retention(), s.maxAge(), strings.Contains(s.values[cleanupPolicy], "compact")}
	}
	return limits, wrong, nil
}

func upTo(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	return ids
}

func (c *cluster) missing(ctx context.Context, topics []Topic) (missing []Topic, err error) {
	err = c.attempts(ctx, "look up topics", func(ctx context.Context) error {
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

// create creates each topic by itself: one that is refused does not hold up the others, and each says why.
func (c *cluster) create(ctx context.Context, topics []Topic) (wrong []error) {
	for _, t := range topics {
		err := c.attempts(ctx, "create topic "+t.Name, func(ctx context.Context) error {
			res, err := c.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{t.wanted()}})
			if err != nil {
				return err
			}
			err = res.Errors[t.Name]
			if errors.Is(err, kafka.TopicAlreadyExists) { // another worker, or we, and the answer was lost
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

// advise says what to do about a topic that could not be created.
func (t Topic) advise(e *Error) *Error {
	switch {
	case errors.Is(e, kafka.InvalidReplicationFactor):
		e.Category, e.Hint = Settings, fmt.Sprintf("TOPIC_REPLICATION is %d: are that many brokers up?", t.replication())
	case e.Category == Denied:
		e.Hint += "; or " + t.command()
	case e.Category == Unexpected: // a policy, a setting that the brokers do not take
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

func (t Topic) wanted() kafka.TopicConfig {
	config := kafka.TopicConfig{Topic: t.Name, NumPartitions: t.partitions(), ReplicationFactor: t.replication()}
	for _, name := range slices.Sorted(maps.Keys(t.Config)) {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: t.Config[name]})
	}
	return config
}

// command is how to make the topic by hand.
func (t Topic) command() string {
	var b strings.Builder
	fmt.Fprintf(&b, "create it: kafka-topics.sh --create --topic %s", t.Name)
	if n := t.partitions(); n > 0 {
		fmt.Fprintf(&b, " --partitions %d", n)
	}
	if n := t.replication(); n > 0 {
		fmt.Fprintf(&b, " --replication-factor %d", n)
	}
	for _, entry := range t.wanted().ConfigEntries {
		fmt.Fprintf(&b, " --config %s=%s", entry.ConfigName, entry.ConfigValue)
	}
	return b.String()
}

// leaders waits until every partition has one, which of new topics is no news for as long as kafka-go remembers that there were
// none, and gives the number of partitions of each topic. operations are what it is asked for: brokers that allow none of them do not
// show a topic.
func (c *cluster) leaders(ctx context.Context, topics []Topic, operations ...string) (counts map[string]int, err error) {
	err = c.attemptsQuietly(ctx, 3*metadataTTL, "wait for partition leaders", func(ctx context.Context) error {
		found, err := c.metadata(ctx, topics)
		if err != nil {
			return err
		}
		counts = map[string]int{}
		for _, t := range topics {
			if err := ready(found[t.Name]); err != nil {
				return failure("topic "+t.Name, c.onTopic(err, t.Name, operations...))
			}
			counts[t.Name] = len(found[t.Name].Partitions)
		}
		return nil
	})
	return counts, err
}

func ready(t kafka.Topic) error {
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
