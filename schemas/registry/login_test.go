package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/producer/authority"
)

// password is one that changes when it was refused.
type password struct {
	now, next string
	err       error
}

func (p *password) Read() (string, error) { return p.now, p.err }
func (p *password) Reload()               { p.now = p.next }

// TestLogin: the password is read for each request and again after it was refused, and no error shows it.
func TestLogin(t *testing.T) {
	f := &fake{}
	f.answer = func(string, string) (int, string) {
		if f.logins[len(f.logins)-1] != "me new-secret" {
			return 401, `{"error_code":401,"message":"Unauthorized"}`
		}
		return 0, ""
	}
	p := &password{now: "old-secret", next: "new-secret"}
	r, log := open(t, f, func(c *Config) { c.Login = Basic{"me", p} })
	err := second(r.IDs(t.Context(), topics))
	if e := failure(t, err); e.Category != Login || e.Final {
		t.Error(e)
	}
	if _, err := r.IDs(t.Context(), topics); err != nil {
		t.Error(err)
	}
	p.err = errors.New("SCHEMA_REGISTRY_PASSWORD_FILE: gone")
	unread := second(r.Text(t.Context(), 12345))
	if e := failure(t, unread); e.Category != Login || e.Final || !strings.Contains(e.Error(), "FILE: gone") {
		t.Error(e)
	}
	for _, text := range []string{log.String(), err.Error(), unread.Error(), fmt.Sprintf("%+v %v", err, errors.Unwrap(err))} {
		if strings.Contains(text, "secret") {
			t.Errorf("shows a password: %s", text)
		}
	}
}

// TestRedirect: the login stays where it was meant to go.
func TestRedirect(t *testing.T) {
	elsewhere := &fake{Registry: srfake.NewRegistry()}
	s := httptest.NewServer(elsewhere)
	t.Cleanup(s.Close)
	here := httptest.NewServer(http.RedirectHandler(s.URL, http.StatusTemporaryRedirect))
	t.Cleanup(here.Close)
	r, _ := open(t, &fake{}, func(c *Config) { c.URL, c.Login = here.URL, Basic{"me", &password{now: "secret"}} })
	if e := failure(t, second(r.IDs(t.Context(), topics))); !strings.Contains(e.Error(), "status 307") || len(elsewhere.requests) > 0 {
		t.Errorf("%v, %d requests elsewhere", e, len(elsewhere.requests))
	}
}

// tokens are given out one after the other.
type tokens struct{ made, refused int }

func (k *tokens) Token(context.Context) (string, error) { return fmt.Sprint("secret-", k.made), nil }
func (k *tokens) Reload()                               { k.made, k.refused = k.made+1, k.refused+1 }

// TestBearer: a token that is refused makes the next request look for another one, and no error shows it.
func TestBearer(t *testing.T) {
	f := &fake{}
	f.answer = func(string, string) (int, string) {
		if h := f.headers[len(f.headers)-1]; h.Get("Authorization") != "Bearer secret-1" || h.Get("target-sr-cluster") != "lsrc-1" || h.Get("Confluent-Identity-Pool-Id") != "pool-1" {
			return 401, `{"error_code":40101,"message":"` + h.Get("Authorization") + ` is not known"}`
		}
		return 0, ""
	}
	k := &tokens{}
	r, log := open(t, f, func(c *Config) {
		c.Login = Bearer{Token: k, Cluster: "lsrc-1", Pool: "pool-1", Hint: "Set SCHEMA_REGISTRY_TOKEN"}
	})
	err := second(r.IDs(t.Context(), topics))
	if e := failure(t, err); e.Category != Login || e.Final || !strings.HasPrefix(e.Hint, "Set SCHEMA_REGISTRY_TOKEN") || k.refused != 1 {
		t.Errorf("%v, refused %d times", e, k.refused)
	}
	if _, err := r.IDs(t.Context(), topics); err != nil {
		t.Error(err)
	}
	for _, text := range []string{log.String(), err.Error()} {
		if strings.Contains(text, "secret") {
			t.Errorf("shows a token: %s", text)
		}
	}
}

