package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/fleet"
	"github.com/convstream/convstream/cmd/internal/worker"
)

// replica is one process after the other, on one admin port.
type replica struct {
	number  int // from 1 on
	admin   net.Addr
	lookup  func(name string) (string, bool) // of the environment
	current atomic.Pointer[life]             // nil before the first
	lives   int
}

// life is a process from start to end: drained, or torn down in the middle of what it does.
type life struct {
	*fleet.Fleet
	line *lifeline
	torn atomic.Bool
	stop context.CancelFunc
	done chan struct{}
	err  error // to be read when done is closed
}

// environment is what a replica is told. What is said of accounts stands there, too, where there is one.
func (s *stage) environment(kafka, adminAddr net.Addr) func(name string) (string, bool) {
	env := map[string]string{
		"SMARTASSIST_URL": "http://" + s.service.String(), "SMARTASSIST_REQUESTS_PER_MINUTE": "60",
		"KAFKA_BROKERS": kafka.String(), "SCHEMA_REGISTRY_URL": "http://" + s.registry.String(), "ADMIN_ADDR": adminAddr.String(), "START_FROM": max(s.history, time.Second).String(),
		"POLL_INTERVAL": interval.String(), "SETTLE": settle.String(), "REREAD": "1m:10s,10m:30s,24h:2m", "SHUTDOWN_TIMEOUT": "10s",
		"LEASE_TIMEOUT": leaseTimeout.String(),
	}
	if s.accounts > mostLines {
		env["LEASE_TIMEOUT"] = leaseTimeoutMany.String()
	}
	if s.folder != "" {
		env["ACCOUNTS_DIR"] = s.folder
	} else {
		maps.Copy(env, s.tenants[0].settings())
	}
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// begin starts the replica's next life. failed is called where it ends by itself.
func (s *stage) begin(ctx context.Context, r *replica, failed func()) error {
	process, accounts, err := config.LoadAll(r.lookup, nil)
	if err != nil {
		return err
	}
	r.lives++
	l := &life{line: &lifeline{}, done: make(chan struct{})}
	c := fleet.Config{Process: process, Accounts: accounts, Log: s.log, Name: s.name(r), Network: worker.Network{Dial: l.line.dial}}
	if process.AccountsDir != "" {
		c.Reload = func() ([]config.AccountFile, error) { return process.Accounts(r.lookup, nil) }
	}
	if l.Fleet, err = fleet.New(c); err != nil {
		return err
	}
	ctx, l.stop = context.WithCancel(ctx)
	r.current.Store(l)
	go func() {
		defer close(l.done)
		if l.err = l.Run(ctx); ctx.Err() == nil { // it was not to end
			failed()
		}
	}()
	return nil
}

// name tells the process from the others, and from those that were torn down.
func (s *stage) name(r *replica) string {
	if s.replicas == 1 {
		return fmt.Sprint("worker ", r.lives)
	}
	return fmt.Sprintf("replica %d, life %d", r.number, r.lives)
}

// tearDown ends the replica as if the process had died: nothing it still wants to say gets out.
func (r *replica) tearDown() {
	l := r.current.Load()
	l.torn.Store(true)
	l.line.cut()
	l.stop()
	<-l.done
}

// drained returns when what began last has ended in order, and why it did not.
func (r *replica) drained() error {
	l := r.current.Load()
	if l == nil {
		return nil
	}
	l.stop()
	<-l.done
	return l.err
}

// work runs the replicas for the duration, or until interrupted, and drains them. With faults they are torn down in between.
func (s *stage) work(ctx context.Context, duration time.Duration) error {
	if duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	stop := s.disturb(ctx)
	defer stop()
	ctx, failed := context.WithCancel(ctx)
	defer failed()
	var counting sync.WaitGroup
	counting.Go(func() { s.countMoves(ctx) })
	err := s.play(ctx, failed)
	failed()
	counting.Wait()
	stop() // the last ones drain in peace
	for _, r := range s.processes {
		err = errors.Join(err, r.drained())
	}
	return err
}

// play starts all replicas and, with faults, replaces one at a time, until ctx ends.
func (s *stage) play(ctx context.Context, failed func()) error {
	for _, r := range s.processes {
		if err := s.begin(ctx, r, failed); err != nil {
			return err
		}
	}
	for {
		victim, is := s.victim(ctx)
		if !is {
			return nil
		}
		s.restarts++
		victim.tearDown()
		if err := s.begin(ctx, victim, failed); err != nil {
			return err
		}
	}
}

// worksOn returns the replica that works on the account, and what that says of it; nil while there is none.
func (s *stage) worksOn(t *tenant) (*replica, *admin.Account) {
	for _, r := range s.processes {
		l := r.current.Load()
		if l == nil || l.torn.Load() {
			continue
		}
		if w := l.Worker(t.id); w != nil && w.Role() == admin.Active {
			status := w.Status()
			return r, &status
		}
	}
	return nil, nil
}

// countMoves counts how often an account comes to be worked on by another replica, until ctx ends.
func (s *stage) countMoves(ctx context.Context) {
	last := map[*tenant]*replica{}
	for pause(ctx, 100*time.Millisecond) {
		for _, t := range s.tenants {
			r, _ := s.worksOn(t)
			if r == nil {
				continue
			}
			if last[t] != nil && last[t] != r {
				s.moves++
			}
			last[t] = r
		}
	}
}
