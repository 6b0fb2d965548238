package main

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/producer/authority"
)

// refusal is a secured cluster that a worker cannot get into.
type refusal struct {
	name, listener string
	prepare        func(w *securedWorld)
	env            map[string]string
	says, setting  string
	mend           func(w *securedWorld) // the worker goes on by itself then; nil where a setting must be changed
}

func unsaid(*securedWorld) {}

var refusals = []refusal{
	{"another authority", scramListener, func(w *securedWorld) {
		w.scramUser("SCRAM-SHA-256")
		w.mount.put(map[string][]byte{caFile: stranger(w).PEM})
	}, nil,
		"has a certificate signed by an unknown authority", "KAFKA_TLS_CA_FILE", func(w *securedWorld) { w.mount.put(map[string][]byte{caFile: w.keys.ca.PEM}) }},
	{"another server name", scramListener, func(w *securedWorld) { w.scramUser("SCRAM-SHA-256") }, map[string]string{"KAFKA_TLS_SERVER_NAME": "kafka.example"},
		"has a certificate for localhost, 127.0.0.1, not for kafka.example", "KAFKA_TLS_SERVER_NAME", nil},
	{"a mechanism that is not offered", plainListener, func(w *securedWorld) { w.scramUser("SCRAM-SHA-512") }, nil,
		`does not offer SCRAM-SHA-512, but \"PLAIN\"`, "KAFKA_SASL_MECHANISM", nil},
	{"a login where there is none", mutualListener, func(w *securedWorld) { w.showsCertificate(); w.scramUser("SCRAM-SHA-512") }, nil,
		"takes no login", "KAFKA_SASL_MECHANISM", nil},
	{"no login", scramListener, unsaid, nil, "closed the connection", "KAFKA_SASL_MECHANISM", nil},
	{"no TLS", scramListener, unsaid, map[string]string{"KAFKA_TLS": "off", "KAFKA_TLS_CA_FILE": ""}, "", "KAFKA_TLS", nil},
	{"TLS where there is none", scramListener, func(w *securedWorld) { w.env["KAFKA_BROKERS"] = strings.Join(w.kafka.Brokers(), ",") }, nil, "in the TLS handshake", "KAFKA_TLS=off", nil},
	{"no certificate", mutualListener, unsaid, nil, "wants a client certificate", "KAFKA_TLS_CERT_FILE", nil},
	{"a certificate of a stranger", mutualListener, func(w *securedWorld) { w.showsCertificate(); w.certified(stranger(w)) }, nil,
		"refuses the client certificate", "KAFKA_TLS_CERT_FILE", func(w *securedWorld) { w.certified(w.keys.ca) }},
	{"a wrong password", plainListener, func(w *securedWorld) {
		w.logsIn("PLAIN", plainUser)
		w.mount.put(map[string][]byte{passwordFile: []byte("hunter2")})
	}, nil,
		`refuses the login of user \"` + plainUser + `\" with PLAIN`, "KAFKA_SASL_PASSWORD", nil},
	{"a user that is not there", scramListener, func(w *securedWorld) { w.logsIn("SCRAM-SHA-512", w.name()) }, nil,
		"refuses the login of user", "KAFKA_SASL_USERNAME",
		func(w *securedWorld) {
			w.do(func(ctx context.Context) error { return w.kafka.SetPassword(ctx, w.name(), firstPassword) })
		}},
}

func stranger(w *securedWorld) *authority.Authority {
	w.t.Helper()
	ca, err := authority.New("a stranger")
	w.must(err)
	return ca
}

// TestKafkaRefused: what is wrong with certificates and logins is one line that names the setting, without the password; what is put
// right outside is noticed without a restart.
func TestKafkaRefused(t *testing.T) {
	t.Parallel() // after those that break brokers
	startKafka(t)
	seed := seedOf(t)
	t.Run("each", func(t *testing.T) {
		for _, r := range refusals {
			t.Run(strings.ReplaceAll(r.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				w := newSecuredWorld(t, "refused", r.listener, seed)
				r.prepare(w)
				maps.Copy(w.env, r.env)
				p := w.begin()
				w.awaitRefusal(p, r.says, r.setting)
				if strings.Contains(p.stderr.String(), "hunter2") || strings.Contains(p.stderr.String(), firstPassword) {
					t.Errorf("a password is in the log:\n%s", p.stderr)
				}
				if r.mend != nil {
					w.allowed()
					r.mend(w)
					w.AwaitCommits(1)
					p.Drain()
				}
			})
		}
	})
}

// awaitRefusal waits for a line with both.
func (w *securedWorld) awaitRefusal(p *realWorker, says, setting string) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < patient; time.Sleep(50 * time.Millisecond) {
		for line := range strings.Lines(p.stderr.String()) {
			if strings.Contains(line, says) && strings.Contains(line, setting) {
				w.t.Log(line)
				return
			}
		}
	}
	w.t.Errorf("no line with %q and %q within %v\n%s", says, setting, patient, p.stderr)
}

// TestNoStart: what cannot come right by itself ends the process with exit code 2 and a line that names the setting.
func TestNoStart(t *testing.T) {
	ca, err := authority.New("an authority")
	if err != nil {
		t.Fatal(err)
	}
	issue := func(valid time.Duration) authority.Pair {
		t.Helper()
		p, err := ca.Issue(valid, "me")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	good, late := issue(time.Hour), issue(-time.Minute)
	for setting, files := range map[string]map[string][]byte{
		"KAFKA_TLS_KEY_FILE":  {certFile: good.Cert, keyFile: issue(time.Hour).Key},
		"KAFKA_TLS_CERT_FILE": {certFile: late.Cert, keyFile: late.Key},
		"KAFKA_TLS_CA_FILE":   {certFile: good.Cert, keyFile: good.Key, caFile: []byte("none")},
	} {
		m := newMount(t)
		m.put(map[string][]byte{caFile: ca.PEM})
		m.put(files)
		code, _, stderr := convstream(t, map[string]string{
			"SMARTASSIST_URL": "http://127.0.0.1:1", "SMARTASSIST_ACCOUNT_ID": account, "SMARTASSIST_JWT": token, "KAFKA_BROKERS": "127.0.0.1:1",
			"KAFKA_TLS": "on", "KAFKA_TLS_CA_FILE": m.path(caFile), "KAFKA_TLS_CERT_FILE": m.path(certFile), "KAFKA_TLS_KEY_FILE": m.path(keyFile),
		})
		if lines := strings.Count(strings.TrimSpace(stderr), "\n"); code != exitUsage || !strings.Contains(stderr, setting+": ") || lines > 1 {
			t.Errorf("%s: exit %d, want %d\n%s", setting, code, exitUsage, stderr)
		}
	}
}
