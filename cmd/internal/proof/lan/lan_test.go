package lan

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const broker, service = "127.0.0.1:9092", "127.0.0.1:8181"

// size is that of every request and answer, in bytes.
const size = 12

// echo answers requests with themselves.
type echo struct {
	network Network
	seen    atomic.Int32 // how many arrived
}

// serve answers on a port until the test ends.
func (e *echo) serve(t *testing.T, address string) {
	t.Helper()
	l, err := e.network.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go e.answer(conn)
		}
	}()
}

func (e *echo) answer(conn net.Conn) {
	defer conn.Close()
	request := make([]byte, size)
	for {
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		e.seen.Add(1)
		if _, err := conn.Write(request); err != nil {
			return
		}
	}
}

// requestOf is a request as a client of a broker writes it.
func requestOf(key kmsg.Key) []byte {
	b := binary.BigEndian.AppendUint32(nil, size-4)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	return append(b, "123456"...)
}

// exchange sends a request and reads its answer, within a second.
func exchange(conn net.Conn, request []byte) error {
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write(request); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, size))
	return err
}

// TestLosses: what a loss does to a request, and to no other: what its client learns, and whether it takes effect.
func TestLosses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		loss    Loss
		address string
		request []byte
		fails   error // what the client gets; nil: the answer
		then    int32 // how many requests have arrived by then
		finally int32 // and when all is over
	}{
		"arrives":             {Arrives, broker, requestOf(kmsg.EndTxn), nil, 1, 1},
		"lost":                {Lost, broker, requestOf(kmsg.EndTxn), errWire, 0, 0},
		"unheard":             {Unheard, broker, requestOf(kmsg.EndTxn), errWire, 1, 1},
		"late":                {Late, broker, requestOf(kmsg.EndTxn), os.ErrDeadlineExceeded, 1, 1},
		"delayed":             {Delayed, broker, requestOf(kmsg.EndTxn), os.ErrDeadlineExceeded, 0, 1},
		"another request":     {Lost, broker, requestOf(kmsg.Produce), nil, 1, 1},
		"lost, service":       {Lost, service, []byte("POST 1234567"), errWire, 0, 0},
		"unheard, service":    {Unheard, service, []byte("POST 1234567"), errWire, 1, 1},
		"delayed, service":    {Delayed, service, []byte("POST 1234567"), os.ErrDeadlineExceeded, 0, 1},
		"service, no request": {Lost, service, []byte("more of body"), nil, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var e echo
				e.serve(t, c.address)
				w := NewWire(e.network.DialContext, service)
				w.LateBy = time.Minute
				w.DecideAll(func(r Request) Loss {
					if r.Key == kmsg.EndTxn || r.Key == OverHTTP {
						return c.loss
					}
					return Arrives
				})
				conn, err := w.DialContext(t.Context(), "tcp", c.address)
				if err != nil {
					t.Fatal(err)
				}
				if err := exchange(conn, c.request); !errors.Is(err, c.fails) {
					t.Errorf("the client's error is %v, want %v", err, c.fails)
				}
				_ = conn.Close()
				if n := e.seen.Load(); n != c.then {
					t.Errorf("%d requests arrived, want %d", n, c.then)
				}
				time.Sleep(2 * time.Minute)
				if n := e.seen.Load(); n != c.finally {
					t.Errorf("%d requests arrived in the end, want %d", n, c.finally)
				}
			})
		})
	}
}

// TestCut: what is cut breaks and cannot be dialed, until it is mended; the rest goes on.
func TestCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e echo
		conns := map[string]net.Conn{}
		w := NewWire(e.network.DialContext, service)
		for _, address := range []string{broker, service} {
			e.serve(t, address)
			conns[address], _ = w.DialContext(t.Context(), "tcp", address)
		}
		w.CutBrokers()
		if err := exchange(conns[broker], requestOf(kmsg.Produce)); err == nil {
			t.Error("a connection that is cut goes on")
		}
		if _, err := w.DialContext(t.Context(), "tcp", strings.Replace(broker, "127.0.0.1", "localhost", 1)); !errors.Is(err, errWire) {
			t.Errorf("dialed where the wire is cut: %v", err)
		}
		if err := exchange(conns[service], []byte("POST 1234567")); err != nil {
			t.Errorf("the service's connection: %v", err)
		}
		w.Mend()
		conn, err := w.DialContext(t.Context(), "tcp", broker)
		if err == nil {
			err = exchange(conn, requestOf(kmsg.Produce))
		}
		if err != nil {
			t.Errorf("after it was mended: %v", err)
		}
		w.Cut("")
		if _, err := conns[service].Write([]byte("POST")); err == nil {
			t.Error("not all is cut")
		}
	})
}

// TestNetwork: what was written before the end is read after it; a port has one listener at a time.
func TestNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, err := n.Listen("tcp", broker)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Listen("tcp", broker); err == nil {
			t.Error("two listeners on one port")
		}
		accepted := make(chan net.Conn, 1)
		go func() { c, _ := l.Accept(); accepted <- c }()
		here, err := n.DialContext(t.Context(), "tcp", broker)
		if err != nil {
			t.Fatal(err)
		}
		there := <-accepted
		_, _ = here.Write([]byte("last words"))
		_ = here.Close()
		if got, err := io.ReadAll(there); err != nil || string(got) != "last words" {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := here.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("written to what is closed: %v", err)
		}
		_ = l.Close()
		if _, err := n.DialContext(t.Context(), "tcp", broker); err == nil {
			t.Error("dialed where nobody listens")
		}
		if _, err := n.Listen("tcp", broker); err != nil {
			t.Errorf("a port that was given up: %v", err)
		}
	})
}

// TestDeadlines: a read ends at its deadline, also at one that was moved while it waited, either way.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e echo
		e.serve(t, broker)
		conn, err := e.network.DialContext(t.Context(), "tcp", broker)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, moved := range []time.Duration{time.Minute, time.Hour, 2 * time.Minute} {
			began := time.Now()
			_ = conn.SetReadDeadline(began.Add(10 * time.Minute))
			time.AfterFunc(time.Second, func() { _ = conn.SetReadDeadline(began.Add(moved)) })
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != moved {
				t.Errorf("%v after %v, want it after %v", err, time.Since(began), moved)
			}
		}
	})
}
