package producer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// issuer issues tokens that are valid for life. A token is renewed when half of that has passed.
type issuer struct {
	mu       sync.Mutex
	life     time.Duration
	away     bool
	made     int
	at       time.Time
	reloaded int
}

func (i *issuer) Token(context.Context) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.made == 0 || time.Since(i.at) >= i.life/2 {
		if i.away && time.Since(i.at) >= i.life {
			return "", errors.New("KAFKA_SASL_OAUTH_TOKEN_URL: away")
		} else if !i.away {
			i.made, i.at = i.made+1, time.Now()
		}
	}
	return fmt.Sprint("secret-", i.made), nil
}

func (i *issuer) Reload() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reloaded++
}

// counts returns how many tokens were made, and how often another one was looked for.
func (i *issuer) counts() (made, reloaded int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.made, i.reloaded
}

// left returns how long a login with the last token is valid.
func (i *issuer) left() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.life - time.Since(i.at)
}

func (i *issuer) goAway(away bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = away
}

// takesTokens makes the brokers offer OAUTHBEARER. say answers each message of a client; "" accepts the login, for that long.
func (w *world) takesTokens(say func(message string) string, lifetime func() time.Duration) {
	w.kafka.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
		if r.(*kmsg.SASLHandshakeRequest).Mechanism != "OAUTHBEARER" {
			answer.ErrorCode, answer.SupportedMechanisms = kerr.UnsupportedSaslMechanism.Code, []string{"OAUTHBEARER"}
		}
		return answer, nil, true
	})
	w.kafka.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		message := string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes)
		if message == "\x01" {
			answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
			return answer, nil, true
		}
		answer.SASLAuthBytes = []byte(say(message))
		answer.SessionLifetimeMillis = lifetime().Milliseconds()
		return answer, nil, true
	})
}

// TestBearer: the messages are those of RFC 7628 and KIP-255, and the error of a refusal names the settings, never the token.
func TestBearer(t *testing.T) {
	for name, c := range map[string]struct {
		extensions map[string]string
		watched    bool
		answer     string // of the broker
		sent       string
		text, hint string // "" where all is well
	}{
		"taken":               {sent: "n,,\x01auth=Bearer secret-1\x01\x01"},
		"extensions":          {extensions: map[string]string{"logicalCluster": "lkc-1", "identityPoolId": "pool-1"}, sent: "n,,\x01auth=Bearer secret-1\x01identityPoolId=pool-1\x01logicalCluster=lkc-1\x01\x01"},
		"refused":             {answer: `{"status":"invalid_token","scope":"secret-1"}`, text: "refuses the token with OAUTHBEARER: invalid_token", hint: "KAFKA_SASL_OAUTH_TOKEN_URL"},
		"refused, of a file":  {watched: true, answer: `{"status":"insufficient_scope"}`, text: "OAUTHBEARER: insufficient_scope", hint: "KAFKA_SASL_OAUTH_TOKEN_FILE"},
		"refused for what it": {answer: "secret-1 is odd", text: "refuses the token with OAUTHBEARER", hint: "KAFKA_SASL_OAUTH_SCOPE"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(t *testing.T, w *world) {
				var sent string
				w.takesTokens(func(m string) string { sent = m; return c.answer }, func() time.Duration { return 0 })
				tokens := &issuer{life: time.Hour}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				to := w.config().Cluster
				to.SASL = Bearer{Token: tokens, Extensions: c.extensions, Watched: c.watched}
				_, err := Topics(ctx, to, "")
				if c.sent != "" && sent != c.sent {
					t.Errorf("sent %q, want %q", sent, c.sent)
				}
				if c.text == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				e, ok := errors.AsType[*Error](err)
				_, reloaded := tokens.counts()
				if !ok || e.Category != Login || !strings.Contains(e.Error(), c.text) || !strings.Contains(e.Hint, c.hint) || strings.Contains(e.Error(), "secret") || reloaded == 0 {
					t.Errorf("error %v, %d times looked for another token; want one with %q and a hint with %q", err, reloaded, c.text, c.hint)
				}
			})
		})
	}
}

// fixed is a token that never changes.
type fixed string

func (f fixed) Token(context.Context) (string, error) { return string(f), nil }
func (f fixed) Reload()                               {}

// TestBearerCarriesNothingElse: a token cannot end its part of the message and begin another.
func TestBearerCarriesNothingElse(t *testing.T) {
	for _, token := range []string{"a\x01user=admin", "a b", "a\n", "ä"} {
		if _, err := (Bearer{Token: fixed(token)}).Login(t.Context()); err == nil || !strings.Contains(err.Error(), "KAFKA_SASL_OAUTH_TOKEN_FILE") || strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// ending is a connection that its broker closes at the first request after the token has expired.
type ending struct {
	net.Conn
	end time.Time
}

func (s *ending) Write(b []byte) (int, error) {
	if time.Now().After(s.end) {
		_ = s.Close()
		return 0, io.EOF
	}
	return s.Conn.Write(b)
}

// TestTokensEnd commits while tokens of a minute expire: logins are renewed before. If there is no new token until they have expired, in
// the middle of a transaction, nothing is lost and nothing is published twice.
func TestTokensEnd(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		tokens := &issuer{life: time.Minute}
		w.takesTokens(func(string) string { return "" }, tokens.left)
		var log strings.Builder
		p := w.acquired(func(c *Config) {
			c.SASL = Bearer{Token: tokens}
			c.Log = zerolog.New(&log)
			c.TransactionTimeout = time.Minute
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := w.network.DialContext(ctx, network, address)
				return &ending{conn, time.Now().Add(tokens.left())}, err
			}
		})
		committed := 0
		commit := func() error {
			err := p.Commit(t.Context(), rows(voice, fmt.Sprint("row-", committed, "-"), 1), closeWith("x"))
			if err == nil {
				committed++
			}
			return err
		}
		for range 300 {
			if err := commit(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		synctest.Wait() // connections are renewed, and that is logged, beside the commits
		if made, _ := tokens.counts(); strings.Contains(log.String(), "trying again") || made < 9 {
			t.Errorf("%d tokens, and an operation had to be tried again for long:\n%s", made, &log)
		}
		tokens.goAway(true)
		time.Sleep(2 * time.Minute) // nothing is left that works
		time.AfterFunc(20*time.Second, func() { tokens.goAway(false) })
		if err := commit(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for what, want := range map[string]int{"cannot be read; connections stay": 1, "KAFKA_SASL_OAUTH_TOKEN_URL: away": 2, "trying again": 1} {
			if n := strings.Count(log.String(), what); n != want {
				t.Errorf("%q stands %d times in the log, want %d:\n%s", what, n, want, &log)
			}
		}
		got := len(w.seen(voice))
		synctest.Wait()
		if got != committed || strings.Contains(log.String(), "secret") {
			t.Errorf("%d of %d rows, log:\n%s", got, committed, &log)
		}
	})
}
