package producer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var chaosSeeds = flag.Int("chaos", 30, "random worlds of TestLeaseUnderChaos")

// chaos is a network that loses and delays group requests and their answers at random, independently on each connection:
// heartbeats may arrive while a join does not.
type chaos struct {
	dial func(context.Context, string, string) (net.Conn, error)
	rate float64

	mu   sync.Mutex
	dice *rand.Rand
	on   bool
}

func (c *chaos) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &chaosConn{Conn: conn, chaos: c}, nil
}

func (c *chaos) turn(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = on
}

const (
	passes = iota
	breaks
	lateThere
	swallowed
	lateBack
)

func (c *chaos) fate() (what int, by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.on || c.dice.Float64() > c.rate {
		return passes, 0
	}
	return breaks + c.dice.IntN(4), time.Duration(c.dice.Int64N(int64(12 * time.Second)))
}

type chaosConn struct {
	net.Conn
	chaos *chaos
	fate  int
	by    time.Duration
}

// Write implements net.Conn. JoinGroup, Heartbeat, LeaveGroup and SyncGroup have the keys 11 to 14.
func (c *chaosConn) Write(b []byte) (int, error) {
	if len(b) >= 6 && b[4] == 0 && b[5] >= 11 && b[5] <= 14 {
		switch c.fate, c.by = c.chaos.fate(); c.fate {
		case breaks:
			_ = c.Close()
			return 0, errBroken
		case lateThere:
			time.Sleep(c.by) // virtual
		case swallowed:
			return len(b), nil
		}
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *chaosConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.fate == lateBack {
		c.fate = passes
		time.Sleep(c.by)
	}
	return n, err
}

// TestLeaseUnderChaos: whatever happens to group requests, no two workers believe at one time that the lease is confirmed for
// them, and when it is over one of them holds it.
func TestLeaseUnderChaos(t *testing.T) {
	held := 0
	for seed := range uint64(*chaosSeeds) {
		inWorld(t, 1, func(t *testing.T, w *world) {
			w.open()
			c := &chaos{dial: w.network.DialContext, dice: rand.New(rand.NewPCG(seed, 1)), rate: 0.02 + 0.1*float64(seed%5)}
			all := []*elector{w.electorVia("a", c.DialContext), w.electorVia("b", c.DialContext)}
			time.Sleep(10 * time.Second)
			c.turn(true)
			for tick := range 30_000 {
				if tick == 3000 {
					all = append(all, w.electorVia("c", c.DialContext))
				}
				time.Sleep(10 * time.Millisecond)
				n := confirmed(all)
				if n > 1 {
					t.Fatalf("seed %d: %d workers have a confirmed lease, %v after the chaos began", seed, n, time.Duration(tick)*10*time.Millisecond)
				}
				held += n
			}
			c.turn(false)
			time.Sleep(3 * time.Minute)
			if n := confirmed(all); n != 1 {
				t.Errorf("seed %d: %d workers hold the lease three minutes after the chaos", seed, n)
			}
		})
	}
	t.Logf("%d seeds: the lease was held for %.0f %% of the time under chaos", *chaosSeeds, float64(held)/float64(*chaosSeeds)/300)
	if held == 0 {
		t.Error("nobody ever held the lease: this says nothing")
	}
}

func confirmed(all []*elector) (n int) {
	for _, e := range all {
		if e.Confirmed() {
			n++
		}
	}
	return n
}

// hand is what works on an account in one process: as long as it holds the lease, and a little longer to finish.
type hand struct {
	name    string
	lease   *Lease
	working atomic.Bool
	moving  atomic.Bool // the lease is to be another's, and it has not finished
}

func (h *hand) run(ctx context.Context, dice *rand.Rand) {
	for ctx.Err() == nil {
		held, changed := h.lease.Tenure()
		h.lease.SetWarm(held == nil && h.lease.Status().Part == StandbyPart)
		if held == nil || !h.lease.Take(held) {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		h.working.Store(true)
		select {
		case <-ctx.Done():
		case <-held.Done():
		}
		if errors.Is(context.Cause(held), ErrLeaseMoved) {
			h.moving.Store(true)
			time.Sleep(time.Duration(dice.Int64N(int64(2 * time.Second)))) // virtual
		}
		h.moving.Store(false)
		h.working.Store(false)
		h.lease.Release()
	}
}

// TestManyLeasesUnderChaos: members come and go while group requests are lost. No account is worked on in two processes of which
// both have a confirmed lease, none moves before the work on it has finished, and in the end all are spread evenly.
func TestManyLeasesUnderChaos(t *testing.T) {
	accounts := []string{"a", "b", "c", "d", "e", "f", "g"}
	for seed := range uint64(*chaosSeeds / 3) {
		inWorld(t, 1, func(t *testing.T, w *world) {
			w.open()
			c := &chaos{dial: w.network.DialContext, dice: rand.New(rand.NewPCG(seed, 3)), rate: 0.02 + 0.1*float64(seed%4)}
			ctx, cancel := context.WithCancel(context.Background())
			var working sync.WaitGroup
			var all []*elector
			hands := map[string][]*hand{}
			join := func() {
				e := w.electorVia(fmt.Sprint("process ", len(all)+1), c.DialContext, accounts...)
				for i, account := range accounts {
					h := &hand{name: e.name, lease: e.process.Lease(account)}
					hands[account] = append(hands[account], h)
					working.Go(func() { h.run(ctx, rand.New(rand.NewPCG(seed, uint64(i)))) })
				}
				all = append(all, e)
			}
			join()
			join()
			time.Sleep(10 * time.Second)
			c.turn(true)
			for tick := range 10_000 {
				if tick == 2000 || tick == 6000 {
					join()
				}
				time.Sleep(20 * time.Millisecond)
				for account, list := range hands {
					if n := confirmedHands(list); n > 1 {
						t.Fatalf("seed %d: %d processes work on %s with a confirmed lease", seed, n, account)
					}
				}
			}
			c.turn(false)
			time.Sleep(5 * time.Minute)
			join() // in calm: it is waited for who has to finish
			moved := map[string]bool{}
			for range 2_000 {
				time.Sleep(20 * time.Millisecond)
				for account, list := range hands {
					for _, h := range list {
						if h.moving.Load() {
							moved[account] = true
						}
						if h.moving.Load() && confirmedHands(list) > 0 {
							t.Fatalf("seed %d: %s moves from %s, which has not finished, and another works on it", seed, account, h.name)
						}
					}
				}
			}
			if len(moved) != 1 {
				t.Errorf("seed %d: %d accounts moved to the fifth of five processes, of seven", seed, len(moved))
			}
			counts := map[string]int{}
			for account, list := range hands {
				for _, h := range list {
					counts[h.name] += toInt(h.working.Load())
				}
				if n := confirmedHands(list); n != 1 {
					t.Errorf("seed %d: %d processes work on %s in the end", seed, n, account)
				}
			}
			if len(counts) != 5 || spread(counts) > 1 {
				t.Errorf("seed %d: in the end they work on %v", seed, counts)
			}
			cancel()
			working.Wait()
		})
	}
}

func confirmedHands(list []*hand) (n int) {
	for _, h := range list {
		n += toInt(h.working.Load() && h.lease.Confirmed())
	}
	return n
}
