package fleet

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/poller/simulator"
)

// secretsSet are the secrets of the test, by the setting that holds each.
var secretsSet = map[string]string{
	"SMARTASSIST_CLIENT_SECRET": "s3cret-of-the-app-that-signs", "SMARTASSIST_JWT": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzM2NyZXQifQ.s3cret-of-a-token",
	"KAFKA_SASL_PASSWORD": "s3cret-of-the-brokers", "SCHEMA_REGISTRY_PASSWORD": "s3cret-of-the-registry",
	"ADMIN_TOKEN": "s3cret-of-the-admin-port", "REDACT_KEY": "s3cret-of-the-hashes-0123456789",
}

// forms are the ways in which a secret may come out.
func forms(secrets map[string]string) map[string]string {
	out := map[string]string{}
	for name, s := range secrets {
		out[s] = name
		out[fmt.Sprintf("%x", s)] = name + " in hex"
		out[base64.StdEncoding.EncodeToString([]byte(s))] = name + " in base64"
		out[base64.StdEncoding.EncodeToString([]byte("me:"+s))] = name + " as a basic login"
		out[url.QueryEscape(s)] = name
	}
	for part := range strings.SplitSeq(secrets["SMARTASSIST_JWT"], ".") {
		if part == "" {
			break
		}
		out[part] = "a part of SMARTASSIST_JWT"
	}
	signed := simulator.Token("app-17", secrets["SMARTASSIST_CLIENT_SECRET"])
	for _, part := range strings.Split(signed, ".")[1:] {
		out[part] = "a part of a token that was signed"
	}
	return out
}

// TestNoSecretIsTold: at LOG_LEVEL=trace, while everything works and while every login is refused, no secret is in the log, in an error,
// or on a page of the admin port; and the search finds one that is planted.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	c := busyHour()
	c.ClientID, c.ClientSecret = "app-17", secretsSet["SMARTASSIST_CLIENT_SECRET"]
	env := map[string]string{
		"START_FROM": "1h", "SMARTASSIST_CLIENT_ID": "app-17", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256", "KAFKA_SASL_USERNAME": "me", "SCHEMA_REGISTRY_USERNAME": "me",
		"REDACT": "/userId=hash",
	}
	maps.Copy(env, secretsSet)
	inWorldOf(t, 1, c, env, func(w *world) {
		w.trace = true
		w.registry(srfake.WithAuth("Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+secretsSet["SCHEMA_REGISTRY_PASSWORD"]))))
		w.useRegistry()
		delete(w.env, "SMARTASSIST_JWT") // until later: there is one login
		told := w.allTold(10*time.Minute, true)
		w.env["KAFKA_SASL_PASSWORD"] += "-that-is-wrong"
		told += w.allTold(2*time.Minute, false)
		w.env["KAFKA_SASL_PASSWORD"] = secretsSet["KAFKA_SASL_PASSWORD"]
		w.env["SCHEMA_REGISTRY_PASSWORD"] += "-that-is-wrong"
		told += w.allTold(2*time.Minute, false)
		w.env["SCHEMA_REGISTRY_PASSWORD"] = secretsSet["SCHEMA_REGISTRY_PASSWORD"]
		w.env["SMARTASSIST_JWT"] = secretsSet["SMARTASSIST_JWT"]
		delete(w.env, "SMARTASSIST_CLIENT_ID")
		delete(w.env, "SMARTASSIST_CLIENT_SECRET")
		told += w.allTold(5*time.Minute, false) + w.log.String()
		for _, sign := range []string{"\"level\":\"debug\"", "committed", "KAFKA_SASL_PASSWORD", "SCHEMA_REGISTRY_PASSWORD", "SMARTASSIST_JWT"} {
			if !strings.Contains(told, sign) {
				t.Errorf("nothing is told of %s: the test shows nothing", sign)
			}
		}
		search := newNeedles(forms(secretsSet))
		w.nothingOf(search, "what is told", []byte(told))
		log := zerolog.New(&w.log)
		for name, s := range secretsSet {
			log.Trace().Str("planted", s).Msg("by the test")
			if !slices.Contains(search.in([]byte(w.log.String())), s) {
				t.Errorf("the search does not find %s", name)
			}
		}
	}, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "me", secretsSet["KAFKA_SASL_PASSWORD"]))
}

// allTold runs a worker and returns what its admin port and its end say.
func (w *world) allTold(d time.Duration, works bool) (told string) {
	w.t.Helper()
	stop := w.start()
	for range 3 {
		time.Sleep(d / 3)
		for _, path := range []string{"/metrics", "/status", "/", "/readyz", "/healthz"} {
			_, body := w.get(path)
			told += body
		}
		_, body, _ := w.post(adminAddr, `{"ids":["0000000000000000"]}`) // with another token
		told += body
	}
	if code, body := w.get("/readyz"); (code == http.StatusOK) != works {
		w.t.Errorf("/readyz %d %s", code, body)
	}
	if err := stop(); err != nil {
		told += err.Error()
	}
	return told
}
