package admin

import (
	"io"
	"net"
	"testing"
)

// from is a connection from somewhere.
type from struct {
	net.Conn
	addr   string
	closed *int
}

func (f from) RemoteAddr() net.Addr { a, _ := net.ResolveTCPAddr("tcp", f.addr); return a }
func (f from) Close() error         { *f.closed++; return nil }

// coming gives connections one after the other.
type coming struct {
	net.Listener
	all []net.Conn
}

func (c *coming) Accept() (net.Conn, error) {
	if len(c.all) == 0 {
		return nil, io.EOF
	}
	first := c.all[0]
	c.all = c.all[1:]
	return first, nil
}

// TestFairListener: one address has no more than its part, however often it comes, and has it again once it lets go; others, and this
// host, do not notice.
func TestFairListener(t *testing.T) {
	source, closed := &coming{}, 0
	l := &fairListener{Listener: source}
	accepted := func(addr string, n int) (got []net.Conn) {
		for range n {
			source.all = append(source.all, from{addr: addr, closed: &closed})
		}
		for {
			conn, err := l.Accept()
			if err != nil {
				return got
			}
			got = append(got, conn)
		}
	}
	greedy := accepted("10.0.0.9:1", 3*mostOfOne)
	if len(greedy) != mostOfOne || closed != 2*mostOfOne {
		t.Errorf("%d accepted, %d closed; want %d and %d", len(greedy), closed, mostOfOne, 2*mostOfOne)
	}
	if n := len(accepted("[::ffff:10.0.0.9]:2", 1)); n != 0 {
		t.Error("the same address, mapped into IPv6, has a part of its own")
	}
	if n := len(accepted("10.0.0.10:1", 1)); n != 1 {
		t.Error("another address is not served")
	}
	if n := len(accepted("127.0.0.1:1", 2*mostOfOne)); n != 2*mostOfOne {
		t.Errorf("this host has %d", n)
	}
	for _, conn := range greedy[:3] {
		_ = conn.Close()
		_ = conn.Close() // counts once
	}
	if n := len(accepted("10.0.0.9:3", 9)); n != 3 {
		t.Errorf("%d accepted after three were let go", n)
	}
	for _, conn := range greedy[3:] {
		_ = conn.Close()
	}
	if len(l.open) != 2 {
		t.Errorf("%v is still counted", l.open)
	}
}
