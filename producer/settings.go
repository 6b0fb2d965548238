package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	maxMessageBytes = "max.message.bytes"
	retentionMillis = "retention.ms"
	cleanupPolicy   = "cleanup.policy"
	minInSync       = "min.insync.replicas"
	uncleanElection = "unclean.leader.election.enable"
	// How much older than the broker's clock a record's timestamp may be: the name since Kafka 3.6, and the one before.
	maxAgeMillis    = "message.timestamp.before.max.ms"
	maxAgeMillisOld = "message.timestamp.difference.max.ms"
	// defaultMaxMessageBytes is Kafka's own default, used where we are not allowed to read a topic's settings.
	defaultMaxMessageBytes = 1048588
)

// topicSettings is a topic's configuration as the brokers describe it.
type topicSettings struct {
	values map[string]string // empty where an ACL is missing
	denied error             // the broker's error then
}

func (s topicSettings) maxBytes() int {
	if n, err := strconv.Atoi(s.values[maxMessageBytes]); err == nil && n > 0 {
		return n
	}
	return defaultMaxMessageBytes
}

func (s topicSettings) retention() time.Duration { return s.millis(retentionMillis, 0) }

// maxAge returns how much older than now a record's timestamp may be.
func (s topicSettings) maxAge() time.Duration {
	return min(s.millis(maxAgeMillis, math.MaxInt64), s.millis(maxAgeMillisOld, math.MaxInt64))
}

// millis returns a setting in milliseconds: the longest duration where it means "no limit", unknown where there is no such setting.
func (s topicSettings) millis(name string, unknown time.Duration) time.Duration {
	switch ms, err := strconv.ParseInt(s.values[name], 10, 64); {
	case err != nil:
		return unknown
	case ms < 0 || ms > math.MaxInt64/int64(time.Millisecond):
		return math.MaxInt64
	default:
		return time.Duration(ms) * time.Millisecond
	}
}

func (c *cluster) settings(ctx context.Context, topics []Topic) (settings map[string]topicSettings, err error) {
	req := &kafka.DescribeConfigsRequest{}
	for _, t := range topics {
		req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name,
			ConfigNames: append(slices.Sorted(maps.Keys(t.Required)), maxMessageBytes, retentionMillis, cleanupPolicy, maxAgeMillis, maxAgeMillisOld),
		})
	}
	err = c.retry(ctx, "read topic settings", func(ctx context.Context) error {
		res, err := c.client.DescribeConfigs(ctx, req)
		if err != nil {
			return err
		}
		settings = map[string]topicSettings{}
		for _, r := range res.Resources {
			s, err := c.settingsOf(r)
			if err != nil {
				return failure("read settings of topic "+r.ResourceName, err)
			}
			settings[r.ResourceName] = s
		}
		return nil
	})
	return settings, err
}

func (c *cluster) settingsOf(r kafka.DescribeConfigResponseResource) (topicSettings, error) {
	if errors.Is(r.Error, kafka.TopicAuthorizationFailed) {
		return topicSettings{denied: c.onTopic(r.Error, r.ResourceName, "DescribeConfigs")}, nil
	}
	if r.Error != nil {
		return topicSettings{}, r.Error
	}
	values := map[string]string{}
	for _, entry := range r.ConfigEntries {
		values[entry.ConfigName] = entry.ConfigValue
	}
	return topicSettings{values: values}, nil
}

// check returns an error for each requirement that an existing topic does not meet.
func (t Topic) check(partitions int, s topicSettings) (wrong []error) {
	if t.OnePartition && partitions != 1 {
		wrong = append(wrong, &Error{
			Op: "topic " + t.Name, Category: Settings, Err: fmt.Errorf("has %d partitions, needs exactly 1", partitions),
			Hint: "partitions cannot be removed: delete the topic, or set another TOPIC_PREFIX",
		})
	}
	if s.denied != nil && len(t.Required) > 0 {
		return append(wrong, failure("read settings of topic "+t.Name, s.denied))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Required)) {
		if got := s.values[name]; got != t.Required[name] {
			wrong = append(wrong, &Error{
				Op: "topic " + t.Name, Category: Settings, Err: fmt.Errorf("has %s=%s, needs exactly %s", name, got, t.Required[name]),
				Hint: fmt.Sprintf("kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s=%s", t.Name, name, t.Required[name]),
			})
		}
	}
	return wrong
}
