package producer

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/convstream/convstream/producer/authority"
)

// secrets is a folder of certificates and keys, written as a rotation does.
type secrets struct {
	t   *testing.T
	dir string
	ca  *authority.Authority
}

func newSecrets(t *testing.T) *secrets {
	t.Helper()
	ca, err := authority.New("the authority")
	if err != nil {
		t.Fatal(err)
	}
	s := &secrets{t, t.TempDir(), ca}
	s.write("ca", ca.PEM)
	return s
}

func (s *secrets) path(name string) string { return filepath.Join(s.dir, name) }

func (s *secrets) write(name string, content []byte) {
	s.t.Helper()
	young := s.path(".young")
	if err := os.WriteFile(young, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(young, s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *secrets) issue(valid time.Duration, hosts ...string) authority.Pair {
	s.t.Helper()
	p, err := s.ca.Issue(valid, hosts...)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// client writes a client certificate.
func (s *secrets) client(p authority.Pair) {
	s.write("cert", p.Cert)
	s.write("key", p.Key)
}

// server returns the TLS configuration of a broker.
func (s *secrets) server(valid time.Duration, hosts ...string) *tls.Config {
	s.t.Helper()
	own, err := s.issue(valid, hosts...).TLS()
	if err != nil {
		s.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{own}}
}

// mutual returns the TLS configuration of a broker that requires a client certificate.
func (s *secrets) mutual() *tls.Config {
	c := s.server(time.Hour, "localhost", "127.0.0.1")
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, s.ca.Pool()
	return c
}

// password is a Password in memory.
type password struct {
	text     string
	reloaded atomic.Int32
}

func (p *password) Read() (string, error) { return p.text, nil }
func (p *password) Reload()               { p.reloaded.Add(1) }

// secureWorld is a world on real sockets, with a folder of secrets from which the options come. Where a handshake fails, both
// sides write: they would wait for each other on a virtual network, which has no buffers.
func secureWorld(t *testing.T, opts func(*secrets) []kfake.Opt) (*world, *secrets) {
	t.Helper()
	s := newSecrets(t)
	cluster, err := kfake.NewCluster(append(opts(s), kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &world{t: t, network: nil, kafka: cluster}, s
}

// ask lists the topics, with retries for a moment where it is to be refused; for longer where the moment was too short for one answer.
func (w *world) ask(tls *TLS, sasl Mechanism, refused bool) (err error) {
	if !refused {
		return w.askFor(time.Minute, tls, sasl)
	}
	for patience := 3 * time.Second; patience < time.Minute; patience *= 3 {
		err = w.askFor(patience, tls, sasl)
		if e, ok := errors.AsType[*Error](err); !ok || e.Category != Canceled && e.Category != Timeout && e.Category != Connection || strings.Contains(e.Hint, "KAFKA_TLS") || strings.Contains(e.Hint, "KAFKA_SASL") {
			break
		}
	}
	return err
}

func (w *world) askFor(patience time.Duration, tls *TLS, sasl Mechanism) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	to := Cluster{Brokers: w.kafka.ListenAddrs(), ClientID: "test", TLS: tls, SASL: sasl}
	_, err := Topics(ctx, to, "")
	return err
}

func secured(change func(*secrets) *tls.Config) func(*secrets) []kfake.Opt {
	return func(s *secrets) []kfake.Opt { return []kfake.Opt{kfake.TLS(change(s))} }
}

// TestTLS: each error is one line that names the setting to correct.
func TestTLS(t *testing.T) {
	good := func(s *secrets) *tls.Config { return s.server(time.Hour, "localhost", "127.0.0.1") }
	trusting := func(s *secrets) *TLS { return &TLS{CAFile: s.path("ca")} }
	showing := func(s *secrets) *TLS {
		return &TLS{CAFile: s.path("ca"), CertFile: s.path("cert"), KeyFile: s.path("key")}
	}
	for name, c := range map[string]struct {
		broker     func(*secrets) []kfake.Opt
		tls        func(*secrets) *TLS
		prepare    func(*secrets)
		text, hint string // "" where all is well
	}{
		"right":             {broker: secured(good), tls: trusting},
		"TLS 1.2":           {broker: secured(func(s *secrets) *tls.Config { c := good(s); c.MaxVersion = tls.VersionTLS12; return c }), tls: trusting},
		"unknown authority": {broker: secured(good), tls: func(*secrets) *TLS { return &TLS{} }, text: "has a certificate signed by an unknown authority", hint: "KAFKA_TLS_CA_FILE"},
		"another name": {broker: secured(func(s *secrets) *tls.Config { return s.server(time.Hour, "kafka.example", "10.0.0.1") }), tls: trusting,
			text: "has a certificate for kafka.example, 10.0.0.1, not for ", hint: "KAFKA_TLS_SERVER_NAME"},
		"the name given": {broker: secured(func(s *secrets) *tls.Config { return s.server(time.Hour, "kafka.example") }),
			tls: func(s *secrets) *TLS { return &TLS{CAFile: s.path("ca"), ServerName: "kafka.example"} }},
		"expired": {broker: secured(func(s *secrets) *tls.Config { return s.server(-time.Minute, "localhost", "127.0.0.1") }), tls: trusting,
			text: "has a certificate that is not valid: it is valid from ", hint: "renew the broker's certificate"},
		"TLS listener": {broker: secured(good), tls: func(*secrets) *TLS { return nil }, text: "", hint: "KAFKA_TLS"},
		"mutual":       {broker: secured((*secrets).mutual), tls: showing, prepare: func(s *secrets) { s.client(s.issue(time.Hour, "me")) }},
		"mutual, TLS 1.2": {broker: secured(func(s *secrets) *tls.Config { c := s.mutual(); c.MaxVersion = tls.VersionTLS12; return c }), tls: trusting,
			text: "wants a client certificate", hint: "KAFKA_TLS_CERT_FILE"},
		"no certificate": {broker: secured((*secrets).mutual), tls: trusting, text: "wants a client certificate", hint: "KAFKA_TLS_CERT_FILE"},
		"expired, ours": {broker: secured((*secrets).mutual), tls: showing, prepare: func(s *secrets) { s.client(s.issue(-time.Minute, "me")) },
			text: "refuses the client certificate", hint: "KAFKA_TLS_CERT_FILE"},
		"of another authority, ours": {broker: secured((*secrets).mutual), tls: showing, prepare: func(s *secrets) { s.client(newSecrets(s.t).issue(time.Hour, "me")) },
			text: "refuses the client certificate", hint: "KAFKA_TLS_CERT_FILE"},
		"file gone":   {broker: secured(good), tls: func(s *secrets) *TLS { return &TLS{CAFile: s.path("none")} }, text: "KAFKA_TLS_CA_FILE", hint: "read again"},
		"another key": {broker: secured(good), tls: showing, prepare: func(s *secrets) { s.client(s.issue(time.Hour, "me")); s.write("key", s.issue(time.Hour, "me").Key) }, text: "KAFKA_TLS_KEY_FILE", hint: "read again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := secureWorld(t, c.broker)
			if c.prepare != nil {
				c.prepare(s)
			}
			err := w.ask(c.tls(s), nil, c.text != "" || c.hint != "")
			if c.text == "" && c.hint == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Category != Encryption && c.text != "" || !strings.Contains(e.Error(), c.text) || !strings.Contains(e.Hint, c.hint) || strings.Contains(e.Error(), "\n") {
				t.Errorf("error %v, want one with %q and a hint with %q", err, c.text, c.hint)
			}
		})
	}
}

// TestTLSWhereThereIsNone: whether a listener without TLS closes the connection or waits, the hint says to set KAFKA_TLS=off.
func TestTLSWhereThereIsNone(t *testing.T) {
	for _, hangUp := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			network := new(kfake.VirtualNetwork)
			answering(t, network, "", hangUp)
			ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
			defer cancel()
			_, err := Topics(ctx, Cluster{Brokers: []string{"127.0.0.1:9092"}, ClientID: "test", Dial: network.DialContext, TLS: &TLS{}}, "")
			if e, ok := errors.AsType[*Error](err); !ok || e.Category != Encryption || !strings.Contains(e.Hint, "KAFKA_TLS=off") {
				t.Errorf("hangs up %v: %v", hangUp, err)
			}
		})
	}
}

