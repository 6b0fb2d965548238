package registry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/sr/srfake"
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
	r, log := open(t, f, func(c *Config) { c.Username, c.Password = "me", p })
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
	r, _ := open(t, &fake{}, func(c *Config) { c.URL, c.Username, c.Password = here.URL, "me", &password{now: "secret"} })
	if e := failure(t, second(r.IDs(t.Context(), topics))); !strings.Contains(e.Error(), "status 307") || len(elsewhere.requests) > 0 {
		t.Errorf("%v, %d requests elsewhere", e, len(elsewhere.requests))
	}
}

// TestTLS: an authority of one's own has to be named.
func TestTLS(t *testing.T) {
	f := &fake{Registry: srfake.NewRegistry()}
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	known := x509.NewCertPool()
	known.AddCert(s.Certificate())
	for _, test := range []struct {
		url  string
		cas  *x509.CertPool
		says string
	}{
		{s.URL, nil, "SCHEMA_REGISTRY_CA_FILE"},
		{"http" + strings.TrimPrefix(s.URL, "https"), known, "SCHEMA_REGISTRY_URL"},
		{s.URL, known, ""},
	} {
		r, err := Open(Config{URL: test.url, RootCAs: test.cas, Register: true, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		err = second(r.IDs(t.Context(), topics))
		r.Close()
		if test.says == "" && err != nil || test.says != "" && !strings.Contains(failure(t, err).Error(), test.says) {
			t.Errorf("%s with authorities of its own %t: %v", test.url, test.cas != nil, err)
		}
	}
}
