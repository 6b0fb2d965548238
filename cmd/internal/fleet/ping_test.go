package fleet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPingCache: of a hundred that ask at once and again within a second, one asks the brokers; who gives up ends it for nobody else.
func TestPingCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pingCache
		var asked atomic.Int32
		down := errors.New("down")
		ping := func(context.Context) error {
			time.Sleep(2 * time.Second) // virtual
			return map[int32]error{1: down}[asked.Add(1)]
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if err := p.get(impatient, ping); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who gave up got %v", err)
			}
		})
		for range 100 {
			all.Go(func() {
				if err := p.get(t.Context(), ping); err != down {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if err := p.get(t.Context(), ping); err != down || asked.Load() != 1 {
			t.Errorf("within a second: %v, asked %d times", err, asked.Load())
		}
		time.Sleep(pingLasts)
		if err := p.get(t.Context(), ping); err != nil || asked.Load() != 2 {
			t.Errorf("a second later: %v, asked %d times", err, asked.Load())
		}
	})
}
