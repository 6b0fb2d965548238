// Package worker is one account: poller, encoder and producer wired together.
//
//	                 +-------------------- session ----------------------+
//	service --pages--> smartassist.Client -> poller.Poller -> sink ------+--one transaction--> Kafka
//	                 |                          ^              encoder   |
//	                 |        state topic ------+              producer  |
//	                 +---------------------------------------------------+
//
// A Worker is one account. It lives in sessions: a session reads the state from its topic, stands by until it holds the lease,
// takes the producer epoch, reads the rest of the state, and polls until something on the Kafka side fails or the lease is
// lost. The outcome of the last commit need not be known then: the next session reads it from the topics, as a start does. There
// is no other way back (crash-only). The memory of what was committed outlives the session, and so do the verdicts on contents that
// brokers refused, and the lease, which is withdrawn after the last commit.
package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
	"github.com/convstream/convstream/schemas/registry"
)

// Network replaces the network and the clock in tests; the zero value is the real ones.
type Network struct {
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // to the service and the brokers
	Listen func(network, address string) (net.Listener, error)                  // for the admin port
	Now    func() time.Time                                                     // the clock that the service's times are compared with; nil: time.Now
}

// Host is what the accounts of a process share.
type Host struct {
	Network
	Compressor *producer.Compressor // nil means one for each account
	// LogsGroup: the process logs errors of the group, once for all accounts.
	LogsGroup bool
}

// Worker is the work on one account, with everything that outlives a session. Sessions follow each other in the goroutine of Run; the
// admin port and the metrics call it from others.
type Worker struct {
	cfg       *config.Config
	log       zerolog.Logger
	network   Network
	started   time.Time
	budget    *smartassist.Budget
	client    *smartassist.Client
	redaction *smartassist.Redaction
	pointers  *pointerCheck // of the redaction
	polling   poller.Config
	codec     codec
	producer  *producer.Producer
	topics    []producer.Topic
	warned    map[string]bool // of what the log has warned about topics
	election  election
	refused   *refusals          // what the brokers refused, for the next session
	kept      *keptMemo          // what was committed to the topics, for the next session to compare
	memory    *memory            // the state, for the next session
	errands   chan poller.Errand // to the poller's goroutine
	recalls   chan struct{}      // wakes recallPasses
	let       time.Time          // when the budget let the last request go; the poller's goroutine's

	heart     heartbeat
	outages   outages
	shown     shown
	metrics   *metrics
	observers observers // of what is committed
}

// New returns a Worker. It checks the settings and opens no connection. lease is nil with LEASE=off; the caller withdraws it after Run has
// returned.
func New(cfg *config.Config, log zerolog.Logger, host Host, lease *producer.Lease) (*Worker, error) {
	network := host.Network
	w := &Worker{
		cfg: cfg, log: log, network: network, started: time.Now(),
		refused: newRefusals(), errands: make(chan poller.Errand), recalls: make(chan struct{}, 1), warned: map[string]bool{},
		election: election{lease: lease, holderKnown: time.Now(), groupLogged: host.LogsGroup},
	}
	w.shown.role.Store(admin.Starting)
	w.shown.waits.Store("")
	w.outages.log = log
	w.heart.beat()
	var err error
	if w.redaction, err = cfg.Rules(); err != nil {
		return nil, err
	}
	if w.polling, err = PollingConfig(cfg, log); err != nil {
		return nil, err
	}
	w.polling.Now, w.polling.Redaction = network.Now, w.redaction.ID()
	if w.codec.plain, err = encoder.New(encoder.Config{AccountID: cfg.AccountID, Topics: cfg.Topics(), Redaction: w.redaction.ID()}); err != nil {
		return nil, err
	}
	if w.codec.registry, w.codec.decoder, err = OpenRegistry(cfg, network, log, w.registryAnswered); err != nil {
		return nil, err
	}
	w.topics = Topics(cfg)
	w.budget = smartassist.NewBudget(cfg.RequestsPerMinute)
	if w.client, err = ServiceClient(cfg, network, w.budget, w.redaction, w.permit); err != nil {
		return nil, err
	}
	if w.producer, err = producer.Open(producerConfig(cfg, host, func(what string) { w.shown.waits.Store(what) }, log.Hook(unlessKnown{&w.outages}))); err != nil {
		return nil, err
	}
	rows := append(cfg.Topics().Conversations(), cfg.Topics().DeadLetters())
	w.kept = &keptMemo{topics: rows, kafka: w.producer, log: log}
	w.metrics = newMetrics(cfg.AccountID, rows, cfg.RequestsPerMinute, w)
	w.metrics.redacted(w.redaction)
	w.pointers = &pointerCheck{redaction: w.redaction, log: log}
	return w, nil
}

