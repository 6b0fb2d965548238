package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
)

// What the log says of topics that somebody else has made, and that lose what they are for. They are used all the same: whoever
// made them may have wanted that.
const (
	compactsRevisions = "the topic compacts (cleanup.policy): in time only the newest revision of each conversation is left in it. Set cleanup.policy=delete if the others are wanted"
	compactsLetters   = "the topic compacts (cleanup.policy): rows without an identity are refused, which stops all commits, and of others only the last is left, of those in parts only a part. Set cleanup.policy=delete"
	compactsProgress  = "the topic compacts (cleanup.policy): in time only the last commit is left in it, and who reads progress misses those before. Set cleanup.policy=delete"
	forgetsEarly      = "the topic keeps records for less time (retention.ms) than REREAD reaches back: after STATE_LOST=resume or restart, what is gone from it and is read again is published again, as revision 1. " +
		"Raise retention.ms to the largest age of REREAD and a day, or lower that"
)

// ensureTopics creates the topics that are missing, and reads the settings of all.
func (s *session) ensureTopics(ctx context.Context) error {
	w := s.worker
	s.begin()
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	if err := w.producer.EnsureTopics(ctx, w.cfg.TopicCreate, w.topics); err != nil {
		return err
	}
	w.warnOfTopics()
	return nil
}

// warnOfTopics logs settings that lose records, once.
func (w *Worker) warnOfTopics() {
	topics := w.cfg.Topics()
	for _, topic := range topics.Published() {
		text := compactsRevisions
		switch topics.Kind(topic) {
		case encoder.KindProgress:
			text = compactsProgress
		case encoder.KindDeadLetter:
			text = compactsLetters
		}
		compacts := w.producer.Compacts(topic)
		if compacts {
			w.warnOnce(topic, "cleanup.policy", text)
		}
		horizon := poller.Horizon(w.polling.Tiers)
		if r := w.producer.Retention(topic); !compacts && topic != topics.Progress() && r > 0 && r < horizon {
			w.warnOnce(topic, "retention.ms", forgetsEarly)
		}
	}
}

func (w *Worker) warnOnce(topic, setting, text string) {
	if !w.warned[topic+setting] {
		w.warned[topic+setting] = true
		w.log.Warn().Str("topic", topic).Str("setting", setting).Dur("retention", w.producer.Retention(topic).Truncate(time.Second)).Msg(text)
	}
}
