package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// sick is a process that is not ready.
type sick struct{}

func (sick) Healthy() error { return nil }
func (sick) Readiness(context.Context) error {
	return errors.New("brokers: kafka.internal:9092 is away")
}
func (sick) Status(context.Context) Status   { return Status{Name: "the process"} }
func (sick) Letters(string) (Letters, error) { return nil, errors.New("no such account") }

func (sick) Audits(string) (Audits, error) { return nil, errors.New("no such account") }
func (sick) Ranges(string) (Ranges, error) { return nil, errors.New("no such account") }
func quiet(token string, protectAll bool) *Port {
	s := secret.Secret{}
	if token != "" {
		s = secret.Value("ADMIN_TOKEN", token)
	}
	return NewPort(sick{}, prometheus.NewRegistry(), s, protectAll, zerolog.Nop())
}

// TestProtectAll: with it, nobody beyond loopback reads anything without the token but whether it is well.
func TestProtectAll(t *testing.T) {
	for _, c := range []struct {
		all         bool
		path        string
		token       string
		from        string
		code        int
		holds, lack string
	}{
		{false, "/status", "", "10.0.0.9:1", 200, "the process", ""},
		{false, "/readyz", "", "10.0.0.9:1", 503, "kafka.internal", ""},
		{true, "/status", "", "10.0.0.9:1", 401, "ADMIN_TOKEN", "the process"},
		{true, "/", "", "10.0.0.9:1", 401, "ADMIN_TOKEN", "the process"},
		{true, "/metrics", "", "10.0.0.9:1", 401, "ADMIN_TOKEN", ""},
		{true, "/metrics", "wrong", "10.0.0.9:1", 401, "ADMIN_TOKEN", ""},
		{true, "/metrics", "right", "10.0.0.9:1", 200, "", "ADMIN_TOKEN"},
		{true, "/status", "right", "10.0.0.9:1", 200, "the process", ""},
		{true, "/status", "", "127.0.0.1:1", 200, "the process", ""},
		{true, "/healthz", "", "10.0.0.9:1", 200, "ok", ""},
		{true, "/readyz", "", "10.0.0.9:1", 503, "ADMIN_TOKEN", "kafka.internal"},
		{true, "/readyz", "right", "10.0.0.9:1", 503, "kafka.internal", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080"+c.path, nil)
		if r.RemoteAddr = c.from; c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		rw := httptest.NewRecorder()
		quiet("right", c.all).Handler().ServeHTTP(rw, r)
		body := rw.Body.String()
		if rw.Code != c.code || !strings.Contains(body, c.holds) || c.lack != "" && strings.Contains(body, c.lack) {
			t.Errorf("%+v: %d %s", c, rw.Code, body)
		}
	}
}

// opened is a port on a virtual network.
func opened(t *testing.T) *kfake.VirtualNetwork {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	stop, err := quiet("", false).Open(network.Listen, "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return network
}

func dialed(t *testing.T, network *kfake.VirtualNetwork) net.Conn {
	t.Helper()
	conn, err := network.DialContext(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

const askHealth = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

// TestReaderThatDoesNotRead: who asks and takes no answer is let go.
func TestReaderThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dialed(t, opened(t))
		if _, err := io.WriteString(conn, askHealth); err != nil {
			t.Fatal(err)
		}
		time.Sleep(longestAnswer + time.Second) // virtual
		if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
			t.Errorf("still there after %v: %q, %v", longestAnswer, answer, err)
		}
	})
}

// TestManyConnections: those beyond the bound are served when others have gone.
func TestManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := opened(t)
		held := make([]net.Conn, mostConnections)
		for i := range held {
			held[i] = dialed(t, network)
		}
		served := make(chan string, 1)
		go func() {
			conn, err := network.DialContext(t.Context(), "tcp", "127.0.0.1:8080")
			if err != nil {
				served <- err.Error()
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, askHealth)
			status := make([]byte, len("HTTP/1.1 200 OK"))
			_, _ = io.ReadFull(conn, status)
			served <- string(status)
		}()
		synctest.Wait()
		select {
		case status := <-served:
			t.Errorf("the one after %d was served at once: %s", mostConnections, status)
		default:
		}
		_ = held[0].Close()
		if status := <-served; status != "HTTP/1.1 200 OK" {
			t.Errorf("then %q", status)
		}
	})
}
