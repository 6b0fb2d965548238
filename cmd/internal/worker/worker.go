// Package worker is the whole of convstream wired together: poller, encoder and producer around one account.
//
//	                 +-------------------- Worker -----------------------+
//	service --pages--> smartassist.Client -> poller.Poller -> sink ------+--one transaction--> Kafka
//	                 |                          ^              encoder   |
//	                 |        state topic ------+              producer  |
//	                 +---------------------------------------------------+
//
// A Worker lives in sessions. A session reads the state from its topic, stands by until it holds the lease, takes the
// producer epoch, reads the rest of the state, and polls until something on the Kafka side fails or the lease is lost. What
// then is the outcome of the last commit need not be known: the next session finds out the way a start does. There is no
// other path back (crash-only).
package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
	"github.com/convstream/convstream/schemas/registry"
)

// Network is how the Worker reaches others and is reached; the zero value is the real network.
type Network struct {
	Name   string                                                               // of this worker among those of the account
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // to the service and the brokers
	Listen func(network, address string) (net.Listener, error)                  // for the admin port
	Now    func() time.Time                                                     // the clock that the service's times are compared with; nil: time.Now
}

// Role is what a Worker is doing.
type Role string

// The roles that /status tells.
const (
	Starting Role = "starting" // no session yet, or between two
	Standby  Role = "standby"  // knows the state; another worker holds the lease
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
	decoder  *encoder.Decoder
	registry *registry.Registry // nil: without SCHEMA_REGISTRY_URL
	producer *producer.Producer
	lease    *producer.Lease // nil: LEASE=off
	elects   func()          // leaves the election; nil before the worker takes part
	holder   time.Time       // when it was last known who holds the lease, or when the worker began to ask
	yielding bool            // to a worker that takes no part in the election; logged
	metrics  *metrics
	outages  outages
	heart    heartbeat
	polling  poller.Config
	topics   []producer.Topic
	refused  refusals
	memo     memo

	adminToken   *smartassist.Secret // nil: POST is allowed from loopback only
	tokenTrouble atomic.Value        // text: why it could not be read, as the log has it; "" where it could
	errands      chan poller.Errand  // to the poller's goroutine
	replaying    sync.Mutex          // held by the replay of dead letters that is under way
	warned       map[string]bool     // of what the log has warned about topics

	role    atomic.Value                  // Role
	framed  atomic.Bool                   // the encoder knows the registry's ids
	poller  atomic.Pointer[poller.Poller] // of the present tenure, or the one that failed; nil while standing by
	memory  atomic.Pointer[memoryStatus]
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
		adminToken: AdminToken(cfg), errands: make(chan poller.Errand), warned: map[string]bool{},
	}
	w.role.Store(Starting)
	w.tokenTrouble.Store("")
	w.outages.log = log
	w.heart.beat()
	var err error
	if w.polling, err = pollingConfig(cfg, log); err != nil {
		return nil, err
	}
	if w.encoder, err = encoder.New(encoder.Config{
		AccountID: cfg.AccountID, TopicPrefix: cfg.TopicPrefix, ChannelTopics: cfg.ChannelTopics,
	}); err != nil {
		return nil, err
	}
	if w.registry, w.decoder, err = OpenRegistry(cfg, network, log); err != nil {
		return nil, err
	}
	w.polling.Now = network.Now
	w.topics = topics(cfg, w.encoder)
	if w.client, w.budget, err = serviceClient(cfg, network, w.permitted); err != nil {
		return nil, err
	}
	if w.producer, err = producer.Open(producerConfig(cfg, network, log.Hook(unlessKnown{&w.outages}))); err != nil {
		return nil, err
	}
	if w.lease, err = lease(cfg, network); err != nil {
		return nil, err
	}
	w.metrics = newMetrics(w)
	return w, nil
}

// Run works, or stands by, until the context ends, and then drains: a commit that has begun is finished, within
// SHUTDOWN_TIMEOUT, and the lease is given up at once. It returns nil when drained; an error only when this process cannot
// go on (the admin port is taken, topics or state are such that somebody has to decide, without a lease also when another
// worker has taken over) or could not finish what it had begun.
func (w *Worker) Run(ctx context.Context) error {
	defer w.producer.Close()
	defer w.client.Close()
	if w.registry != nil {
		defer w.registry.Close()
	}
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
	work, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	err = w.sessions(work, hard, fail)
	w.leaveElection() // not before the last commit is finished: the next worker would abort it
	if ctx.Err() == nil || hard.Err() != nil {
		return err
	}
	<-draining
	w.log.Info().Msg("drained")
	return nil
}

