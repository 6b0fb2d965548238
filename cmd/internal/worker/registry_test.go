package worker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/producer/authority"
	"github.com/convstream/convstream/schemas"
	"github.com/convstream/convstream/schemas/registry"
)

// secured is a schema registry and a token endpoint behind TLS with client certificates, and the folder of files with which
// they are reached.
type secured struct {
	t        *testing.T
	dir      string
	registry *httptest.Server

	mu    sync.Mutex
	tls   *tls.Config
	login string // the only Authorization that the registry takes
}

func newSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{t: t, dir: t.TempDir()}
	s.certify()
	fake := srfake.NewRegistry().Handler()
	s.registry = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		taken := r.Header.Get("Authorization") == s.login
		s.mu.Unlock()
		switch {
		case r.URL.Path == "/token" && r.FormValue("client_secret") == "hush" || strings.HasSuffix(r.Header.Get("Authorization"), "bWU6aHVzaA=="):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"s3cret-1","expires_in":3600}`)
		case !taken:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error_code":40101,"message":"Unauthorized"}`)
		default:
			fake.ServeHTTP(w, r)
		}
	}))
	s.registry.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	s.registry.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.tls, nil
	}}
	s.registry.StartTLS()
	t.Cleanup(s.registry.Close)
	return s
}

// certify puts another authority in place, with certificates of its for both sides.
func (s *secured) certify() {
	s.t.Helper()
	ca, err := authority.New("the registry's")
	if err != nil {
		s.t.Fatal(err)
	}
	theirs, err := ca.Issue(time.Hour, "127.0.0.1")
	if err != nil {
		s.t.Fatal(err)
	}
	own, err := theirs.TLS()
	if err != nil {
		s.t.Fatal(err)
	}
	ours, err := ca.Issue(time.Hour, "me")
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tls = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	s.write("ca", string(ca.PEM))
	s.write("cert", string(ours.Cert))
	s.write("key", string(ours.Key))
}

func (s *secured) path(name string) string { return filepath.Join(s.dir, name) }

// write changes a file so that it looks unchanged where its size is the same.
func (s *secured) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(s.path(name), at, at); err != nil {
		s.t.Fatal(err)
	}
}

func (s *secured) takes(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.login = login
}

// open is what a worker does at its start, with these settings.
func (s *secured) open(set map[string]string) *registry.Registry {
	s.t.Helper()
	env := map[string]string{
		"SMARTASSIST_URL": "https://h", "SMARTASSIST_ACCOUNT_ID": account, "SMARTASSIST_JWT": "t", "KAFKA_BROKERS": "k:1", "SCHEMA_REGISTRY_URL": s.registry.URL,
		"SCHEMA_REGISTRY_CA_FILE": s.path("ca"), "SCHEMA_REGISTRY_CERT_FILE": s.path("cert"), "SCHEMA_REGISTRY_KEY_FILE": s.path("key"),
	}
	for name, value := range set {
		env[name] = value
	}
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r, _, err := OpenRegistry(cfg, Network{}, zerolog.Nop(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(r.Close)
	return r
}

// TestRegistryLogin: each login works over TLS with certificates of one's own. When a secret or a certificate is replaced, the next
// request that fails has the files read again, and no error shows a secret.
func TestRegistryLogin(t *testing.T) {
	for name, c := range map[string]struct {
		set        func(*secured) map[string]string
		old, young string // what is sent
	}{
		"user": {set: func(s *secured) map[string]string {
			return map[string]string{"SCHEMA_REGISTRY_USERNAME": "me", "SCHEMA_REGISTRY_PASSWORD_FILE": s.path("secret")}
		}, old: "Basic bWU6czNjcmV0LTE=", young: "Basic bWU6czNjcmV0LTI="},
		"token": {set: func(s *secured) map[string]string {
			return map[string]string{"SCHEMA_REGISTRY_TOKEN_FILE": s.path("secret")}
		}, old: "Bearer s3cret-1", young: "Bearer s3cret-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSecured(t)
			s.write("secret", "s3cret-1\n")
			s.takes(c.old)
			r := s.open(c.set(s))
			ask := func(topic string) error {
				_, err := r.IDs(t.Context(), map[string]schemas.Schema{topic: schemas.Progress})
				return err
			}
			if err := ask("a"); err != nil {
				t.Fatal(err)
			}
			s.takes(c.young)
			s.write("secret", "s3cret-2\n")
			err := ask("b")
			if e, ok := errors.AsType[*registry.Error](err); !ok || e.Category != registry.Login || strings.Contains(e.Error(), "s3cret") {
				t.Errorf("refused: %v", err)
			}
			if err := ask("b"); err != nil {
				t.Errorf("after the secret was replaced: %v", err)
			}
			s.certify()
			s.registry.CloseClientConnections()
			if err := ask("c"); err == nil {
				return
			}
			if err := ask("c"); err != nil {
				t.Errorf("after the certificates were replaced: %v", err)
			}
		})
	}
}

// TestRegistryOAuth: the token comes from an endpoint, over TLS of the same private authority here.
func TestRegistryOAuth(t *testing.T) {
	s := newSecured(t)
	s.tls.ClientAuth = tls.VerifyClientCertIfGiven
	s.takes("Bearer s3cret-1")
	r := s.open(map[string]string{
		"SCHEMA_REGISTRY_OAUTH_TOKEN_URL": s.registry.URL + "/token", "SCHEMA_REGISTRY_OAUTH_CLIENT_ID": "me", "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET": "hush",
		"SCHEMA_REGISTRY_OAUTH_CA_FILE": s.path("ca"),
	})
	if _, err := r.IDs(t.Context(), map[string]schemas.Schema{"a": schemas.Progress}); err != nil {
		t.Fatal(err)
	}
	r = s.open(map[string]string{
		"SCHEMA_REGISTRY_OAUTH_TOKEN_URL": s.registry.URL + "/nowhere", "SCHEMA_REGISTRY_OAUTH_CLIENT_ID": "me", "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET": "wrong",
		"SCHEMA_REGISTRY_OAUTH_CA_FILE": s.path("ca"),
	})
	_, err := r.IDs(t.Context(), map[string]schemas.Schema{"a": schemas.Progress})
	if e, ok := errors.AsType[*registry.Error](err); !ok || e.Category != registry.Login || e.Final || !strings.Contains(e.Error(), "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET: the endpoint answers status 401") {
		t.Errorf("%v", err)
	}
}
