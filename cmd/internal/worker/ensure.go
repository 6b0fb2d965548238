package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
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
	for _, topic := range w.cfg.Topics().Published() {
		for _, l := range Losses(w.cfg, topic, w.producer.Compacts(topic), w.producer.Retention(topic)) {
			w.warnOnce(topic, l)
		}
	}
}

// Loss is a setting of a topic that loses records which somebody may want.
type Loss struct{ Setting, Text string }

// Losses are those of a topic that is for others to read. A retention of 0 is not known.
func Losses(cfg *config.Config, topic string, compacts bool, retention time.Duration) (losses []Loss) {
	topics := cfg.Topics()
	text := compactsRevisions
	switch topics.Kind(topic) {
	case encoder.KindProgress:
		text = compactsProgress
	case encoder.KindDeadLetter:
		text = compactsLetters
	}
	if compacts {
		losses = append(losses, Loss{"cleanup.policy", text})
	}
	horizon := cfg.Reread[len(cfg.Reread)-1].Age
	if !compacts && topic != topics.Progress() && retention > 0 && retention < horizon {
		losses = append(losses, Loss{"retention.ms", forgetsEarly})
	}
	return losses
}

func (w *Worker) warnOnce(topic string, l Loss) {
	if !w.warned[topic+l.Setting] {
		w.warned[topic+l.Setting] = true
		w.log.Warn().Str("topic", topic).Str("setting", l.Setting).Dur("retention", w.producer.Retention(topic).Truncate(time.Second)).Msg(l.Text)
	}
}
