package producer

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// lateJoins is a network on which the answers to JoinGroup come late.
type lateJoins struct {
	dial func(context.Context, string, string) (net.Conn, error)
	by   time.Duration
}

func (l lateJoins) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, address)
	return &lateConn{Conn: conn, by: l.by}, err
}

type lateConn struct {
	net.Conn
	by      time.Duration
	joining bool
}

// Write implements net.Conn.
func (c *lateConn) Write(b []byte) (int, error) {
	if len(b) >= 6 && b[4] == 0 && b[5] == byte(kmsg.JoinGroup) {
		c.joining = true
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *lateConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.joining {
		c.joining = false
		time.Sleep(c.by) // virtual
	}
	return n, err
}

// TestALateJoinCostsNoLease: while the answer to a join is on its way, the coordinator answers a heartbeat with ILLEGAL_GENERATION.
// The holder is a member of the next one, and holds the lease there.
func TestALateJoinCostsNoLease(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.open()
		a := w.electorVia("a", lateJoins{w.network.DialContext, 2 * time.Second}.DialContext)
		awaitHolder(t, 2*leaseTimeout, a)
		held, _ := a.Tenure()
		for range 3 {
			w.elector("b").end()
			time.Sleep(leaseTimeout)
		}
		if held.Err() != nil {
			t.Errorf("the lease was lost: %v", context.Cause(held))
		}
	})
}
