// Package worker is the whole of convstream wired together: poller, encoder and producer around one account.
//
//	                 +-------------------- Worker -----------------------+
//	service --pages--> smartassist.Client -> poller.Poller -> sink ------+--one transaction--> Kafka
//	                 |                          ^              encoder   |
//	                 |        state topic ------+              producer  |
//	                 +---------------------------------------------------+
//
// A Worker lives in sessions. A session takes the producer epoch, recovers the state from its topic, and polls until
// something on the Kafka side fails. What then is the outcome of the last commit need not be known: the next session
// finds out the way a start does. There is no other path back (crash-only).
package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// Network is how the Worker reaches others and is reached; the zero value is the real network.
type Network struct {
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // to the service and the brokers
	Listen func(network, address string) (net.Listener, error)                  // for the admin port
}

// Role is what a Worker is doing.
type Role string

// The roles that /status tells.
const (
	Starting Role = "starting" // no session yet, or between two
	Active   Role = "active"   // state recovered; reads and publishes
)

// Worker is one convstream process.
type Worker struct {
	cfg      *config.Config
	log      zerolog.Logger
	network  Network
	budget   *smartassist.Budget
	client   *smartassist.Client
	encoder  *encoder.Encoder
	producer *producer.Producer
	metrics  *metrics
	polling  poller.Config
	topics   []producer.Topic
	refused  refusals
	memo     memo

	role    atomic.Value // Role
	poller  atomic.Pointer[poller.Poller]
	beat    atomic.Int64 // Unix nanoseconds at which the loop last turned
	trouble atomic.Pointer[kafkaTrouble]
	attempt time.Time // when what is now under way on the Kafka side began; of the loop's goroutine only
	started time.Time
	admin   net.Addr
	ready   chan struct{} // closed when the admin port listens
}

// New builds a Worker. It checks what can be checked without reaching for anything.
func New(cfg *config.Config, log zerolog.Logger, network Network) (*Worker, error) {
	w := &Worker{
		cfg: cfg, log: log, network: network, started: time.Now(),
		refused: newRefusals(), ready: make(chan struct{}),
	}
	w.role.Store(Starting)
	w.turn()
	var err error
	if w.polling, err = pollingConfig(cfg, log); err != nil {
		return nil, err
	}
	if w.encoder, err = encoder.New(encoder.Config{
		AccountID: cfg.AccountID, TopicPrefix: cfg.TopicPrefix, ChannelTopics: cfg.ChannelTopics,
	}); err != nil {
		return nil, err
	}
	w.polling.Refused = w.refused.of
	w.topics = topics(cfg, w.encoder)
	if w.client, w.budget, err = serviceClient(cfg, network); err != nil {
		return nil, err
	}
	w.producer, err = producer.Open(producer.Config{
		Brokers: cfg.Kafka.Brokers, ClientID: "convstream", Compression: cfg.Kafka.Compression,
		TransactionalID: cfg.TopicPrefix + "convstream." + cfg.AccountID,
		Dial:            network.Dial, Log: log.Hook(unlessInTrouble{w}),
	})
	if err != nil {
		return nil, err
	}
	w.metrics = newMetrics(w)
	return w, nil
}

// Run works until the context ends, and then drains: a commit that has begun is finished, within SHUTDOWN_TIMEOUT. It
// returns nil when drained; an error only when this process cannot go on (the admin port is taken, another worker has
// taken over, topics or state are such that somebody has to decide) or could not finish what it had begun.
func (w *Worker) Run(ctx context.Context) error {
	defer w.producer.Close()
	defer w.client.Close()
	stopAdmin, err := w.serveAdmin()
	if err != nil {
		return err
	}
	defer stopAdmin()
	hard, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	draining := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		w.log.Info().Dur("at_most", w.cfg.ShutdownTimeout).Msg("draining: finishing what has begun")
		close(draining)
		time.AfterFunc(w.cfg.ShutdownTimeout, cutOff)
	})()
	for {
		err := w.session(ctx, hard)
		w.role.Store(Starting)
		switch {
		case hard.Err() != nil:
			return fmt.Errorf("drain was cut off after SHUTDOWN_TIMEOUT %s: %w. What became of the last commit the next start finds out", w.cfg.ShutdownTimeout, err)
		case ctx.Err() == nil && final(err):
			return err
		case ctx.Err() != nil || !w.pause(ctx, err):
			<-draining
			w.log.Info().Msg("drained")
			return nil
		}
	}
}

// session is one life: epoch, state, polling, until something ends it.
func (w *Worker) session(ctx, hard context.Context) error {
	if err := w.acquire(ctx); err != nil {
		return err
	}
	state, err := w.recover(ctx)
	if err != nil {
		return err
	}
	p := poller.New(w.polling, meter{w}, sink{w, hard}, state)
	w.poller.Store(p)
	w.role.Store(Active)
	return p.Run(ctx)
}

