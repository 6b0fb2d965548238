package oauth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist/secret"
	"github.com/convstream/convstream/producer/authority"
)

// provider is a token endpoint over TLS, of an authority that nobody knows.
type provider struct {
	url    string
	ca     *x509.CertPool
	server *httptest.Server

	mu     sync.Mutex
	secret string
	asked  int
	answer http.HandlerFunc // nil: a token, where the secret is right
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	ca, err := authority.New("the provider's")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(time.Hour, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	own, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{secret: "hush-1", ca: ca.Pool()}
	p.server = httptest.NewUnstartedServer(p)
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{own}}
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	p.url = p.server.URL + "/token"
	return p
}

// ServeHTTP implements http.Handler.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.answer != nil {
		p.answer(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	id, password, _ := r.BasicAuth()
	if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read write" || id != "me" || password != p.secret {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s is wrong"}`, password)
		return
	}
	fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, p.asked)
}

func (p *provider) client(s secret.Secret) *Client {
	return &Client{Prefix: "X_", TokenURL: p.url, ID: "me", Secret: s, Scope: "read write", Authorities: func() (*x509.CertPool, error) { return p.ca, nil }}
}

func (p *provider) set(secret string, answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret, p.answer = secret, answer
}

func (p *provider) questions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// TestToken: a token serves many, until it is refused.
func TestToken(t *testing.T) {
	p := newProvider(t)
	c := p.client(secret.Value("X_CLIENT_SECRET", "hush-1"))
	for range 3 {
		if token, err := c.Token(t.Context()); token != "token-1" || err != nil {
			t.Fatalf("%q, %v", token, err)
		}
	}
	c.Reload()
	if token, err := c.Token(t.Context()); token != "token-1" || err != nil || p.questions() != 1 {
		t.Errorf("refused at once: %q, %v after %d questions; want no question so soon", token, err, p.questions())
	}
	c.asked = time.Now().Add(-pause)
	if token, err := c.Token(t.Context()); token != "token-2" || err != nil {
		t.Errorf("after its refusal: %q, %v", token, err)
	}
}

// TestSecretIsReadAgain: the provider's word is enough, even where the file looks unchanged.
func TestSecretIsReadAgain(t *testing.T) {
	p := newProvider(t)
	file := filepath.Join(t.TempDir(), "secret")
	at := time.Now().Add(-time.Hour)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("hush-1\n")
	c := p.client(secret.File("X_CLIENT_SECRET_FILE", file))
	if _, err := c.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.set("hush-2", nil)
	write("hush-2\n")
	ask := func() (string, error) {
		c.asked, c.held = time.Time{}, token{}
		return c.Token(t.Context())
	}
	if token, err := ask(); err == nil || !strings.HasPrefix(err.Error(), "X_CLIENT_SECRET: ") || strings.Contains(err.Error(), "hush") {
		t.Errorf("%q, %v", token, err)
	}
	if _, err := ask(); err != nil {
		t.Error(err)
	}
}

// TestLoginInBody: some endpoints take the client's login only so.
func TestLoginInBody(t *testing.T) {
	p := newProvider(t)
	p.set("", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_id") != "me" || r.FormValue("client_secret") != "hush-1" {
			http.Error(w, "?", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"t","expires_in":60}`)
	})
	if token, err := p.client(secret.Value("X_CLIENT_SECRET", "hush-1")).Token(t.Context()); token != "t" || err != nil {
		t.Errorf("%q, %v", token, err)
	}
}

