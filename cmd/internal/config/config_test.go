package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/convstream/convstream/cmd/internal/awsiam"
	"github.com/convstream/convstream/cmd/internal/oauth"
	"github.com/convstream/convstream/poller/smartassist/secret"
)

// from looks names up in a map, and lists it as an environment.
func from(env map[string]string) (func(string) (string, bool), []string) {
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }, environ
}

// least is the smallest environment that is right, with the given changes to it; an empty value unsets.
func least(changes ...string) map[string]string {
	env := map[string]string{
		"SMARTASSIST_URL":        "https://service.example",
		"SMARTASSIST_ACCOUNT_ID": "0123456789abcdef01234567",
		"SMARTASSIST_JWT":        "the-token",
		"KAFKA_BROKERS":          "kafka:9092",
	}
	for i := 0; i < len(changes); i += 2 {
		env[changes[i]] = changes[i+1]
	}
	return env
}

func load(env map[string]string) (*Config, error) { return Load(from(env)) }

// wrong loads an environment that is not right and returns the problems.
func wrong(t *testing.T, env map[string]string) []Problem {
	t.Helper()
	_, err := load(env)
	bad, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %v of type %T, want *Error", err, err)
	}
	return bad.Problems
}

func names(problems []Problem) []string {
	var names []string
	for _, p := range problems {
		names = append(names, p.Name)
	}
	return names
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryVariable(t *testing.T) {
	table := everyVariable(t)
	for _, v := range table {
		t.Run(v.name, func(t *testing.T) {
			if v.unset == "required" {
				if got := names(wrong(t, least(v.name, ""))); !slices.Equal(got, []string{v.name}) {
					t.Errorf("without it: problems with %v, want with it alone", got)
				}
			} else if c, err := load(least()); err != nil {
				t.Fatal(err)
			} else if diff := cmp.Diff(v.unset, v.get(c)); diff != "" {
				t.Errorf("default (-want +got):\n%s", diff)
			}
			c, err := load(least(append(v.with, v.name, v.good)...))
			if err != nil {
				t.Fatalf("%s=%q: %v", v.name, v.good, err)
			}
			if diff := cmp.Diff(v.want, v.get(c)); diff != "" {
				t.Errorf("%q (-want +got):\n%s", v.good, diff)
			}
			for _, bad := range v.bad {
				if got := names(wrong(t, least(append(v.with, v.name, bad)...))); !slices.Equal(got, []string{v.name}) {
					t.Errorf("%q: problems with %v, want with %s alone", bad, got, v.name)
				}
			}
		})
	}
	settings, err := Settings(func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if !slices.ContainsFunc(table, func(v variable) bool { return v.name == s.Name }) {
			t.Errorf("%s is not in this test's table", s.Name)
		}
	}
}

func TestEmptyCountsAsUnset(t *testing.T) {
	env := least()
	for _, v := range everyVariable(t) {
		if _, set := env[v.name]; !set {
			env[v.name] = " "
		}
	}
	got, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	want, err := load(least())
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b secret.Secret) bool { return given(a, a.Variable()) == given(b, a.Variable()) }
	if diff := cmp.Diff(want, got, cmp.Comparer(same), cmpopts.IgnoreUnexported(oauth.Client{}, awsiam.Login{}), cmpopts.IgnoreFields(oauth.Client{}, "Authorities")); diff != "" {
		t.Errorf("empty variables changed the configuration (-want +got):\n%s", diff)
	}
}

func TestEveryWrongSettingAtOnce(t *testing.T) {
	env := map[string]string{"SMARTASSIST_JWT": "", "KAFKA_BROKER": "a:1"}
	var want []string
	for _, v := range everyVariable(t) {
		if len(v.bad) > 0 && v.name != "SMARTASSIST_JWT" {
			env[v.name] = v.bad[0]
			want = append(want, v.name)
		}
	}
	want = append(want, "SMARTASSIST_JWT", "KAFKA_SASL_OAUTH_CLIENT_ID", "SCHEMA_REGISTRY_OAUTH_CLIENT_ID", "KAFKA_BROKER")
	problems := wrong(t, env)
	got := names(problems)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names of wrong settings (-want +got):\n%s", diff)
	}
	_, err := load(env)
	if lines := strings.Split(err.Error(), "\n"); len(lines) != len(problems)+1 {
		t.Errorf("%d lines for %d problems:\n%v", len(lines), len(problems), err)
	}
}

func TestPlainHTTP(t *testing.T) {
	for url, want := range map[string]bool{
		"http://localhost:8000": true, "http://127.0.0.1": true, "http://127.9.9.9:80": true, "http://[::1]:80": true, "http://[::ffff:127.0.0.1]": true,
		"http://10.0.0.1": false, "http://localhost.example": false, "http://0.0.0.0": false, "http://service": false,
	} {
		if _, err := load(least("SMARTASSIST_URL", url)); (err == nil) != want {
			t.Errorf("%s: %v, want it allowed: %v", url, err, want)
		}
		if _, err := load(least("SMARTASSIST_URL", url, "SMARTASSIST_ALLOW_HTTP", "true")); err != nil {
			t.Errorf("%s with SMARTASSIST_ALLOW_HTTP=true: %v", url, err)
		}
	}
}

func TestConversationNeedsADay(t *testing.T) {
	for reread, want := range map[string]bool{"24h:1h": false, "25h:2h": false, "25h:1h": true, "1h:5m,168h:24h": true, "12h:1h": false} {
		_, err := load(least("DEDUPLICATE", "conversation", "REREAD", reread))
		if (err == nil) != want {
			t.Errorf("REREAD=%s: %v, want it allowed: %v", reread, err, want)
		}
	}
}

func TestStartFromTime(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	if got, want := (StartFrom{Ago: time.Hour}).Time(now), time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC); got != want {
		t.Errorf("an hour ago is %v, want %v", got, want)
	}
	if got, want := (StartFrom{At: now}).Time(now.Add(time.Hour)), now.UTC(); got != want {
		t.Errorf("instant %v, want %v", got, want)
	}
}

func TestValidateWithoutEnvironment(t *testing.T) {
	c, err := load(least())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("a loaded configuration: %v", err)
	}
	c.Kafka.Brokers, c.PageLimit = nil, 0
	bad, ok := errors.AsType[*Error](c.Validate())
	if !ok || !slices.Equal(names(bad.Problems), []string{"SMARTASSIST_PAGE_LIMIT", "KAFKA_BROKERS"}) {
		t.Errorf("broken by hand: %v", c.Validate())
	}
	if err := (&Config{}).Validate(); err == nil {
		t.Error("an empty configuration is valid")
	}
}
