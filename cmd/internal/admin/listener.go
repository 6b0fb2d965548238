package admin

import (
	"net"
	"net/netip"
	"sync"
)

// mostOfOne is how many connections one address may have, unless it is this host: a stranger that holds all it can get leaves room for
// the probes, or the kubelet would end the worker.
const mostOfOne = 32

// fairListener closes connections of an address that has too many.
type fairListener struct {
	net.Listener

	mu   sync.Mutex
	open map[netip.Addr]int
}

// Accept implements net.Listener.
func (l *fairListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		host := from.Addr().Unmap()
		if err != nil || loopback[host] {
			return conn, nil
		}
		if l.take(host) {
			return &fairConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(host) })}, nil
		}
		_ = conn.Close()
	}
}

// take notes one more connection of the host, if it may have one.
func (l *fairListener) take(host netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[host] >= mostOfOne {
		return false
	}
	if l.open == nil {
		l.open = map[netip.Addr]int{}
	}
	l.open[host]++
	return true
}

func (l *fairListener) leave(host netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[host]--; l.open[host] == 0 {
		delete(l.open, host)
	}
}

// fairConn is a connection that counts until it is closed.
type fairConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *fairConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
