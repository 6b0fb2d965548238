// Package proxy stands between Kafka clients and the brokers, and breaks what passes: for tests. It knows just enough of
// the protocol to tell requests apart, so a test can act at a certain request, before the broker has seen it or after.
//
// Brokers tell clients their addresses, so a proxy must stand at the addresses that they tell: see the doors of package
// kraft.
package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Passing is a request on its way to a broker, or the answer on its way back.
type Passing struct {
	Key    kmsg.Key
	Answer bool
	Error  int16 // of the answer to EndTxn; of no other
}

// Proxy is a network that breaks when it is told to.
type Proxy struct {
	mu        sync.Mutex
	see       func(Passing) bool
	away      bool
	delay     time.Duration
	listeners []net.Listener
	pairs     map[*pair]bool
	done      sync.WaitGroup
}

func pass(Passing) bool { return true }

// New gives a proxy that lets everything pass.
func New() *Proxy { return &Proxy{pairs: map[*pair]bool{}, see: pass} }

// Stand forwards what comes to one address to another, until Close.
func (p *Proxy) Stand(listen, target string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("proxy to %s: %w", target, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = append(p.listeners, l)
	p.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.done.Go(func() { p.forward(conn.(*net.TCPConn), target) })
		}
	})
	return nil
}

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() {
	p.mu.Lock()
	for _, l := range p.listeners {
		_ = l.Close()
	}
	p.mu.Unlock()
	p.Cut()
	p.done.Wait()
}

// Watch calls see for everything that passes, before it does: a request has not reached its broker by then, and an answer
// not the client. Where see is false it never will, and the connection breaks. Calls come from many goroutines. nil looks
// no longer.
func (p *Proxy) Watch(see func(Passing) bool) {
	if see == nil {
		see = pass
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.see = see
}

// Cut breaks every connection, and every new one at once, until Mend.
func (p *Proxy) Cut() {
	for _, c := range p.all(func() { p.away = true }) {
		c.close()
	}
}

// HalfClose ends, on each connection that is open now, the way from the broker to the client. What the client sends goes on
// to the broker and takes effect.
func (p *Proxy) HalfClose() {
	for _, c := range p.all(func() {}) {
		c.mu.Lock()
		c.deaf = true
		_ = c.client.CloseWrite()
		c.mu.Unlock()
	}
}

// Delay holds every request and every answer back for so long.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Mend ends what Cut and Delay began.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away, p.delay = false, 0
}

// all are the open connections after a change.
func (p *Proxy) all(change func()) []*pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	var out []*pair
	for c := range p.pairs {
		out = append(out, c)
	}
	return out
}

// pair is a client's connection and ours to the broker.
type pair struct {
	client, broker *net.TCPConn

	mu    sync.Mutex
	deaf  bool       // half closed
	asked []kmsg.Key // requests without an answer: brokers answer a connection's in their order
}

func (c *pair) close() { _, _ = c.client.Close(), c.broker.Close() }

func (p *Proxy) forward(client *net.TCPConn, target string) {
	defer client.Close()
	broker, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		return
	}
	c := &pair{client: client, broker: broker.(*net.TCPConn)}
	defer c.close()
	p.mu.Lock()
	away := p.away
	p.pairs[c] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pairs, c)
		p.mu.Unlock()
	}()
	if away {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { defer c.close(); _ = p.requests(c) })
	both.Go(func() { defer c.close(); _ = p.answers(c) })
	both.Wait()
}

func (p *Proxy) requests(c *pair) error {
	for {
		frame, err := read(c.client)
		if err != nil {
			return err
		}
		key := kmsg.Key(binary.BigEndian.Uint16(frame[4:]))
		c.mu.Lock()
		c.asked = append(c.asked, key)
		c.mu.Unlock()
		if err := p.pass(Passing{Key: key}); err != nil {
			return err
		}
		if _, err := c.broker.Write(frame); err != nil {
			return err
		}
	}
}

func (p *Proxy) answers(c *pair) error {
	for {
		frame, err := read(c.broker)
		if err != nil {
			return err
		}
		c.mu.Lock()
		if len(c.asked) == 0 {
			c.mu.Unlock()
			return errors.New("an answer without a question")
		}
		answer := Passing{Key: c.asked[0], Answer: true}
		c.asked = c.asked[1:]
		deaf := c.deaf
		c.mu.Unlock()
		if deaf {
			continue
		}
		if answer.Key == kmsg.EndTxn && len(frame) >= 14 { // length, correlation, throttle, error: up to version 2
			answer.Error = int16(binary.BigEndian.Uint16(frame[12:]))
		}
		if err := p.pass(answer); err != nil {
			return err
		}
		if _, err := c.client.Write(frame); err != nil && !c.isDeaf() {
			return err
		}
	}
}

func (c *pair) isDeaf() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deaf
}

var errDropped = errors.New("dropped on the way")

func (p *Proxy) pass(what Passing) error {
	p.mu.Lock()
	see, delay := p.see, p.delay
	p.mu.Unlock()
	if !see(what) {
		return errDropped
	}
	if delay > 0 {
		time.Sleep(delay)
	}
	return nil
}

// read reads a request or an answer, its length included.
func read(conn net.Conn) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < 4 || n > 128<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	frame := make([]byte, 4+n)
	copy(frame, length[:])
	_, err := io.ReadFull(conn, frame[4:])
	return frame, err
}
