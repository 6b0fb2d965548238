package producer

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
)

const (
	// metadataTTL bounds how long a moved partition leader goes unnoticed (kafka-go has no forced refresh), how often an
	// idle worker asks for metadata, and how long a broker may take to answer that.
	metadataTTL = 5 * time.Second
	// idleTimeout is well below the ten minutes after which brokers hang up on an idle connection.
	idleTimeout = 30 * time.Second
	dialTimeout = 5 * time.Second

	firstPause = 10 * time.Millisecond
	// longestPause is short against a transaction timeout and long against what a restarting broker can be bothered with.
	longestPause = time.Second
	// quietFor is how long an operation is tried again before the log says so: a commit meets CONCURRENT_TRANSACTIONS
	// about once, and that is no news.
	quietFor = 2 * time.Second
)

// cluster is the way to the brokers: one kafka-go transport that knows the given topics, and the loop that tries again.
type cluster struct {
	client    *kafka.Client
	transport *kafka.Transport
	sockets   *sockets
	life      context.Context
	end       context.CancelCauseFunc
	timeout   time.Duration
	trouble   trouble
}

// trouble makes one log line of the way into an outage and one of the way out, however many operations wait.
type trouble struct {
	log zerolog.Logger

	mu      sync.Mutex
	waiting int // operations that have been trying for longer than quietFor
	told    bool
	since   time.Time
}

func (t *trouble) enter(e *Error, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting++; t.told {
		return
	}
	t.told, t.since = true, since
	t.log.Warn().Err(e).Str("category", string(e.Category)).Msg("kafka: trying again")
}

// leave ends the trouble when something worked and nobody waits any longer. An operation that gave up leaves it as it is.
func (t *trouble) leave(waited, worked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if waited {
		t.waiting--
	}
	if t.told && worked && t.waiting == 0 {
		t.told = false
		t.log.Info().Dur("after", time.Since(t.since)).Msg("kafka answers again")
	}
}

// connect opens nothing yet: connections are made on demand. The transport asks the brokers about topics only, not about
// everything the cluster has, which on a shared cluster is megabytes every second; nil topics means all of them.
func connect(to Cluster, topics []string) *cluster {
	dial := to.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 3 * time.Second}).DialContext
	}
	life, end := context.WithCancelCause(context.Background())
	s := &sockets{to: to, dial: dial, open: map[net.Conn]struct{}{}}
	t := &kafka.Transport{
		Dial:           s.DialContext,
		ClientID:       to.ClientID,
		DialTimeout:    dialTimeout,
		IdleTimeout:    idleTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
		Context:        life, // or a request that comes late would set its goroutines going again
	}
	c := &cluster{
		client:    &kafka.Client{Addr: kafka.TCP(to.Brokers...), Timeout: to.Timeout, Transport: t},
		transport: t,
		sockets:   s,
		life:      life,
		end:       end,
		timeout:   to.Timeout,
		trouble:   trouble{log: to.Log},
	}
	if to.TLS != nil || to.SASL != nil {
		go c.renew()
	}
	return c
}

// close ends every connection at once, those with a request under way too.
func (c *cluster) close() {
	c.end(errClosed)
	c.transport.CloseIdleConnections()
	c.sockets.close()
}

// attempts calls try until it succeeds, fails for good, ctx ends or the cluster is closed; what then comes back is an *Error with what as its
// Op. Each attempt has the request timeout.
func (c *cluster) attempts(ctx context.Context, what string, try func(context.Context) error) error {
	return c.attemptsQuietly(ctx, quietFor, what, try)
}

// attemptsQuietly is attempts that the log does not tell of for so long.
func (c *cluster) attemptsQuietly(ctx context.Context, quiet time.Duration, what string, try func(context.Context) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.life, func() { cancel(errClosed) })()
	started := time.Now()
	waits := false
	defer func() { c.trouble.leave(waits, err == nil) }()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := c.once(ctx, try)
		if err == nil {
			return nil
		}
		fail := failure(what, err)
		if over(ctx) {
			return fail.endedBy(ctx)
		}
		if !fail.retriable {
			return fail
		}
		if !waits && time.Since(started) >= quiet {
			waits = true
			c.trouble.enter(fail, started)
		}
		if !sleep(ctx, jitter(pause)) {
			return fail.endedBy(ctx)
		}
	}
}

// over reports whether ctx has ended. Of a deadline a connection may know a moment earlier: what it says then is not a trouble.
func over(ctx context.Context) bool {
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

// jitter keeps workers that lost the same broker from coming back in step.
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