const (
	// step bounds the steps of a session that wait for brokers: the loop is seen to turn, and trouble shows.
	step = 15 * time.Second
	// longestRecovery bounds the reading of the state.
	longestRecovery = 5 * time.Minute
)

func (w *Worker) acquire(ctx context.Context) error {
	w.turn()
	w.attempt = time.Now()
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	if err := w.producer.EnsureTopics(ctx, w.cfg.TopicCreate, w.topics); err != nil {
		return err
	}
	return w.producer.Acquire(ctx)
}

// recover reads the state that the last commit left, whoever made it.
func (w *Worker) recover(ctx context.Context) (*poller.State, error) {
	bounded, cancel := context.WithTimeout(ctx, longestRecovery)
	defer cancel()
	begun, records := time.Now(), 0
	state := &poller.State{Account: w.cfg.AccountID}
	err := w.producer.Recover(bounded, w.cfg.TopicPrefix+stateTopic, 0, func(m producer.Message) error {
		if records++; records%10_000 == 0 {
			w.turn()
		}
		if err := state.Restore(poller.Record{Key: m.Key, Value: m.Value}); err != nil {
			return &StateError{err}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := w.compareWithProgress(ctx, state); err != nil {
		return nil, err
	}
	w.metrics.recoveries.Inc()
	w.log.Info().Int("records", records).Int("remembered", state.Seen.Len()).Int64("sequence", state.Sequence).
		Time("complete_through", state.Coverage.Through(state.From)).Dur("took", time.Since(begun)).Msg("state recovered")
	return state, nil
}

// final tells that trying again would change nothing, or must not happen by itself.
func final(err error) bool {
	if errors.Is(err, producer.ErrFenced) {
		return true
	}
	if _, ok := errors.AsType[*StateError](err); ok {
		return true
	}
	e, ok := errors.AsType[*producer.Error](err)
	return ok && e.Category == producer.Settings
}

// turn notes that the loop is alive.
func (w *Worker) turn() { w.beat.Store(time.Now().UnixNano()) }

// kafkaTrouble is a time in which nothing can be committed.
type kafkaTrouble struct {
	Since    time.Time `json:"since"`
	Category string    `json:"category"`
	Error    string    `json:"error"` // with what to do, where that is known
	Attempts int       `json:"attempts"`
}

// pause notes a failed session, logs it once, and waits a little longer each time: 1 s, 2 s, up to half a minute. It is false
// when the context ended.
func (w *Worker) pause(ctx context.Context, err error) bool {
	category := categorize(err)
	t := &kafkaTrouble{Since: w.attempt, Category: category, Error: err.Error(), Attempts: 1}
	if old := w.trouble.Load(); old != nil {
		t.Since, t.Attempts = old.Since, old.Attempts+1
	}
	if old := w.trouble.Swap(t); old == nil || old.Category != category {
		w.log.Warn().Err(err).Str("category", category).Msg("nothing can be committed; recovering until it can")
	}
	w.metrics.sessionFailures.WithLabelValues(category).Inc()
	timer := time.NewTimer(min(30*time.Second, time.Second<<min(t.Attempts-1, 6)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// unlessInTrouble silences the producer's own lines while the Worker has said that nothing can be committed: every session
// begins its attempts anew, and would tell of the same outage again.
type unlessInTrouble struct{ *Worker }

// Run implements zerolog.Hook.
func (u unlessInTrouble) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	if u.trouble.Load() != nil {
		e.Discard()
	}
}

// kafkaWorks ends a time of trouble: with a commit, since recovery alone may work while no commit does.
func (w *Worker) kafkaWorks() {
	if t := w.trouble.Swap(nil); t != nil {
		w.log.Info().Dur("after", time.Since(t.Since)).Int("attempts", t.Attempts).Msg("recovered; committing again")
	}
}

// categorize gives an error's bounded category.
func categorize(err error) string {
	if e, ok := errors.AsType[*producer.Error](err); ok {
		return string(e.Category)
	}
	if _, ok := errors.AsType[*producer.RefusedError](err); ok {
		return string(producer.Refused)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return string(producer.Timeout)
	}
	return string(producer.Unexpected)
}

// Explain is the error as the operator is told of it at the end of the process, with what to do.
func Explain(err error) string {
	if errors.Is(err, producer.ErrFenced) {
		return fmt.Sprintf("%v. Two workers cannot run for one account and TOPIC_PREFIX in this release: stop one of them", err)
	}
	return err.Error()
}