// sessions is one session after the other, until the context ends or one ends for good.
func (w *Worker) sessions(ctx, hard context.Context, fail context.CancelCauseFunc) error {
	for {
		err := w.session(ctx, hard, fail)
		w.role.Store(Starting)
		switch {
		case hard.Err() != nil:
			return fmt.Errorf("drain was cut off after SHUTDOWN_TIMEOUT %s: %w. What became of the last commit the next start finds out", w.cfg.ShutdownTimeout, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case w.lease != nil && errors.Is(err, producer.ErrFenced):
			w.log.Warn().Err(err).Msg("stepping back, standing by")
			w.lease.Yield()
		case errors.Is(err, producer.ErrLeaseLost):
			w.log.Warn().Err(err).Msg("stepping back, standing by")
		case final(err):
			return err
		default:
			w.pause(ctx, err)
		}
	}
}

// session is one life: state, lease, epoch, polling, until something ends it.
func (w *Worker) session(ctx, hard context.Context, fail context.CancelCauseFunc) error {
	if err := w.ensureTopics(ctx); err != nil {
		return err
	}
	if err := w.ensureSchemas(ctx); err != nil {
		return err
	}
	m := w.newMemory()
	if err := m.warmUp(ctx); err != nil {
		return err
	}
	ctx, release, err := w.standBy(ctx, m, fail)
	if err != nil {
		return err
	}
	defer release()
	if err := w.takeOver(ctx, m); err != nil {
		return unlessLost(ctx, err)
	}
	p := poller.New(w.polling, meter{w}, sink{w, hard}, m.state)
	w.poller.Store(p)
	w.role.Store(Active)
	return unlessLost(ctx, p.Run(ctx, w.errands))
}

// unlessLost is err, or what it comes from: the end of the tenure. A worker that was fenced steps back further.
func unlessLost(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(err, producer.ErrFenced) {
		return cause
	}
	return err
}

const (
	// step bounds the steps of a session that wait for brokers: the heart beats, and an outage shows.
	step = 15 * time.Second
	// longestRecovery bounds the reading of the state.
	longestRecovery = 5 * time.Minute
)

// takeOver makes this worker the only one that can commit, and its memory what the last commit left, whoever made it.
func (w *Worker) takeOver(ctx context.Context, m *memory) error {
	w.heart.beat()
	w.attempt = time.Now()
	w.budget.Restart()
	acquiring, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	if err := w.producer.Acquire(acquiring); err != nil {
		return err
	}
	if m.followed {
		// The topics may not be as they were when this worker began to stand by.
		if err := w.producer.InspectTopics(ctx, w.topics); err != nil {
			return err
		}
	}
	if err := m.catchUp(ctx); err != nil {
		return err
	}
	if err := w.compareWithProgress(ctx, m); err != nil {
		return err
	}
	w.metrics.recoveries.Inc()
	line := w.log.Info().Int("records", m.records).Int("remembered", m.state.Seen.Len()).Int64("sequence", m.state.Sequence)
	if through := m.state.Coverage.Through(m.state.From); !through.IsZero() { // zero: nothing was read yet
		line = line.Time("complete_through", through)
	}
	line.Dur("took", time.Since(w.attempt)).Msg("state recovered")
	return nil
}

// final reports whether trying again would change nothing, or must not happen by itself.
func final(err error) bool {
	if errors.Is(err, producer.ErrFenced) { // without a lease
		return true
	}
	if _, ok := errors.AsType[*StateError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*registry.Error](err); ok {
		return e.Final
	}
	e, ok := errors.AsType[*producer.Error](err)
	return ok && e.Category == producer.Settings
}

// pause waits after a failed session, a little longer each time.
func (w *Worker) pause(ctx context.Context, err error) {
	o := w.outages.note(w.attempt, err, "nothing can be committed; recovering until it can")
	w.metrics.sessionFailures.WithLabelValues(o.Category).Inc()
	timer := time.NewTimer(o.pause())
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Explain is the error as the operator is told of it at the end of the process, with what to do.
func Explain(err error) string {
	if errors.Is(err, producer.ErrFenced) {
		return fmt.Sprintf("%v. Without a lease (LEASE=off) two workers cannot run for one account and TOPIC_PREFIX: stop one of them, or set LEASE=on for all of them", err)
	}
	return err.Error()
}
