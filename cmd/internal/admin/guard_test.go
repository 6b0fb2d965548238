package admin

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/poller/smartassist/secret"
)

// TestWhoMayCommand: this host, asked by its own name and by nothing that passes on for others; or who has the token.
func TestWhoMayCommand(t *testing.T) {
	for name, c := range map[string]struct {
		token, from, host string
		header            [2]string
		code              int
	}{
		"loopback":                     {"", "127.0.0.1:9", "127.0.0.1:8080", [2]string{}, 404},
		"loopback by its name":         {"", "127.0.0.1:9", "LocalHost:8080", [2]string{}, 404},
		"loopback of IPv6":             {"", "[::1]:9", "[::1]:8080", [2]string{}, 404},
		"IPv4 within IPv6":             {"", "[::ffff:127.0.0.1]:9", "127.0.0.1", [2]string{}, 404},
		"a mesh's proxy":               {"", "127.0.0.6:9", "127.0.0.1:8080", [2]string{}, 403},
		"another host":                 {"", "10.0.0.9:9", "127.0.0.1:8080", [2]string{}, 403},
		"no address":                   {"", "@", "127.0.0.1:8080", [2]string{}, 403},
		"a stranger's name for us":     {"", "127.0.0.1:9", "evil.example:8080", [2]string{}, 403},
		"passed on":                    {"", "127.0.0.1:9", "127.0.0.1", [2]string{"X-Forwarded-For", "10.0.0.9"}, 403},
		"passed on, as RFC 7239 says":  {"", "127.0.0.1:9", "127.0.0.1", [2]string{"Forwarded", "for=10.0.0.9"}, 403},
		"passed on by Envoy":           {"", "127.0.0.1:9", "127.0.0.1", [2]string{"X-Envoy-Internal", "true"}, 403},
		"passed on by nginx":           {"", "127.0.0.1:9", "127.0.0.1", [2]string{"X-Real-Ip", "10.0.0.9"}, 403},
		"passed on by a gateway":       {"", "127.0.0.1:9", "127.0.0.1", [2]string{"Via", "1.1 gw"}, 403},
		"another's page in a browser":  {"", "127.0.0.1:9", "127.0.0.1:8080", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another host with the token":  {"right", "10.0.0.9:9", "worker", [2]string{"Authorization", "bearer  right "}, 404},
		"with a wrong one":             {"right", "10.0.0.9:9", "worker", [2]string{"Authorization", "Bearer wrong"}, 401},
		"with the beginning of it":     {"right", "10.0.0.9:9", "worker", [2]string{"Authorization", "Bearer righ"}, 401},
		"with none":                    {"right", "10.0.0.9:9", "worker", [2]string{}, 401},
		"with another scheme":          {"right", "10.0.0.9:9", "worker", [2]string{"Authorization", "Basic right"}, 401},
		"without a scheme":             {"right", "10.0.0.9:9", "worker", [2]string{"Authorization", "right"}, 401},
		"an empty one, and none set":   {"", "10.0.0.9:9", "worker", [2]string{"Authorization", "Bearer "}, 403},
		"loopback, where there is one": {"right", "127.0.0.1:9", "127.0.0.1", [2]string{}, 404},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://"+c.host+replay.Path, strings.NewReader(`{"all":true}`))
		r.RemoteAddr = c.from
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		rw := httptest.NewRecorder()
		quiet(c.token, false).Handler().ServeHTTP(rw, r)
		if rw.Code != c.code || (c.code == 401) != (rw.Header().Get("www-authenticate") == "Bearer") {
			t.Errorf("%s: %d %v %s, want %d", name, rw.Code, rw.Header(), rw.Body, c.code)
		}
		if body := rw.Body.String(); c.token != "" && strings.Contains(body, c.token) || c.code == 401 && !strings.Contains(body, "ADMIN_TOKEN") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

// TestATokenThatCannotBeRead lets nobody in, and is logged when it begins and when it ends, not with every request.
func TestATokenThatCannotBeRead(t *testing.T) {
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "token")
	port := NewPort(sick{}, prometheus.NewRegistry(), secret.File("ADMIN_TOKEN_FILE", path), true, zerolog.New(&log))
	status := func() int {
		r := httptest.NewRequest(http.MethodGet, "http://worker/status", nil)
		r.RemoteAddr = "10.0.0.9:9"
		r.Header.Set("authorization", "Bearer right")
		rw := httptest.NewRecorder()
		port.Handler().ServeHTTP(rw, r)
		return rw.Code
	}
	for range 3 {
		if code := status(); code != http.StatusUnauthorized {
			t.Errorf("without a file: %d", code)
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "ADMIN_TOKEN_FILE") {
		t.Errorf("%d lines: %s", lines, &log)
	}
	if err := os.WriteFile(path, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if code := status(); code != http.StatusOK {
			t.Errorf("with the file: %d", code)
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || strings.Contains(log.String(), "right\"") {
		t.Errorf("%d lines: %s", lines, &log)
	}
}

// TestOpen: the address is known as soon as it is open, free when stop returns, and an error names the setting.
func TestOpen(t *testing.T) {
	port := quiet("", false)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := port.Addr(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("before it is open: %v", err)
	}
	stop, err := port.Open(nil, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, err := port.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := quiet("", false).Open(nil, addr.String()); err == nil || !strings.Contains(err.Error(), "ADMIN_ADDR "+addr.String()) || !strings.Contains(err.Error(), "free port") {
		t.Errorf("where another listens: %v", err)
	}
	res, err := http.Get("http://" + addr.String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %s", res.Status)
	}
	stop()
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		t.Fatalf("after stop: %v", err)
	}
	_ = l.Close()
}
