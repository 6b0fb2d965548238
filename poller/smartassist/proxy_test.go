package smartassist

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// TestProxyAway: it is the proxy to which there is no connection, not the service.
func TestProxyAway(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	at, err := url.Parse(gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := New(Config{URL: "https://service.example", AccountID: "a", Token: StaticJWT(secret.Value("SMARTASSIST_JWT", token)), Budget: NewBudget(600_000)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.http.Transport.(*http.Transport).Proxy = http.ProxyURL(at)
	_, err = client.Page(t.Context(), aQuery)
	if e, ok := err.(*Error); !ok || e.Category != CategoryConnect || !strings.Contains(e.Error(), "to the proxy") || !strings.Contains(e.Hint, "HTTPS_PROXY") {
		t.Errorf("%v", err)
	}
}

// TestProxyRefuses: what a proxy says in the service's place is named as the proxy's, with its status, and nothing of the login is blamed.
func TestProxyRefuses(t *testing.T) {
	for _, c := range []struct {
		scheme     string
		status     int
		text, hint string
	}{
		{"https", 407, "answers status 407", "HTTPS_PROXY"},
		{"https", 403, "answers status 403", "NO_PROXY"},
		{"https", 502, "answers status 502", "does not reach"},
		{"https", 204, "answers status 204", "HTTPS_PROXY"},
		{"http", 407, "status 407", "HTTP_PROXY"},
		{"http", 403, "status 403", "it may be the proxy"},
		{"http", 502, "status 502", "it may be the proxy"},
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }))
		at, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		client, err := New(Config{
			URL: c.scheme + "://service.example", AccountID: "a", AllowHTTP: true,
			Token: StaticJWT(secret.Value("SMARTASSIST_JWT", token)), Budget: NewBudget(600_000),
		})
		if err != nil {
			t.Fatal(err)
		}
		client.http.Transport.(*http.Transport).Proxy = http.ProxyURL(at)
		_, err = client.Page(t.Context(), aQuery)
		e, ok := err.(*Error)
		if !ok || !strings.Contains(e.Error(), c.text) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s %d: %v, hint %q", c.scheme, c.status, err, e.Hint)
			continue
		}
		if c.scheme == "https" && (!strings.Contains(e.Error(), at.Host) || !e.Everywhere()) || c.status == 407 && (e.Kind != Temporary || strings.Contains(e.Hint, "JWT")) {
			t.Errorf("%s %d: %v, %s, everywhere %v, hint %q", c.scheme, c.status, err, e.Kind, e.Everywhere(), e.Hint)
		}
		client.Close()
		proxy.Close()
	}
}