// permit is called before every request to the service, when the budget has let it go.
func (w *Worker) permit(ctx context.Context) error {
	err := w.election.permit(ctx)
	if err == nil {
		w.let = time.Now()
	}
	return err
}

// now returns the time by the clock of reads.
func (w *Worker) now() time.Time {
	if w.network.Now != nil {
		return w.network.Now()
	}
	return time.Now()
}

// registryAnswered notes a request to the schema registry.
func (w *Worker) registryAnswered(outcome string, took time.Duration) {
	w.metrics.timings.registryRequest.WithLabelValues(outcome).Observe(took.Seconds())
}

// Metrics returns the account's metrics, with its id as the label account.
func (w *Worker) Metrics() prometheus.Gatherer { return w.metrics.registry }

// Run works, or stands by, until the context ends, and then drains: a commit that has begun is finished, within
// SHUTDOWN_TIMEOUT. It returns nil when drained; an error only if this worker cannot go on (topics or state need a decision of the
// operator, or, without a lease, another worker has taken over) or the drain was cut off.
func (w *Worker) Run(ctx context.Context) error {
	defer w.producer.Close()
	defer w.client.Close()
	if w.codec.registry != nil {
		defer w.codec.registry.Close()
	}
	hard, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	draining := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		w.log.Info().Dur("at_most", w.cfg.ShutdownTimeout).Msg("draining: finishing what has begun")
		close(draining)
		time.AfterFunc(w.cfg.ShutdownTimeout, cutOff)
	})()
	err := w.sessions(ctx, hard)
	if ctx.Err() == nil || hard.Err() != nil {
		return err
	}
	<-draining
	w.log.Info().Msg("drained")
	return nil
}

// sessions runs one session after the other, until the context ends or one returns a final error.
func (w *Worker) sessions(ctx, hard context.Context) error {
	for {
		s := &session{worker: w, encoder: w.codec.plain}
		err := s.run(ctx, hard)
		w.shown.role.Store(admin.Starting)
		switch {
		case hard.Err() != nil:
			return fmt.Errorf("drain was cut off after SHUTDOWN_TIMEOUT %s: %w. The next start finds out the outcome of the last commit", w.cfg.ShutdownTimeout, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errNoPart):
			w.memory = nil // this replica does not need it any more
		case !w.election.off() && errors.Is(err, producer.ErrFenced):
			w.log.Warn().Err(err).Msg("stepping back, standing by")
			w.election.lease.Yield()
		case errors.Is(err, producer.ErrLeaseLost), errors.Is(err, producer.ErrResigned):
			w.log.Warn().Err(err).Msg("stepping back, standing by")
		case errors.Is(err, producer.ErrLeaseMoved):
			w.log.Info().Msg("the account moves to another replica")
		case final(err):
			return err
		default:
			w.pause(ctx, s.attempt, err)
		}
	}
}

// pause waits after a failed session, longer each time.
func (w *Worker) pause(ctx context.Context, began time.Time, err error) {
	o := w.outages.note(began, err, "nothing can be committed; recovering until it can")
	w.metrics.sessionFailures.WithLabelValues(o.Category).Inc()
	if w.election.resign(o.Since, commitsFailFor) {
		w.log.Warn().Time("since", o.Since).Msg("nothing can be committed here: giving the account up to the worker that stands by")
	}
	timer := time.NewTimer(o.pause())
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
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

// Explain is the error as the operator is told of it at the end of the process, with what to do.
func Explain(err error) string {
	if errors.Is(err, producer.ErrFenced) {
		return fmt.Sprintf("%v. Without a lease (LEASE=off) two workers cannot run for one account and TOPIC_PREFIX: stop one of them, or set LEASE=on for all of them", err)
	}
	return err.Error()
}
