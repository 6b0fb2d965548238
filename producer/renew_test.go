package producer

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
)

// TestCredentials: they change with each of the files, with the secret, and with nothing else; an error names the setting.
func TestCredentials(t *testing.T) {
	s := newSecrets(t)
	for _, name := range []string{"ca", "cert", "key"} {
		s.write(name, []byte(name))
	}
	token := &settable{text: "old"}
	to := Cluster{TLS: &TLS{CAFile: s.path("ca"), CertFile: s.path("cert"), KeyFile: s.path("key"), ServerName: "kafka"}, SASL: Bearer{Token: token, Watched: true}}
	hash := func() [sha256.Size]byte {
		t.Helper()
		sum, err := to.credentials(t.Context())
		if err != nil || sum == [sha256.Size]byte{} {
			t.Fatalf("%x, %v", sum, err)
		}
		return sum
	}
	known := [][sha256.Size]byte{hash()}
	for name, change := range map[string]func(){
		"ca": func() { s.write("ca", []byte("another")) }, "cert": func() { s.write("cert", []byte("another")) }, "key": func() { s.write("key", []byte("another")) },
		"secret": func() { token.text = "new" },
	} {
		if now := hash(); !slices.Contains(known, now) {
			t.Errorf("before the change of %s: they differ, and nothing has changed", name)
		}
		change()
		now := hash()
		if slices.Contains(known, now) {
			t.Errorf("a change of %s is not noticed", name)
		}
		known = append(known, now)
	}
	for name, setting := range map[string]string{"ca": "KAFKA_TLS_CA_FILE: ", "cert": "KAFKA_TLS_CERT_FILE: ", "key": "KAFKA_TLS_KEY_FILE: "} {
		if err := os.Rename(s.path(name), s.path("aside")); err != nil {
			t.Fatal(err)
		}
		if sum, err := to.credentials(t.Context()); err == nil || !strings.HasPrefix(err.Error(), setting) || !errors.Is(err, os.ErrNotExist) || sum != [sha256.Size]byte{} {
			t.Errorf("without %s: %v", name, err)
		}
		if err := os.Rename(s.path("aside"), s.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	token.err = errBroken
	if _, err := to.credentials(t.Context()); err != errBroken {
		t.Errorf("a secret that is not read: %v", err)
	}
	to.SASL = Bearer{Token: &settable{text: "requested"}}
	before := hash()
	if to.SASL = (Bearer{Token: &settable{text: "requested anew"}}); hash() != before {
		t.Error("a token that the worker requests itself is taken for a change")
	}
	if sum, err := (Cluster{TLS: &TLS{}}).credentials(t.Context()); err != nil || sum == [sha256.Size]byte{} {
		t.Errorf("without files: %x, %v", sum, err)
	}
}

// settable is a token, or the error of getting one.
type settable struct {
	text string
	err  error
}

func (s *settable) Token(context.Context) (string, error) { return s.text, s.err }
func (s *settable) Reload()                               {}

// TestMustReconnect follows a token through what may become of it: connections are made anew only for one that is new and works, and each
// that does not work, or cannot be read, is said once.
func TestMustReconnect(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		works := true
		w.takesTokens(func(string) string { return map[bool]string{false: `{"status":"invalid_token"}`}[works] }, func() time.Duration { return 0 })
		var log strings.Builder
		token := &settable{text: "secret-1"}
		to := w.config().Cluster
		to.SASL = Bearer{Token: token, Watched: true}
		c := &cluster{sockets: newSockets(to), life: t.Context(), outage: outage{log: zerolog.New(&log)}}
		const unread, refused, renewed = "cannot be read; connections stay", "changed and does not work; connections stay", "connections are made anew"
		var r renewal
		for _, step := range []struct {
			name   string
			change func()
			want   bool
			says   string // in the log; "" for nothing
		}{
			{"not read yet", func() { token.err = errBroken }, false, unread},
			{"still not", func() {}, false, ""},
			{"the first that is read", func() { token.err = nil }, false, ""},
			{"nothing has changed", func() {}, false, ""},
			{"not read again", func() { token.err = errBroken }, false, unread},
			{"read, and the same", func() { token.err = nil }, false, ""},
			{"changed, and refused", func() { token.text, works = "secret-2", false }, false, refused},
			{"still refused", func() {}, false, ""},
			{"another that is refused", func() { token.text = "secret-3" }, false, refused},
			{"taken now", func() { works = true }, true, renewed},
			{"nothing has changed since", func() {}, false, ""},
			{"one that was refused before", func() { token.text = "secret-2" }, true, renewed},
			{"the login is to be renewed", func() { c.sockets.renewAt = time.Now() }, true, ""},
			{"not yet", func() { c.sockets.renewAt = time.Now().Add(1) }, false, ""},
		} {
			log.Reset()
			step.change()
			got := c.mustReconnect(&r)
			if got != step.want || (log.Len() > 0) != (step.says != "") || !strings.Contains(log.String(), step.says) || strings.Contains(log.String(), "secret") {
				t.Errorf("%s: %t, the log says %s", step.name, got, &log)
			}
		}
		log.Reset()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		c.life, token.text, token.err = ended, "secret-4", errBroken
		if c.mustReconnect(&r) || log.Len() > 0 {
			t.Errorf("after the end of the cluster the log says %s", &log)
		}
	}, kfake.EnableSASL())
}

// TestTryConnect: the first broker that accepts one is enough, and the connection does not stay open.
func TestTryConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		answering(t, network, "", false) // on port 9092
		for _, c := range []struct {
			brokers []string
			asked   int
			works   bool
		}{
			{[]string{"127.0.0.1:9092", "127.0.0.1:1"}, 1, true}, {[]string{"127.0.0.1:1", "127.0.0.1:9092"}, 2, true}, {[]string{"127.0.0.1:1", "127.0.0.1:2"}, 2, false},
		} {
			d := &dialled{dial: network.DialContext}
			s := newSockets(Cluster{Brokers: c.brokers, Dial: d.DialContext})
			if err := s.tryConnect(t.Context()); (err == nil) != c.works || len(d.since()) != c.asked || len(s.open) > 0 {
				t.Errorf("%v: %v, %d open", c.brokers, err, len(s.open))
			}
		}
	})
}
