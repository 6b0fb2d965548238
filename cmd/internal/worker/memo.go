package worker

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/drift"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// memo is what is stored in the state topic beside the poller's records. It has the last offset that the worker committed to each
// partition, -1 for none, which is compared with the topics when a session begins: this shows whether a topic was deleted or truncated,
// or has more partitions. And it has how rows differ from the schema.
type memo struct {
	Ends  map[string][]int64 `json:"ends"` // by topic and partition
	Drift drift.Record       `json:"drift"`

	written time.Time       // when it was last written into the state
	logged  map[string]bool // topics that were logged since the last commit
}

// memoEvery is how often the memo is written, unless something was found for the first time. It need not be up to date.
const memoEvery = 5 * time.Minute

// first reports whether this is the first message about a topic since the last commit: there may be many sessions before the next.
func (m *memo) first(topic string) bool {
	if m.logged[topic] {
		return false
	}
	if m.logged == nil {
		m.logged = map[string]bool{}
	}
	m.logged[topic] = true
	return true
}

// partitions looks up the topics' partitions.
type partitions interface {
	// Ends returns the offset after the last record of each partition, by topic.
	Ends(ctx context.Context) (map[string][]int64, error)
	// Partitions returns the number of partitions of a topic.
	Partitions(topic string) int
}

// keptMemo keeps the memo. It outlives sessions, so that they do not log the same again.
type keptMemo struct {
	memo   memo
	topics []string // that rows are written to
	kafka  partitions
	log    zerolog.Logger
}

// compare compares the memo in the state with the topics, and logs what differs. That is no reason to stop: lost records would not come
// back, and the new ones would be missing too.
func (k *keptMemo) compare(ctx context.Context, note []byte) error {
	known := parseMemo(note)
	ctx, cancel := context.WithTimeout(ctx, longestSilence)
	defer cancel()
	actual, err := k.kafka.Ends(ctx)
	if err != nil {
		return err
	}
	k.memo.Ends, k.memo.Drift, k.memo.written = map[string][]int64{}, known.Drift, time.Time{}
	for topic, last := range known.Ends {
		ends, ours := actual[topic]
		if !ours { // CHANNEL_TOPICS was another then
			continue
		}
		lost := 0
		for id := range last {
			if last[id] >= 0 && id < len(ends) && ends[id] <= last[id] {
				lost, last[id] = lost+1, -1
			}
		}
		if k.memo.Ends[topic] = last; lost > 0 && k.memo.first(topic) {
			k.log.Error().Str("topic", topic).Int("partitions", lost).Str("hint", hintTopicLost).Msg(topicLost)
		}
	}
	k.comparePartitions()
	return nil
}

// parseMemo returns the memo that is stored; that of another version counts as none.
func parseMemo(note []byte) (m memo) {
	_ = json.Unmarshal(note, &m)
	return m
}

// Messages about a topic that has changed.
const (
	topicLost          = "the topic was deleted or truncated: records that were committed to it are gone"
	hintTopicLost      = "they are not published again by themselves, because the state remembers them as published: 'convstream audit' over their range publishes what the service still shows"
	topicRepartitioned = "the topic's number of partitions has changed"
	hintRepartitioned  = "keys go to other partitions from now on: a conversation's next revision may be in another partition than the one before, and they are not in order; give all topics of a join the same number"
)

// comparePartitions logs each topic whose number of partitions has changed, and continues with the new number, as every other producer of
// the cluster does.
func (k *keptMemo) comparePartitions() {
	for topic, last := range k.memo.Ends {
		now := k.kafka.Partitions(topic)
		if now == len(last) {
			continue
		}
		k.log.Warn().Str("topic", topic).Int("partitions", now).Int("before", len(last)).Str("hint", hintRepartitioned).Msg(topicRepartitioned)
		k.memo.Ends[topic], k.memo.written = resized(last, now), time.Time{}
	}
}

// resized returns the ends for n partitions, -1 where nothing is known.
func resized(ends []int64, n int) []int64 {
	ends = slices.Clone(ends)
	for len(ends) < n {
		ends = append(ends, -1)
	}
	return ends[:n]
}

// with returns the memo after a commit that ends at these offsets and found that, and what it found for the first time.
func (k *keptMemo) with(ends map[string]int64, found *drift.Batch) (next memo, news []drift.Finding) {
	k.comparePartitions()
	next = memo{Ends: map[string][]int64{}, written: k.memo.written}
	if next.Drift, news = k.memo.Drift.With(found); len(news) > 0 {
		next.written = time.Time{}
	}
	for _, topic := range k.topics {
		list := resized(k.memo.Ends[topic], k.kafka.Partitions(topic))
		for id := range list {
			if end, written := ends[producer.PartitionName(topic, id)]; written {
				list[id] = end
			}
		}
		next.Ends[topic] = list
	}
	return next, news
}

// records returns the memo as a record of the state, if it is time to write it.
func (m *memo) records(account string) []poller.Record {
	if time.Since(m.written) < memoEvery {
		return nil
	}
	text, err := json.Marshal(m, jsontext.AllowInvalidUTF8(true)) // names come from the service
	if err != nil {
		panic(err) // numbers and names
	}
	m.written = time.Now()
	return []poller.Record{poller.NoteRecord(account, text)}
}