// TestLogin: each mechanism works, and each error is one line without the password.
func TestLogin(t *testing.T) {
	brokers := func(s *secrets) []kfake.Opt {
		opts := []kfake.Opt{kfake.TLS(s.server(time.Hour, "localhost", "127.0.0.1")), kfake.EnableSASL()}
		for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
			opts = append(opts, kfake.Superuser(m, "me-"+m, "pencil"))
		}
		return opts
	}
	for name, c := range map[string]struct {
		mechanism, user, password string
		text, hint                string
	}{
		"PLAIN":           {"PLAIN", "me-PLAIN", "pencil", "", ""},
		"SCRAM-SHA-256":   {"SCRAM-SHA-256", "me-SCRAM-SHA-256", "pencil", "", ""},
		"SCRAM-SHA-512":   {"SCRAM-SHA-512", "me-SCRAM-SHA-512", "pencil", "", ""},
		"wrong, PLAIN":    {"PLAIN", "me-PLAIN", "hunter2", `refuses the login of user "me-PLAIN" with PLAIN`, "KAFKA_SASL_PASSWORD"},
		"wrong, SCRAM":    {"SCRAM-SHA-512", "me-SCRAM-SHA-512", "hunter2", "refuses the login", "KAFKA_SASL_PASSWORD"},
		"unknown user":    {"SCRAM-SHA-256", "you", "hunter2", "refuses the login", "KAFKA_SASL_USERNAME"},
		"not SASLprep":    {"SCRAM-SHA-256", "me", "hunter2\u0007", "characters that SCRAM does not allow", "correct it"},
		"without a login": {"", "", "", "closed the connection", "KAFKA_SASL_MECHANISM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := secureWorld(t, brokers)
			secret := &password{text: c.password}
			var login Mechanism
			if c.mechanism != "" {
				login = UserPassword{Mechanism: c.mechanism, Username: c.user, Password: secret}
			}
			err := w.ask(&TLS{CAFile: s.path("ca")}, login, c.text != "")
			if c.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Category != Login && login != nil || !strings.Contains(e.Error(), c.text) || !strings.Contains(e.Hint, c.hint) || strings.Contains(e.Error(), "hunter2") {
				t.Errorf("error %v, want one with %q and a hint with %q", err, c.text, c.hint)
			}
			if strings.HasPrefix(name, "wrong") && secret.reloaded.Load() == 0 {
				t.Error("the password is not looked at again")
			}
		})
	}
}