// TestErrors: each thing that is wrong names the setting to correct, and shows nothing secret.
func TestErrors(t *testing.T) {
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	const json = "application/json"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		change func(*Client)
		want   []string
	}{
		"HTML":              {answer: answer(200, "text/html; charset=utf-8", "<html>hush-1"), want: []string{"X_TOKEN_URL: ", "text/html", "token_endpoint"}},
		"HTML, not found":   {answer: answer(404, "text/html", "<html>"), want: []string{"X_TOKEN_URL: ", "status 404", "token_endpoint"}},
		"no token":          {answer: answer(200, json, `{"id_token":"hush-2"}`), want: []string{"X_TOKEN_URL: ", "no access_token"}},
		"token of no kind":  {answer: answer(200, json, `{"access_token":"hush\u0001"}`), want: []string{"X_TOKEN_URL: ", "characters"}},
		"wrong secret":      {answer: answer(401, json, `{"error":"invalid_client","error_description":"hush-1"}`), want: []string{"X_CLIENT_SECRET: ", "status 401 invalid_client", "X_CLIENT_ID"}},
		"wrong secret, 400": {answer: answer(400, json, `{"error":"invalid_client"}`), want: []string{"X_CLIENT_SECRET: ", "status 400 invalid_client"}},
		"401 and no code":   {answer: answer(401, "text/plain", "hush-1"), want: []string{"X_CLIENT_SECRET: ", "status 401"}},
		"scope":             {answer: answer(400, json, `{"error":"invalid_scope"}`), want: []string{"X_SCOPE: ", "invalid_scope"}},
		"grant":             {answer: answer(400, json, `{"error":"unauthorized_client"}`), want: []string{"X_CLIENT_ID: ", "client_credentials"}},
		"error of no kind":  {answer: answer(400, json, `{"error":"hush-1 is wrong"}`), want: []string{"X_TOKEN_URL: ", "status 400; "}},
		"error with 200":    {answer: answer(200, json, `{"error":"invalid_scope"}`), want: []string{"X_SCOPE: "}},
		"out of order":      {answer: answer(503, "text/html", "<html>"), want: []string{"X_TOKEN_URL: ", "status 503", "it is retried"}},
		"elsewhere":         {answer: answer(302, "text/html", ""), want: []string{"X_TOKEN_URL: ", "status 302", "redirects"}},
		"endless":           {answer: answer(200, json, `{"access_token":"`+strings.Repeat("hush", 1<<19)+`"}`), want: []string{"X_TOKEN_URL: ", "not a token"}},
		"large":             {answer: answer(200, json, `{"access_token":"`+strings.Repeat("hush", 1<<15)+`"}`), want: []string{"X_TOKEN_URL: ", "64 KiB"}},
		"authority":         {change: func(c *Client) { c.Authorities = nil }, want: []string{"X_CA_FILE: ", "X_TOKEN_URL"}},
		"no file":           {change: func(c *Client) { c.Authorities = func() (*x509.CertPool, error) { return nil, errors.New("gone") } }, want: []string{"X_CA_FILE: "}},
		"plain, not TLS":    {change: func(c *Client) { c.TokenURL = "http" + strings.TrimPrefix(c.TokenURL, "https") }, want: []string{"X_TOKEN_URL: ", "status 400"}},
		"away":              {change: func(c *Client) { c.TokenURL = "https://" + closed.Addr().String() }, want: []string{"X_TOKEN_URL: ", "refused", "firewall"}},
		"no host":           {change: func(c *Client) { c.TokenURL = "https://none.invalid" }, want: []string{"X_TOKEN_URL: ", "host was not found"}},
		"no secret":         {change: func(c *Client) { c.Secret = secret.File("X_CLIENT_SECRET_FILE", "/none") }, want: []string{"X_CLIENT_SECRET_FILE: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			p.set("hush-1", c.answer)
			client := p.client(secret.Value("X_CLIENT_SECRET", "hush-1"))
			if c.change != nil {
				c.change(client)
			}
			token, err := client.Token(t.Context())
			if err == nil || token != "" {
				t.Fatalf("token %.20q, %v", token, err)
			}
			for _, part := range c.want {
				if text := err.Error(); !strings.Contains(text, part) || strings.Contains(text, "hush") || strings.Contains(text, "\n") {
					t.Errorf("error %q, want one line with %q", text, part)
				}
			}
		})
	}
}

// TestProxy: it is the proxy that is named where it does not let us through.
func TestProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	defer proxy.Close()
	p := newProvider(t)
	c := p.client(secret.Value("X_CLIENT_SECRET", "hush-1"))
	x, err := c.exchange()
	if err != nil {
		t.Fatal(err)
	}
	x.Proxy = func(r *http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	req, err := http.NewRequest(http.MethodPost, c.TokenURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.RoundTrip(req)
	if text := c.explain(err, x).Error(); !strings.Contains(text, "proxy "+strings.TrimPrefix(proxy.URL, "http://")+" answers status 407") || !strings.Contains(text, "HTTPS_PROXY") {
		t.Error(text)
	}
}
