package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/convstream/convstream/encoder"
)

// TopicSettings says what the topics are called, and how those that are missing are created.
type TopicSettings struct {
	TopicPrefix      string
	ChannelTopics    map[string]string // channel, trimmed and lower-cased, to topic suffix; beside the built-in map
	TopicCreate      bool
	TopicPartitions  int           // of the channel topics
	TopicReplication int           // -1: the broker's default
	TopicRetention   time.Duration // 0: the broker's default
}

func (t *TopicSettings) settings() []*setting {
	return []*setting{
		{name: "TOPIC_PREFIX", preset: "conversations.", value: plain(&t.TopicPrefix), check: t.checkPrefix,
			doc: "what every topic's name begins with"},
		{name: "CHANNEL_TOPICS", unset: "built-in", value: of(&t.ChannelTopics, channelTopics), check: t.checkChannelTopics,
			doc: "`channel=suffix,...` added to the built-in map of channels to topics; not `progress`, `dead-letter` or `state`"},
		{name: "TOPIC_CREATE", preset: "true", value: of(&t.TopicCreate, boolean),
			doc: "create the topics that are missing; `false` only verifies"},
		{name: "TOPIC_PARTITIONS", preset: "6", value: between(&t.TopicPartitions, number, 1, 10_000),
			doc: "partitions of a channel topic that is created"},
		{name: "TOPIC_REPLICATION", preset: "-1", value: of(&t.TopicReplication, number), check: t.checkReplication,
			doc: "replicas of a topic that is created; -1 is the broker's default"},
		{name: "TOPIC_RETENTION", unset: "broker's default", value: of(&t.TopicRetention, positive), check: t.checkRetention,
			doc: "how long a topic that is created keeps its records, a duration like `720h`"},
	}
}

// channelTopics reads channel=suffix pairs. The channel may hold spaces and slashes, as the service's names do; it is
// compared trimmed and in lower case.
func channelTopics(s string) (map[string]string, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	topics := make(map[string]string, len(items))
	for _, item := range items {
		channel, suffix, found := strings.Cut(item, "=")
		channel, suffix = strings.ToLower(strings.TrimSpace(channel)), strings.TrimSpace(suffix)
		if !found || channel == "" || suffix == "" {
			return nil, fmt.Errorf("%s is not channel=suffix", quote(item))
		}
		if other, twice := topics[channel]; twice && other != suffix {
			return nil, fmt.Errorf("channel %s stands there twice, for %s and for %s", quote(channel), quote(other), quote(suffix))
		}
		topics[channel] = suffix
	}
	return topics, nil
}

func (t *TopicSettings) names() encoder.Topics {
	return encoder.Topics{Prefix: t.TopicPrefix, Channels: t.ChannelTopics}
}

func (t *TopicSettings) checkPrefix(p *problems) {
	if err := t.names().CheckPrefix(); err != nil {
		p.add("TOPIC_PREFIX", "%s %v", quote(t.TopicPrefix), err)
	}
}

func (t *TopicSettings) checkChannelTopics(p *problems) {
	for channel, suffix := range t.ChannelTopics {
		if err := t.names().CheckRoute(suffix); err != nil {
			p.add("CHANNEL_TOPICS", "%s for channel %s %v", quote(suffix), quote(channel), err)
		}
	}
}

func (t *TopicSettings) checkReplication(p *problems) {
	p.require(t.TopicReplication == -1 || t.TopicReplication > 0 && t.TopicReplication <= 1000, "TOPIC_REPLICATION",
		"%d is not a number of replicas; expected 1 or more, or -1 for the broker's default", t.TopicReplication)
}

func (t *TopicSettings) checkRetention(p *problems) {
	p.require(t.TopicRetention == 0 || t.TopicRetention >= time.Second, "TOPIC_RETENTION",
		"%v is too short; expected at least 1s", t.TopicRetention)
}
