package fleet

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// oauthSecrets are the client secrets of the test, by the setting that holds each.
var oauthSecrets = map[string]string{
	"KAFKA_SASL_OAUTH_CLIENT_SECRET": "s3cret-of-the-client-of-the-brokers", "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET": "s3cret-of-the-client-of-the-registry",
}

// gossip is a provider of tokens, and brokers and a registry that take them. Whatever they refuse they repeat.
type gossip struct {
	mu      sync.Mutex
	refuses string // "client", "registry", its client alone, "html", "token"; "" for nothing
	n       int
	tokens  []string
}

const issuerAddr = "127.0.0.1:8091"

func (g *gossip) now(refuses string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuses = refuses
}

// ServeHTTP is the token endpoint.
func (g *gossip) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, secret, basic := r.BasicAuth()
	if !basic {
		secret = r.FormValue("client_secret")
	}
	switch {
	case g.refuses == "client", g.refuses == "registry" && secret == oauthSecrets["SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET"]:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"not %s"}`, secret)
		return
	case g.refuses == "html":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<html>%s of %s</html>", secret, r.Header.Get("Authorization"))
		return
	}
	g.n++
	g.tokens = append(g.tokens, fmt.Sprintf("t0ken-that-was-given-%d", g.n))
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"%s","token_type":"Bearer","expires_in":60}`, g.tokens[g.n-1])
}

// takes reports whether a login holds a token.
func (g *gossip) takes(login string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refuses != "token" && slices.ContainsFunc(g.tokens, func(t string) bool { return strings.Contains(login, t) })
}

// given are the tokens so far.
func (g *gossip) given() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.tokens)
}

// serve has the world's brokers take tokens, and an endpoint give them.
func (g *gossip) serve(w *world) {
	w.t.Helper()
	l, err := w.network.Listen("tcp", issuerAddr)
	w.must(err)
	server := &http.Server{Handler: g}
	go func() { _ = server.Serve(l) }()
	w.t.Cleanup(func() { _ = server.Close() })
	w.cluster.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
		answer.SupportedMechanisms = []string{"OAUTHBEARER"}
		return answer, nil, true
	})
	w.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		login := string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes)
		answer.SessionLifetimeMillis = (50 * time.Second).Milliseconds()
		switch {
		case login == "\x01":
			answer.ErrorCode, answer.ErrorMessage = 58, kmsg.StringPtr("not "+strings.Join(g.given(), " "))
		case !g.takes(login):
			answer.SASLAuthBytes = fmt.Appendf(nil, `{"status":"not %s"}`, login)
		}
		return answer, nil, true
	})
}

// TestNoClientSecretIsTold is TestNoSecretIsTold for OAUTHBEARER and a registry with tokens: neither the clients' secrets nor their tokens
// are told, whoever refuses them and repeats them.
func TestNoClientSecretIsTold(t *testing.T) {
	t.Parallel()
	env := map[string]string{"START_FROM": "1h", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"}
	for prefix := range map[string]bool{"KAFKA_SASL_OAUTH_": true, "SCHEMA_REGISTRY_OAUTH_": true} {
		env[prefix+"TOKEN_URL"], env[prefix+"CLIENT_ID"] = "http://"+issuerAddr+"/token", "me"
		env[prefix+"CLIENT_SECRET"] = oauthSecrets[prefix+"CLIENT_SECRET"]
	}
	inWorld(t, busyHour(), env, func(w *world) {
		w.trace = true
		g := &gossip{}
		g.serve(w)
		registry := w.registry()
		registry.refuse = func(r *http.Request) string {
			if login := r.Header.Get("Authorization"); !g.takes(login) {
				return "not " + login
			}
			return ""
		}
		w.useRegistry()
		told := w.allTold(10*time.Minute, true)
		for _, refuses := range []string{"client", "registry", "html", "token"} {
			g.now(refuses)
			told += w.allTold(3*time.Minute, false)
			g.now("")
			told += w.allTold(3*time.Minute, true)
			stop := w.start()
			time.Sleep(time.Minute)
			g.now(refuses) // in the middle
			time.Sleep(5 * time.Minute)
			_ = stop()
		}
		told += w.log.String()
		for _, sign := range []string{"\"level\":\"debug\"", "committed", "KAFKA_SASL_OAUTH_CLIENT_SECRET", "KAFKA_SASL_OAUTH_TOKEN_URL", "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET", "refuses the token"} {
			if !strings.Contains(told, sign) {
				t.Errorf("nothing is told of %s: the test shows nothing", sign)
			}
		}
		needles := forms(oauthSecrets)
		for _, token := range g.given() {
			needles[token] = "a token"
		}
		search := newNeedles(needles)
		w.nothingOf(search, "what is told", []byte(told))
		log := zerolog.New(&w.log)
		for name, s := range oauthSecrets {
			log.Trace().Str("planted", s).Msg("by the test")
			if !slices.Contains(search.in([]byte(w.log.String())), s) {
				t.Errorf("the search does not find %s", name)
			}
		}
	})
}
