package oauth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// TestLife: a token is renewed when half its life is over, beside its use; an endpoint that is away is noticed when the token
// has ended, asked no more often than the pause allows, and used again when it is back. Who gives up waiting loses nothing.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		l, err := network.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		var asked atomic.Int32
		var away atomic.Bool
		var slow atomic.Int64
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := asked.Add(1)
			time.Sleep(time.Duration(slow.Load()))
			w.Header().Set("Content-Type", "application/json")
			if away.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":600}`, n)
		})}
		go server.Serve(l)
		defer server.Close()
		c := &Client{Prefix: "X_", TokenURL: "http://127.0.0.1/token", ID: "me", Secret: secret.Value("X_CLIENT_SECRET", "hush"), Dial: network.DialContext}
		expect := func(token, problem string, questions int32) {
			t.Helper()
			got, err := c.Token(t.Context())
			synctest.Wait()
			if got != token || (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) || asked.Load() != questions {
				t.Fatalf("%v: %q, %v, %d questions; want %q, %q, %d", time.Now().Format(time.TimeOnly), got, err, asked.Load(), token, problem, questions)
			}
		}
		expect("token-1", "", 1)
		time.Sleep(299 * time.Second)
		expect("token-1", "", 1)
		time.Sleep(time.Second) // half its life
		expect("token-1", "", 2)
		expect("token-2", "", 2)
		away.Store(true)
		time.Sleep(300 * time.Second)
		expect("token-2", "", 3)
		expect("token-2", "", 3)
		time.Sleep(pause)
		expect("token-2", "", 4)
		time.Sleep(5 * time.Minute) // it has ended
		expect("", "X_TOKEN_URL: answers status 503", 5)
		expect("", "X_TOKEN_URL: answers status 503", 5)
		away.Store(false)
		slow.Store(int64(7 * time.Second))
		time.Sleep(pause)
		impatient, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := c.Token(impatient); err == nil || !strings.Contains(err.Error(), "X_TOKEN_URL: no answer yet") {
			t.Errorf("who did not wait: %v", err)
		}
		expect("token-6", "", 6)
		slow.Store(int64(time.Hour))
		time.Sleep(10 * time.Minute)
		expect("", "X_TOKEN_URL: no whole answer within 10s", 7)
		server.Close()
		time.Sleep(time.Hour) // its handler ends
	})
}

// TestTokensOfSeconds: a provider whose tokens end before another may be asked for is told of; no login is tried with nothing.
func TestTokensOfSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		l, err := network.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"token","expires_in":2}`)
		})}
		go server.Serve(l)
		defer server.Close()
		c := &Client{Prefix: "X_", TokenURL: "http://127.0.0.1/token", ID: "me", Secret: secret.Value("X_CLIENT_SECRET", "hush"), Dial: network.DialContext}
		if got, err := c.Token(t.Context()); got != "token" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		time.Sleep(3 * time.Second)
		if got, err := c.Token(t.Context()); got != "" || err == nil || !strings.Contains(err.Error(), "X_TOKEN_URL: its tokens expire") {
			t.Errorf("%q, %v, want an error that says so", got, err)
		}
	})
}
