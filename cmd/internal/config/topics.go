package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Topics says what the topics are called, and how those that are missing are created.
type Topics struct {
	TopicPrefix      string
	ChannelTopics    map[string]string // channel, trimmed and lower-cased, to topic suffix; beside the built-in map
	TopicCreate      bool
	TopicPartitions  int           // of the channel topics
	TopicReplication int           // -1: the broker's default
	TopicRetention   time.Duration // 0: the broker's default
}

func (t *Topics) settings() []*setting {
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
			return nil, fmt.Errorf("%s is no channel=suffix", quote(item))
		}
		if other, twice := topics[channel]; twice && other != suffix {
			return nil, fmt.Errorf("channel %s stands there twice, for %s and for %s", quote(channel), quote(other), quote(suffix))
		}
		topics[channel] = suffix
	}
	return topics, nil
}

// What Kafka takes as the name of a topic, and what we need of it ourselves.
var (
	topicName     = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	reserved      = []string{"progress", "dead-letter", "state"}
	longestSuffix = len("agentassist")
)

const longestTopic = 249

func (t *Topics) checkPrefix(p *problems) {
	p.require(topicName.MatchString(t.TopicPrefix) && len(t.TopicPrefix)+longestSuffix <= longestTopic, "TOPIC_PREFIX",
		"%s cannot begin a topic's name; expected up to %d letters, digits, '.', '_' and '-'", quote(t.TopicPrefix), longestTopic-longestSuffix)
}

func (t *Topics) checkChannelTopics(p *problems) {
	for channel, suffix := range t.ChannelTopics {
		p.require(topicName.MatchString(suffix) && len(t.TopicPrefix)+len(suffix) <= longestTopic, "CHANNEL_TOPICS",
			"%s for channel %s cannot end a topic's name; expected letters, digits, '.', '_' and '-'", quote(suffix), quote(channel))
		p.require(!slices.Contains(reserved, strings.ToLower(suffix)), "CHANNEL_TOPICS",
			"%s for channel %s is taken; expected anything but %s", quote(suffix), quote(channel), strings.Join(reserved, ", "))
	}
}

func (t *Topics) checkReplication(p *problems) {
	p.require(t.TopicReplication == -1 || t.TopicReplication > 0 && t.TopicReplication <= 1000, "TOPIC_REPLICATION",
		"%d is no number of replicas; expected 1 or more, or -1 for the broker's default", t.TopicReplication)
}

func (t *Topics) checkRetention(p *problems) {
	p.require(t.TopicRetention == 0 || t.TopicRetention >= time.Second, "TOPIC_RETENTION",
		"%v is too short; expected at least 1s", t.TopicRetention)
}
