package fleet

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// pulseHolds is for how long a sign of life of the brokers is good. Each costs a connection.
	pulseHolds   = time.Second
	pulseTimeout = 3 * time.Second
)

// pulse is the brokers' last sign of life. However many ask for one, a single request is under way, and none for a second
// after its answer.
type pulse struct {
	flight singleflight.Group

	mu   sync.Mutex
	at   time.Time
	last error
}

// feel returns nil if a broker answers, or answered within the last second.
func (p *pulse) feel(ctx context.Context, ping func(context.Context) error) error {
	if err, known := p.known(); known {
		return err
	}
	asked := p.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), pulseTimeout) // not the first one's: others wait for it, too
		defer cancel()
		err := ping(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.at, p.last = time.Now(), err
		return nil, err
	})
	select {
	case answer := <-asked:
		return answer.Err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pulse) known() (err error, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, !p.at.IsZero() && time.Since(p.at) < pulseHolds
}
