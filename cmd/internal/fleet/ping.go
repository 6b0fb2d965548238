package fleet

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// pingLasts is how long the result of a ping is valid. Each ping costs a connection.
	pingLasts   = time.Second
	pingTimeout = 3 * time.Second
)

// pingCache is the result of the last ping of the brokers. However many goroutines ask for it, there is one ping at a time, and none
// within pingLasts of the last.
type pingCache struct {
	flight singleflight.Group

	mu   sync.Mutex
	at   time.Time
	last error
}

// get returns the result of a ping that is not older than pingLasts. It does not wait longer than ctx.
func (p *pingCache) get(ctx context.Context, ping func(context.Context) error) error {
	if err, known := p.known(); known {
		return err
	}
	asked := p.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), pingTimeout) // not that of the first caller: others wait for the ping, too
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
