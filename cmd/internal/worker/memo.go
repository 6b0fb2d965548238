package worker

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// memo is what the worker knows of the topics it wrote to: of each partition the last offset that it committed there, -1
// for none. It lies beside the state and is compared with the topics when a session begins: so it is seen that a topic was
// deleted or set back, or got more partitions.
type memo struct {
	Ends map[string][]int64 `json:"ends"` // by topic and partition

	written time.Time       // when it last went into the state
	logged  map[string]bool // topics that the log has named since the last commit
}

// memoEvery is how often the memo is written. One that is a little old serves as well.
const memoEvery = 5 * time.Minute

// first reports whether this is the first time that something is logged of a topic. What is wrong stays so until the next
// commit, and there may be many sessions before that.
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

// partitions is what is to be known of topics as they are.
type partitions interface {
	// Ends returns the offset after the last record of each partition, by topic.
	Ends(ctx context.Context) (map[string][]int64, error)
	// Partitions returns how many a topic has.
	Partitions(topic string) int
}

// keptEnds keeps the memo. It outlives sessions: what the log has said of a topic it does not say again with each of them.
type keptEnds struct {
	memo   memo
	topics []string // that rows are written to
	kafka  partitions
	log    zerolog.Logger
}

// compare holds the memo that stands beside the state against the topics as they are. Nothing that it finds is a reason to
// stop: what was lost the worker cannot bring back, and what is new would be missing too.
func (k *keptEnds) compare(ctx context.Context, note []byte) error {
	var known memo
	_ = json.Unmarshal(note, &known) // one that cannot be read is another version's: then nothing is known
	ctx, cancel := context.WithTimeout(ctx, longestRecovery)
	defer cancel()
	actual, err := k.kafka.Ends(ctx)
	if err != nil {
		return err
	}
	k.memo.Ends, k.memo.written = map[string][]int64{}, time.Time{}
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
			k.log.Error().Str("topic", topic).Int("partitions", lost).Msg(topicLost)
		}
	}
	k.comparePartitions()
	return nil
}

// What the log says of a topic that is not as it was.
const (
	topicLost = "the topic was deleted or set back: records that were committed to it are gone. Going on with what is new; what is gone is not published again, " +
		"because the state remembers it as published. To have it again, set another TOPIC_PREFIX and a START_FROM that reaches back far enough"
	topicRepartitioned = "the topic's number of partitions has changed, so keys go to other partitions from now on: a conversation's next revision may lie in another " +
		"partition than the one before, and they are no longer in order; joins with topics of another number of partitions miss records. Give all topics of the join the same number"
)

// comparePartitions notices a topic whose number of partitions is not the one that keys were spread over so far, and goes
// on with the new one, as every other producer of the cluster does.
func (k *keptEnds) comparePartitions() {
	for topic, last := range k.memo.Ends {
		now := k.kafka.Partitions(topic)
		if now == len(last) {
			continue
		}
		k.log.Warn().Str("topic", topic).Int("partitions", now).Int("before", len(last)).Msg(topicRepartitioned)
		k.memo.Ends[topic], k.memo.written = resized(last, now), time.Time{}
	}
}

// resized returns so many ends, -1 where nothing is known.
func resized(ends []int64, n int) []int64 {
	ends = slices.Clone(ends)
	for len(ends) < n {
		ends = append(ends, -1)
	}
	return ends[:n]
}

// with is the memo with a commit that ends at these offsets.
func (k *keptEnds) with(ends map[string]int64) memo {
	k.comparePartitions()
	next := memo{Ends: map[string][]int64{}, written: k.memo.written}
	for _, topic := range k.topics {
		list := resized(k.memo.Ends[topic], k.kafka.Partitions(topic))
		for id := range list {
			if end, written := ends[producer.PartitionName(topic, id)]; written {
				list[id] = end
			}
		}
		next.Ends[topic] = list
	}
	return next
}

// records is the memo as it goes into the state with this commit, if it is time for that.
func (m *memo) records(account string) []poller.Record {
	if time.Since(m.written) < memoEvery {
		return nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // numbers and names of topics
	}
	m.written = time.Now()
	return []poller.Record{poller.NoteRecord(account, text)}
}
