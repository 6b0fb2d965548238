package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// secret is what the secrets of these tests begin with.
const secret = "hunter2-of-"

// withSecrets has every secret set that goes together, the service, the registry, the brokers and the admin port at an address.
func withSecrets(address string) map[string]string {
	return map[string]string{
		"SMARTASSIST_URL": "http://" + address, "SMARTASSIST_ACCOUNT_ID": "65269fe0dd9c622245c10001",
		"SMARTASSIST_CLIENT_ID": "app", "SMARTASSIST_CLIENT_SECRET": secret + "the-app",
		"KAFKA_BROKERS": address, "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "me", "KAFKA_SASL_PASSWORD": secret + "the-brokers",
		"SCHEMA_REGISTRY_URL": "http://" + address, "SCHEMA_REGISTRY_USERNAME": "me", "SCHEMA_REGISTRY_PASSWORD": secret + "the-registry",
		"ADMIN_ADDR": address, "ADMIN_TOKEN": secret + "the-admin-port", "REDACT": "/userId=hash", "REDACT_KEY": secret + "the-hashes",
	}
}

// withTokens is withSecrets with logins of another kind, whose token endpoint is at the address, too.
func withTokens(address string) map[string]string {
	env := withSecrets(address)
	for name := range env {
		if strings.HasSuffix(name, "_USERNAME") || strings.HasSuffix(name, "_PASSWORD") || name == "SMARTASSIST_CLIENT_ID" || name == "SMARTASSIST_CLIENT_SECRET" {
			delete(env, name)
		}
	}
	env["SMARTASSIST_JWT"], env["KAFKA_SASL_MECHANISM"] = secret+"the.service.token", "OAUTHBEARER"
	for _, prefix := range []string{"KAFKA_SASL_OAUTH_", "SCHEMA_REGISTRY_OAUTH_"} {
		env[prefix+"TOKEN_URL"], env[prefix+"CLIENT_ID"], env[prefix+"CLIENT_SECRET"] = "http://"+address+"/token", "me", secret+"the-client"
	}
	return env
}

// everyCommand is each that tells something.
var everyCommand = []string{
	"config", "config --markdown", "check", "check --json", "status", "status --json", "tail --no-follow", "dead-letters list", "dead-letters replay --all", "version",
}

// TestNoCommandTellsASecret: every command with every secret set: brokers and service away, a setting wrong beside them, and everybody that
// is asked refusing, and repeating what it was sent.
func TestNoCommandTellsASecret(t *testing.T) {
	t.Parallel()
	parrot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":"invalid_client","error_code":401,"message":%q,"error_description":%[1]q}`, fmt.Sprint(r.Header, r.Form))
	}))
	t.Cleanup(parrot.Close)
	there := strings.TrimPrefix(parrot.URL, "http://")
	wrong := withSecrets("127.0.0.1:1")
	wrong["TOPIC_REPLICATION"] = "0"
	told := 0
	for _, env := range []map[string]string{withSecrets("127.0.0.1:1"), wrong, withSecrets(there), withTokens(there)} {
		for _, args := range everyCommand {
			if reads := args == "tail --no-follow" || args == "dead-letters list"; reads && env["TOPIC_REPLICATION"] == "" {
				continue // they would wait for brokers for ever
			}
			told += tells(t, env, strings.Fields(args)...)
		}
	}
	for _, args := range []string{"", "run"} {
		told += tells(t, wrong, strings.Fields(args)...)
	}
	if told < 30_000 {
		t.Errorf("%d bytes are told: the test shows nothing", told)
	}
}

// TestTellsIsSeen: the search of TestNoCommandTellsASecret finds a secret in a setting that is shown.
func TestTellsIsSeen(t *testing.T) {
	t.Parallel()
	for _, planted := range []string{secret + "x", shown("me:" + secret + "the-registry")} {
		env := maps.Clone(withSecrets("127.0.0.1:1"))
		env["SMARTASSIST_QUEUES"] = planted
		if _, said := everything(t, env, "config"); told(said) == "" {
			t.Errorf("%q is not found", planted)
		}
	}
}

func shown(login string) string { return base64.StdEncoding.EncodeToString([]byte(login)) }

// told is what of the secrets is in a text.
func told(text string) string {
	for _, needle := range []string{secret, shown(secret)[:12], shown("me:" + secret)[:16]} {
		if at := strings.Index(text, needle); at >= 0 {
			return text[max(0, at-100):]
		}
	}
	return ""
}

func everything(t *testing.T, env map[string]string, args ...string) (code int, said string) {
	t.Helper()
	code, stdout, stderr := convstream(t, env, args...)
	return code, stdout + stderr
}

// tells runs a command, which must not tell a secret, and returns how much it tells.
func tells(t *testing.T, env map[string]string, args ...string) int {
	t.Helper()
	_, said := everything(t, env, args...)
	if found := told(said); found != "" || said == "" {
		t.Errorf("convstream %s: %.300q", strings.Join(args, " "), found)
	}
	return len(said)
}
