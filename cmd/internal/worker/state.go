package worker

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// StateError says that the state cannot be used: by this version, or at all. Somebody has to decide what to do.
type StateError struct{ Err error }

// Error says what is wrong and what to do.
func (e *StateError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *StateError) Unwrap() error { return e.Err }

// compareWithProgress notices that the state was deleted or set back. Every commit writes its number into the state and
// into the progress topic; a state that is older than the last progress would publish again what is published.
func (w *Worker) compareWithProgress(ctx context.Context, state *poller.State) error {
	last, err := w.lastProgress(ctx)
	if err != nil || last <= state.Sequence {
		return err
	}
	has := fmt.Sprintf("ends with commit %d", state.Sequence)
	if state.Sequence == 0 {
		has = "holds nothing of this account"
	}
	progress, topic := w.cfg.TopicPrefix+progressTopic, w.cfg.TopicPrefix+stateTopic
	return &StateError{fmt.Errorf(`state is lost: topic %s %s, but %s records commit %d (STATE_LOST=stop). Going on would publish again what is published. `+
		`Bring the state topic back; or, to begin anew at START_FROM and publish that again as revision 1, delete topic %s as well, or choose another TOPIC_PREFIX`,
		topic, has, progress, last, progress)}
}

// lastProgress is the number of the account's last commit in the progress topic, 0 if there is none. It reads backwards
// in growing steps: the topic holds weeks of commits, and perhaps other accounts' too.
func (w *Worker) lastProgress(ctx context.Context) (int64, error) {
	last := int64(0)
	for step := int64(10_000); ; step *= 10 {
		if step > math.MaxInt64/10 {
			step = math.MaxInt64
		}
		all, err := w.producer.ReadLast(ctx, w.cfg.TopicPrefix+progressTopic, 0, step, func(m producer.Message) error {
			w.turn()
			if string(m.Key) == w.cfg.AccountID {
				last = max(last, sequenceOf(m))
			}
			return nil
		})
		if err != nil || all || last > 0 {
			return last, err
		}
	}
}

// sequenceOf is the commit's number in a progress record's ce_id, account:sequence; 0 if it has none.
func sequenceOf(m producer.Message) int64 {
	for _, h := range m.Headers {
		if h.Key == "ce_id" {
			_, number, _ := strings.Cut(string(h.Value), ":")
			n, _ := strconv.ParseInt(number, 10, 64)
			return n
		}
	}
	return 0
}
