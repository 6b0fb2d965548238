package fleet

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// pingLasts is for how long the outcome of a ping is good. Each costs a connection.
	pingLasts   = time.Second
	pingTimeout = 3 * time.Second
)

// pingCache is the outcome of the last ping of the brokers. However many ask for it, a single ping is under way, and none for a
// second after it.
type pingCache struct {
	flight singleflight.Group

	mu   sync.Mutex
	at   time.Time
	last error
}

// get returns nil if a broker answers, or answered within the last second.
func (p *pingCache) get(ctx context.Context, ping func(context.Context) error) error {
	if err, known := p.known(); known {
		return err
	}
	asked := p.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), pingTimeout) // not the first one's: others wait for it, too
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

func (p *pingCache) known() (err error, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, !p.at.IsZero() && time.Since(p.at) < pingLasts
}
