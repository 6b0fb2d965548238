package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
)

// Warnings about existing topics whose settings lose records. The topics are used all the same: it may be on purpose.
const (
	compacts     = "the topic compacts (cleanup.policy)"
	forgetsEarly = "the topic keeps records for less time (retention.ms) than REREAD reaches back"

	hintRevisions = "only the newest revision of each conversation stays in it: set cleanup.policy=delete if the others are wanted"
	hintLetters   = "rows without an identity are refused, which stops all commits, and only the last part of a dead letter stays: set cleanup.policy=delete"
	hintProgress  = "only the last commit stays in it, and readers of progress miss those before: set cleanup.policy=delete"
	hintRetention = "after STATE_LOST=resume or restart, rows whose records are gone are published again, as revision 1: raise retention.ms to a day more than the largest age of REREAD, or lower that"
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

// Loss is a setting of a topic that loses records which its readers may want.
type Loss struct{ Setting, Text, Hint string }

// Losses returns those of a topic that others read. A retention of 0 means that it is not known.
func Losses(cfg *config.Config, topic string, compacted bool, retention time.Duration) (losses []Loss) {
	topics := cfg.Topics()
	hint := hintRevisions
	switch topics.Kind(topic) {
	case encoder.KindProgress:
		hint = hintProgress
	case encoder.KindDeadLetter:
		hint = hintLetters
	}
	if compacted {
		losses = append(losses, Loss{"cleanup.policy", compacts, hint})
	}
	horizon := cfg.Reread[len(cfg.Reread)-1].Age
	if !compacted && topic != topics.Progress() && retention > 0 && retention < horizon {
		losses = append(losses, Loss{"retention.ms", forgetsEarly, hintRetention})
	}
	return losses
}

func (w *Worker) warnOnce(topic string, l Loss) {
	if !w.warned[topic+l.Setting] {
		w.warned[topic+l.Setting] = true
		w.log.Warn().Str("topic", topic).Str("setting", l.Setting).Dur("retention", w.producer.Retention(topic).Truncate(time.Second)).Str("hint", l.Hint).Msg(l.Text)
	}
}
