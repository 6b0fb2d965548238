package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lifeline is a worker's network, which can be cut: every connection breaks, and no new one is made.
type lifeline struct {
	mu    sync.Mutex
	dead  bool
	conns []net.Conn
}

func (l *lifeline) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		c.Close()
		return nil, errors.New("torn down")
	}
	l.conns = append(l.conns, c)
	return c, nil
}

func (l *lifeline) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for _, c := range l.conns {
		c.Close()
	}
}

// victim waits until a replica is to be torn down, every five to ten seconds, and returns which: each in turn, so there are accounts to move; false
// when ctx has ended. With many accounts it waits longer: a replica has to have begun with them.
func (s *stage) victim(ctx context.Context) (*replica, bool) {
	if !s.faults {
		<-ctx.Done()
		return nil, false
	}
	dice := rand.New(rand.NewPCG(s.seed, uint64(s.restarts)))
	after := 5*time.Second + time.Duration(dice.Int64N(int64(5*time.Second)))
	after *= time.Duration(1 + (s.accounts-1)/mostLines)
	return s.processes[s.restarts%len(s.processes)], pause(ctx, after)
}

// disturb makes one broker request in twelve fail, before or after it took effect, until the returned function is called.
func (s *stage) disturb(ctx context.Context) (stop func()) {
	if !s.faults {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(s.seed, 1<<32))
	for _, key := range []int16{int16(kmsg.Produce), int16(kmsg.AddPartitionsToTxn), int16(kmsg.EndTxn), int16(kmsg.InitProducerID), int16(kmsg.Fetch)} {
		s.cluster.ControlKey(key, func(req kmsg.Request) (kmsg.Response, error, bool) {
			s.cluster.KeepControl()
			mu.Lock()
			roll := dice.IntN(24)
			mu.Unlock()
			if ctx.Err() != nil || roll > 1 {
				return nil, nil, false
			}
			s.brokerFaults.Add(1)
			if end, ok := req.(*kmsg.EndTxnRequest); ok && roll == 1 {
				res := end.ResponseKind().(*kmsg.EndTxnResponse)
				res.ErrorCode = kerr.CoordinatorLoadInProgress.Code
				return res, nil, true
			}
			return nil, errors.New("connection lost"), true
		})
	}
	return cancel
}
