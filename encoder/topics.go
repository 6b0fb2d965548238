package encoder

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Topics are the topics of a deployment: how they are called and what they hold. No name of a topic is made elsewhere.
type Topics struct {
	Prefix string // begins every name, for example "conversations."
	// Channels adds to the built-in routes: channel -> topic without the prefix.
	Channels map[string]string
}

// Names of topics, without the prefix. A channel that has no route goes to other: no conversation is dropped for its channel.
const (
	topicOther      = "other"
	topicProgress   = "progress"
	topicDeadLetter = "dead-letter"
	topicState      = "state"
)

var channelTopics = map[string]string{
	"voice":             "voice",
	"rtm":               "rtm",
	"web/mobile client": "rtm",
	"agentassist":       "agentassist",
	"agentassistv2":     "agentassist",
}

// Kind says what the records of a topic are.
type Kind int

// A topic of any other name than those of the last three is one of conversations.
const (
	KindConversation Kind = iota // Conversation values
	KindProgress                 // Progress values
	KindDeadLetter               // rows as received
	KindState                    // the worker's memory
)

// reserved topics hold no conversations.
var reserved = map[string]Kind{topicProgress: KindProgress, topicDeadLetter: KindDeadLetter, topicState: KindState}

// routes returns the topics of conversations by channel, trimmed and in lower case.
func (t Topics) routes() map[string]string {
	routes := map[string]string{}
	for _, some := range []map[string]string{channelTopics, t.Channels} {
		for channel, suffix := range some {
			routes[normalChannel(channel)] = t.Full(suffix)
		}
	}
	return routes
}

func normalChannel(channel string) string { return strings.ToLower(strings.TrimSpace(channel)) }

// Conversations returns all topics of conversations, sorted.
func (t Topics) Conversations() []string {
	names := append(slices.Collect(maps.Values(t.routes())), t.other())
	slices.Sort(names)
	return slices.Compact(names)
}

// other returns the topic of the channels that have no route.
func (t Topics) other() string { return t.Full(topicOther) }

// Progress returns the topic of Progress values.
func (t Topics) Progress() string { return t.Full(topicProgress) }

// DeadLetters returns the topic of rows that could not be conversations.
func (t Topics) DeadLetters() string { return t.Full(topicDeadLetter) }

// State returns the topic of the worker's memory.
func (t Topics) State() string { return t.Full(topicState) }

// Published returns all topics that are for others to read: all but State.
func (t Topics) Published() []string {
	return append(t.Conversations(), t.Progress(), t.DeadLetters())
}

// Full returns the name of a topic that is called so behind the prefix.
func (t Topics) Full(short string) string { return t.Prefix + short }

// Short returns a topic's name without the prefix.
func (t Topics) Short(topic string) string { return strings.TrimPrefix(topic, t.Prefix) }

// Kind returns what a topic holds.
func (t Topics) Kind(topic string) Kind { return reserved[t.Short(topic)] }

// longestTopic is the longest name that Kafka takes.
const longestTopic = 249

// longestSuffix is that of the names that every deployment has.
const longestSuffix = len(topicDeadLetter)

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// Validate returns what is wrong with the names, as CheckPrefix and CheckRoute say it.
func (t Topics) Validate() error {
	var wrong []error
	if err := t.CheckPrefix(); err != nil {
		wrong = append(wrong, fmt.Errorf("prefix %q %w", t.Prefix, err))
	}
	for _, channel := range slices.Sorted(maps.Keys(t.Channels)) {
		if err := t.CheckRoute(t.Channels[channel]); err != nil {
			wrong = append(wrong, fmt.Errorf("channel %q: topic %q %w", channel, t.Channels[channel], err))
		}
	}
	return errors.Join(wrong...)
}

// CheckPrefix returns why the prefix cannot be one. The text goes on where the prefix ends.
func (t Topics) CheckPrefix() error {
	if !topicName.MatchString(t.Prefix) || len(t.Prefix)+longestSuffix > longestTopic {
		return fmt.Errorf("cannot begin a topic's name; expected up to %d letters, digits, '.', '_' and '-'", longestTopic-longestSuffix)
	}
	return nil
}

// CheckRoute returns why a channel cannot go to the topic of this name, without the prefix. The text goes on where the
// name ends.
func (t Topics) CheckRoute(suffix string) error {
	if !topicName.MatchString(suffix) || len(t.Prefix)+len(suffix) > longestTopic {
		return errors.New("cannot end a topic's name; expected letters, digits, '.', '_' and '-'")
	}
	if _, taken := reserved[strings.ToLower(suffix)]; taken {
		return fmt.Errorf("is taken; expected anything but %s, %s, %s", topicProgress, topicDeadLetter, topicState)
	}
	return nil
}
