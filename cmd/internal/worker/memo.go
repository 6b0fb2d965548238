package worker

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// memo is what the worker knows of the topics it wrote to: of each partition the last offset that it committed there, -1
// for none. It lies beside the state and is compared with the topics when a session begins: so it is seen that a topic was
// deleted or set back, or got more partitions.
type memo struct {
	Ends map[string][]int64 `json:"ends"` // by topic and partition

	written time.Time       // when it last went into the state
	told    map[string]bool // topics of which the log has told since the last commit
}

// memoEvery is how often the memo is written. One that is a little old serves as well.
const memoEvery = 5 * time.Minute

// first tells whether this is the first time that something is told of a topic. What is wrong stays so until the next
// commit, and there may be many sessions before that.
func (m *memo) first(topic string) bool {
	if m.told[topic] {
		return false
	}
	if m.told == nil {
		m.told = map[string]bool{}
	}
	m.told[topic] = true
	return true
}

// compareWithTopics holds the memo against the topics as they are. Nothing that it finds is a reason to stop: what was
// lost the worker cannot bring back, and what is new would be missing too.
func (w *Worker) compareWithTopics(ctx context.Context, note []byte) error {
	var known memo
	_ = json.Unmarshal(note, &known) // one that cannot be read is another version's: then nothing is known
	ctx, cancel := context.WithTimeout(ctx, longestRecovery)
	defer cancel()
	actual, err := w.producer.Ends(ctx)
	if err != nil {
		return err
	}
	w.memo.Ends, w.memo.written = map[string][]int64{}, time.Time{}
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
		if w.memo.Ends[topic] = last; lost > 0 && w.memo.first(topic) {
			w.log.Error().Str("topic", topic).Int("partitions", lost).Msg(topicLost)
		}
	}
	w.comparePartitions()
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
func (w *Worker) comparePartitions() {
	for topic, last := range w.memo.Ends {
		now := w.producer.Partitions(topic)
		if now == len(last) {
			continue
		}
		w.log.Warn().Str("topic", topic).Int("partitions", now).Int("before", len(last)).Msg(topicRepartitioned)
		w.memo.Ends[topic], w.memo.written = resized(last, now), time.Time{}
	}
}

// resized gives so many ends, -1 where nothing is known.
func resized(ends []int64, n int) []int64 {
	ends = slices.Clone(ends)
	for len(ends) < n {
		ends = append(ends, -1)
	}
	return ends[:n]
}

// memoWith is the memo with a commit that ends at these offsets.
func (w *Worker) memoWith(ends map[string]int64) memo {
	w.comparePartitions()
	next := memo{Ends: map[string][]int64{}, written: w.memo.written}
	for _, topic := range append(w.cfg.Topics().Conversations(), w.cfg.Topics().DeadLetters()) {
		list := resized(w.memo.Ends[topic], w.producer.Partitions(topic))
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
