package registry

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// TestProxyRefuses: what a proxy says in the registry's place is named as the proxy's, with its status, and is tried again.
func TestProxyRefuses(t *testing.T) {
	for _, c := range []struct {
		scheme     string
		status     int
		text, hint string
	}{
		{"https", 407, "answers status 407", "put the proxy's login into HTTPS_PROXY"},
		{"https", 403, "answers status 403", "NO_PROXY"},
		{"https", 502, "answers status 502", "does not reach the host of SCHEMA_REGISTRY_URL"},
		{"https", 204, "answers status 204", "HTTPS_PROXY"},
		{"http", 407, "status 407", "put the proxy's login into"},
		{"http", 403, "status 403", "it may be the proxy"},
		{"http", 502, "status 502", "it may be the proxy"},
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }))
		at, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(Config{URL: c.scheme + "://registry.example", Register: true, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		now, err := r.transport.current()
		if err != nil {
			t.Fatal(err)
		}
		now.Proxy = http.ProxyURL(at)
		e := failure(t, second(r.IDs(t.Context(), topics)))
		if !strings.Contains(e.Error(), c.text) || !strings.Contains(e.Hint, c.hint) || e.Final {
			t.Errorf("%s %d: %v, final %v", c.scheme, c.status, e, e.Final)
		}
		if c.scheme == "https" && (!strings.Contains(e.What, at.Host) || e.Category != Away) || c.status == 407 && strings.Contains(e.Hint, "SCHEMA_REGISTRY_USERNAME") {
			t.Errorf("%s %d: %v, %s", c.scheme, c.status, e, e.Category)
		}
		r.Close()
		proxy.Close()
	}
}