// TestRotation changes certificate, key and password under commits: all go on, without an error, and no connection made
// with the old ones is left after a minute. A pair that does not fit changes nothing.
func TestRotation(t *testing.T) {
	brokers := func(s *secrets) []kfake.Opt {
		return []kfake.Opt{kfake.TLS(s.mutual()), kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "old"), kfake.Superuser("SCRAM-SHA-256", "me", "old"),
			kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "60000"})}
	}
	synctest.Test(t, func(t *testing.T) { // certificates are of the bubble's time
		s, w := newSecrets(t), &world{t: t, network: new(kfake.VirtualNetwork)}
		cluster, err := kfake.NewCluster(append(brokers(s), kfake.ListenFn(w.network.Listen), kfake.Ports(9092), kfake.NumBrokers(1))...)
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		w.kafka = cluster
		s.client(s.issue(time.Hour, "me"))
		var log strings.Builder
		p := w.acquired(func(c *Config) {
			c.TLS = &TLS{CAFile: s.path("ca"), CertFile: s.path("cert"), KeyFile: s.path("key")}
			c.SASL = UserPassword{Mechanism: "SCRAM-SHA-256", Username: "me", Password: &password{text: "old"}}
			c.Log = zerolog.New(&log)
		})
		commit := func() {
			t.Helper()
			if err := p.Commit(t.Context(), rows(voice, "row", 1), closeWith("x")); err != nil {
				t.Fatal(err)
			}
		}
		open := func() map[any]bool {
			sockets := p.cluster.Load().sockets
			sockets.mu.Lock()
			defer sockets.mu.Unlock()
			out := map[any]bool{}
			for c := range sockets.open {
				out[c] = true
			}
			return out
		}
		time.Sleep(time.Second / 2) // so that files are not written at the moment at which they are read
		for round, change := range []func(){
			func() {}, // the session's end alone
			func() { s.client(s.issue(time.Hour, "me")) },
			func() { s.write("key", s.issue(time.Hour, "me").Key) },
			func() { s.client(s.issue(time.Hour, "me")) },
		} {
			commit()
			old := open()
			change()
			for range 60 {
				time.Sleep(time.Second)
				commit()
			}
			for c := range open() {
				if old[c] && round != 2 {
					t.Errorf("round %d: a connection was kept for a minute", round)
				}
			}
		}
		if strings.Contains(log.String(), "trying again") {
			t.Errorf("an operation had to be tried again for long:\n%s", &log)
		}
		if n := strings.Count(log.String(), "changed; connections are made anew"); n != 2 {
			t.Errorf("%d renewals in the log, want 2:\n%s", n, &log)
		}
		if n := strings.Count(log.String(), "changed and does not work"); n != 1 {
			t.Errorf("%d refused renewals in the log, want 1:\n%s", n, &log)
		}
	})
}

// TestPrincipal: whom the ACL is for, as far as the worker knows it.
func TestPrincipal(t *testing.T) {
	s := newSecrets(t)
	s.client(s.issue(time.Hour, "me"))
	for want, to := range map[string]Cluster{
		"User:ANONYMOUS": {TLS: &TLS{CAFile: s.path("ca")}},
		"'User:CN=me'":   {TLS: &TLS{CertFile: s.path("cert"), KeyFile: s.path("key")}},
		"User:NAME":      {TLS: &TLS{CertFile: s.path("gone"), KeyFile: s.path("key")}},
		"User:you":       {TLS: &TLS{CertFile: s.path("cert"), KeyFile: s.path("key")}, SASL: UserPassword{Username: "you"}},
	} {
		if got := to.principal(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
