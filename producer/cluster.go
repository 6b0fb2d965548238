package producer

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
)

const (
	// metadataTTL bounds how long a moved partition leader goes unnoticed (kafka-go has no forced refresh), how often an
	// idle worker asks for metadata, and how long a broker may take to answer that.
	metadataTTL = 5 * time.Second
	// idleTimeout is well below the ten minutes after which brokers close an idle connection.
	idleTimeout = 30 * time.Second
	dialTimeout = 5 * time.Second

	firstPause = 10 * time.Millisecond
	// longestPause is short compared with a transaction timeout, and long enough to spare a broker that restarts.
	longestPause = time.Second
	// quietFor is how long an operation is retried before that is logged: a commit gets CONCURRENT_TRANSACTIONS about once, which is
	// normal.
	quietFor = 2 * time.Second
)

// cluster is a client of the brokers: one kafka-go transport, which knows the given topics, and the loop that retries.
type cluster struct {
	client    *kafka.Client
	transport *kafka.Transport
	sockets   *sockets
	life      context.Context
	end       context.CancelCauseFunc
	timeout   time.Duration
	outage    outage
}

// outage logs the beginning and the end of an outage once, however many operations wait.
type outage struct {
	log zerolog.Logger

	mu      sync.Mutex
	waiting int // operations that have been trying for longer than quietFor
	logged  bool
	since   time.Time
}

func (t *outage) enter(e *Error, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting++; t.logged {
		return
	}
	t.logged, t.since = true, since
	t.log.Warn().Err(e).Str("category", string(e.Category)).Msg("kafka: trying again")
}

// leave ends the outage when an operation succeeded and none waits any longer. One that gave up does not end it.
func (t *outage) leave(waited, worked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if waited {
		t.waiting--
	}
	if t.logged && worked && t.waiting == 0 {
		t.logged = false
		t.log.Info().Dur("after", time.Since(t.since)).Msg("kafka answers again")
	}
}

// connect returns a cluster; connections are opened on demand. The transport asks for the metadata of these topics only: that of a
// whole shared cluster can be megabytes every second. nil means all topics.
func connect(to Cluster, topics []string) *cluster {
	life, end := context.WithCancelCause(context.Background())
	s := newSockets(to)
	t := &kafka.Transport{
		Dial:           s.DialContext,
		ClientID:       to.ClientID,
		DialTimeout:    dialTimeout,
		IdleTimeout:    idleTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
		Context:        life, // or a late request would start its goroutines again
	}
	c := &cluster{
		client:    &kafka.Client{Addr: kafka.TCP(to.Brokers...), Timeout: to.Timeout, Transport: t},
		transport: t,
		sockets:   s,
		life:      life,
		end:       end,
		timeout:   to.Timeout,
		outage:    outage{log: to.Log},
	}
	if to.TLS != nil || to.SASL != nil {
		go c.renewConnections()
	}
	return c
}

// close closes every connection at once, also those with a request under way.
func (c *cluster) close() {
	c.end(errClosed)
	c.transport.CloseIdleConnections()
	c.sockets.close()
}

// retry calls try until it succeeds or returns an error that is not retriable, ctx ends or the cluster is closed. Its error is an
// *Error whose Op is what. Each attempt has the request timeout.
func (c *cluster) retry(ctx context.Context, what string, try func(context.Context) error) error {
	return c.retryQuietly(ctx, quietFor, what, try)
}

// retryQuietly is retry, logged only after it has lasted for longer than quiet.
func (c *cluster) retryQuietly(ctx context.Context, quiet time.Duration, what string, try func(context.Context) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.life, func() { cancel(errClosed) })()
	started := time.Now()
	waits := false
	defer func() { c.outage.leave(waits, err == nil) }()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := c.once(ctx, try)
		if err == nil {
			return nil
		}
		fail := failure(what, err)
		if hasEnded(ctx) {
			return fail.endedBy(ctx)
		}
		if !fail.retriable {
			return fail
		}
		if !waits && time.Since(started) >= quiet {
			waits = true
			c.outage.enter(fail, started)
		}
		if !sleep(ctx, jitter(pause)) {
			return fail.endedBy(ctx)
		}
	}
}

// hasEnded reports whether ctx has ended. A connection may report the deadline a moment before ctx does: hasEnded waits for that moment.
func hasEnded(ctx context.Context) bool {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

func (c *cluster) once(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return try(ctx)
}

// jitter keeps workers that lost the same broker from retrying at the same instants.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2) }

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
