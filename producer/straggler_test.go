package producer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestACommitThatArrivesLate: the request to commit is given up after its timeout, asked again, and answered. The first one
// then arrives when the next transaction is half written, which must not become visible.
func TestACommitThatArrivesLate(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var arrived atomic.Bool
		p := w.acquired(func(c *Config) { c.Dial = holdingBack(w, kmsg.EndTxn, 15*time.Second, &arrived) })
		if err := p.Commit(t.Context(), rows(voice, "whole", 20), closeWith("whole")); err != nil {
			t.Fatal(err)
		}
		stop := errors.New("the worker dies here")
		err := p.Commit(t.Context(), rows(voice, "half", 20), func(map[string]int64) ([]Record, error) {
			time.Sleep(10 * time.Second) // virtual
			return nil, stop
		})
		if !errors.Is(err, stop) || !arrived.Load() {
			t.Fatalf("%v; the request has arrived: %t", err, arrived.Load())
		}
		if err := p.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		counts := w.count(voice)
		if len(counts) != 20 || counts["whole-0"] != 1 {
			t.Errorf("%d values are visible, want the 20 of the first transaction: %v", len(counts), counts)
		}
	})
}

// holdingBack is a network on which the first request of one kind takes so long, whether or not somebody still waits.
func holdingBack(w *world, key kmsg.Key, by time.Duration, arrived *atomic.Bool) func(context.Context, string, string) (net.Conn, error) {
	var met atomic.Bool
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := w.network.DialContext(ctx, network, address)
		return &heldBack{Conn: conn, take: func(b []byte) bool {
			return len(b) > 8 && kmsg.Key(binary.BigEndian.Uint16(b[4:])) == key && met.CompareAndSwap(false, true)
		}, by: by, arrived: arrived}, err
	}
}

type heldBack struct {
	net.Conn
	take    func([]byte) bool
	by      time.Duration
	arrived *atomic.Bool
	held    atomic.Bool
}

// Write implements net.Conn.
func (h *heldBack) Write(b []byte) (int, error) {
	if !h.take(b) {
		return h.Conn.Write(b)
	}
	h.held.Store(true)
	late := bytes.Clone(b)
	time.AfterFunc(h.by, func() {
		_ = h.Conn.SetDeadline(time.Time{})
		_, err := h.Conn.Write(late)
		_, _ = h.Conn.Read(make([]byte, 512))
		h.arrived.Store(err == nil)
		_ = h.Conn.Close()
	})
	return len(b), nil
}

// Close implements net.Conn.
func (h *heldBack) Close() error {
	if h.held.Load() {
		return nil
	}
	return h.Conn.Close()
}