// long is a token of more than is shown of an answer.
type long struct{}

func (long) Token(context.Context) (string, error) { return strings.Repeat("hush", longestReason), nil }
func (long) Reload()                               {}

// TestALongToken: an answer that repeats the token is cut when the token is taken out, not before.
func TestALongToken(t *testing.T) {
	f := &fake{}
	f.answer = func(string, string) (int, string) {
		return 403, `{"error_code":40301,"message":"` + f.headers[len(f.headers)-1].Get("Authorization") + ` may not"}`
	}
	r, _ := open(t, f, func(c *Config) { c.Login = Bearer{Token: long{}} })
	if e := failure(t, second(r.IDs(t.Context(), topics))); strings.Contains(e.Error(), "hush") || !strings.Contains(e.Error(), "may not") {
		t.Error(e)
	}
}

// certified serves a registry with certificates of an authority of its own, and wants one of it.
func certified(t *testing.T, hosts ...string) (url string, ca *authority.Authority) {
	t.Helper()
	ca, err := authority.New("the registry's")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(&fake{Registry: srfake.NewRegistry()})
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{issued(t, ca, time.Hour, hosts...)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, ca
}

func issued(t *testing.T, ca *authority.Authority, valid time.Duration, hosts ...string) tls.Certificate {
	t.Helper()
	pair, err := ca.Issue(valid, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	own, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// TestTLS: what is wrong with certificates names the setting, and is tried again with what the files then hold.
func TestTLS(t *testing.T) {
	url, ca := certified(t, "127.0.0.1")
	named, other := certified(t, "registry.example")
	ours := []tls.Certificate{issued(t, ca, time.Hour, "me")}
	for name, test := range map[string]struct {
		url  string
		tls  *tls.Config
		err  error
		says []string // nothing where all is well
	}{
		"right":             {url: url, tls: &tls.Config{RootCAs: ca.Pool(), Certificates: ours}},
		"unknown authority": {url: url, tls: &tls.Config{Certificates: ours}, says: []string{"not trusted", "SCHEMA_REGISTRY_CA_FILE"}},
		"another name":      {url: named, tls: &tls.Config{RootCAs: other.Pool()}, says: []string{"not for 127.0.0.1", "SCHEMA_REGISTRY_URL"}},
		"no certificate":    {url: url, tls: &tls.Config{RootCAs: ca.Pool()}, says: []string{"SCHEMA_REGISTRY_CERT_FILE"}},
		"expired, ours":     {url: url, tls: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{issued(t, ca, -time.Hour, "me")}}, says: []string{"SCHEMA_REGISTRY_CERT_FILE"}},
		"plain":             {url: "http" + strings.TrimPrefix(url, "https"), tls: &tls.Config{}, says: []string{"SCHEMA_REGISTRY_URL"}},
		"file gone":         {url: url, err: errors.New("SCHEMA_REGISTRY_CA_FILE: gone"), says: []string{"SCHEMA_REGISTRY_CA_FILE: gone", "read again"}},
	} {
		t.Run(name, func(t *testing.T) {
			now, wrong := test.tls, test.err
			r, err := Open(Config{URL: test.url, Register: true, Log: zerolog.Nop(), TLS: func() (*tls.Config, error) { return now.Clone(), wrong }})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			err = second(r.IDs(t.Context(), topics))
			if test.says == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			for _, part := range test.says {
				if e := failure(t, err); !strings.Contains(e.Error(), part) || e.Final {
					t.Errorf("%v, want it with %q", e, part)
				}
			}
			if now, wrong = (&tls.Config{RootCAs: ca.Pool(), Certificates: ours}), nil; test.url == url {
				if _, err := r.IDs(t.Context(), topics); err != nil {
					t.Errorf("after it was put right: %v", err)
				}
			}
		})
	}
}
