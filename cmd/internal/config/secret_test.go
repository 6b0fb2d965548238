package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

func TestSecretShowsInNoWay(t *testing.T) {
	const value = "hush-hush-hush"
	c := &Config{}
	for _, s := range []*secret.Secret{&c.JWT, &c.ClientSecret, &c.Registry.Password, &c.Kafka.Password, &c.RedactKey, &c.AdminToken} {
		*s = secret.Value("X", value)
	}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%t"} {
		for _, shown := range []any{c, *c, c.JWT, []secret.Secret{c.JWT}, &c.JWT} {
			fmt.Fprintf(&out, verb, shown)
		}
	}
	for _, shown := range []any{c, c.JWT, map[string]secret.Secret{"k": c.JWT}} {
		text, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	log := zerolog.New(&out)
	log.Info().Interface("config", c).Msg("")
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "config", *c)
	for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), value[:3]} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is shown", leak)
		}
	}
	if !strings.Contains(out.String(), secret.Redacted) || given(c.JWT, "X") != value {
		t.Error("no placeholder, or the value is lost")
	}
	if got := fmt.Sprint(secret.Secret{}); got != "" {
		t.Errorf("an unset secret shows as %q", got)
	}
}

// TestLargestSecret: what is taken at start can also be read when it is used.
func TestLargestSecret(t *testing.T) {
	for size, want := range map[int]bool{largestSecret: true, largestSecret + 1: false} {
		path := write(t, strings.Repeat("x", size))
		_, loadErr := load(least("SMARTASSIST_JWT", "", "SMARTASSIST_JWT_FILE", path))
		if _, err := secret.File("X", path).Read(); (err == nil) != want || (loadErr == nil) != want {
			t.Errorf("%d bytes: at start %v, when used %v, want them taken: %v", size, loadErr, err, want)
		}
	}
}

// TestNoSecretInErrorsOrListings sets random secrets beside random good and bad settings, in the right variables and in
// those where they end up by mistake, and looks for them in all that is ever shown.
func TestNoSecretInErrorsOrListings(t *testing.T) {
	table := everyVariable(t)
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[!-~]{6} ?[!-~]{10,40}`).Draw(t, "secret")
		env := least()
		for _, v := range table {
			values := append([]string{"", v.good}, v.bad...)
			env[v.name] = rapid.SampledFrom(values).Draw(t, v.name)
		}
		places := []string{"SMARTASSIST_JWT", "SMARTASSIST_JWT_FILE", "SMARTASSIST_CLIENT_SECRET", "SMARTASSIST_CLIENT_SECRET_FILE", "ADMIN_TOKEN", "ADMIN_TOKEN_FILE", "SMARTASSIST_CLIENT_SECRT",
			"KAFKA_SASL_PASSWORD", "KAFKA_SASL_PASSWORD_FILE", "KAFKA_TLS_KEY_FILE", "KAFKA_SASL_OAUTH_CLIENT_SECRET", "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE", "KAFKA_SASL_OAUTH_TOKEN_FILE", "SCHEMA_REGISTRY_PASSWORD", "SCHEMA_REGISTRY_PASSWORD_FILE", "SCHEMA_REGISTRY_TOKEN", "SCHEMA_REGISTRY_TOKEN_FILE",
			"SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET", "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET_FILE", "SCHEMA_REGISTRY_KEY_FILE", "REDACT_KEY", "REDACT_KEY_FILE", "REDACT_KEYS"}
		for _, place := range rapid.SliceOfNDistinct(rapid.SampledFrom(places), 1, 4, rapid.ID).Draw(t, "places") {
			env[place] = secret
		}
		if rapid.Bool().Draw(t, "in the URL") {
			env["SMARTASSIST_URL"] = "https://user:" + strings.ReplaceAll(secret, " ", "") + "@host"
		}
		if shown := everythingShown(t, env); strings.Contains(shown, secret) || strings.Contains(shown, strings.ReplaceAll(secret, " ", "")) {
			t.Fatalf("%q is shown for %v in\n%s", secret, maps.Collect(maps.All(env)), shown)
		}
	})
}

// TestNoSecretOfFiles does so with the files of accounts, whose lines may be broken anywhere.
func TestNoSecretOfFiles(t *testing.T) {
	table, dir := everyVariable(t), t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[!-~]{6} ?[!-~]{10,40}`).Draw(t, "secret")
		for _, name := range []string{"eu.env", "us.env"} {
			text := "SMARTASSIST_ACCOUNT_ID=eu-1\n"
			for _, v := range rapid.SliceOfN(rapid.SampledFrom(table), 0, 6).Draw(t, "variables") {
				text += v.name + "=" + rapid.SampledFrom(append([]string{"", v.good}, v.bad...)).Draw(t, v.name) + "\n"
			}
			for _, before := range rapid.SliceOfNDistinct(rapid.SampledFrom(whereSecretsEndUp), 1, 4, rapid.ID).Draw(t, "places") {
				text += before + secret + rapid.SampledFrom([]string{"", "'", `"`, "=", "# x", "\x00"}).Draw(t, "behind") + "\n"
			}
			if rapid.Bool().Draw(t, "in the URL") {
				text += "SMARTASSIST_URL=https://user:" + strings.ReplaceAll(secret, " ", "") + "@host\n"
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		env := many(dir)
		if rapid.Bool().Draw(t, "in the environment, too") {
			env["SMARTASSIST_JWT"] = secret
		}
		if shown := everythingShown(t, env); strings.Contains(shown, secret) || strings.Contains(shown, strings.ReplaceAll(secret, " ", "")) {
			t.Fatalf("%q is shown in\n%s", secret, shown)
		}
	})
}

var whereSecretsEndUp = []string{"SMARTASSIST_JWT=", "SMARTASSIST_JWT='", `SMARTASSIST_JWT="`, "SMARTASSIST_JWT_FILE=", "SMARTASSIST_CLIENT_SECRET=", "export SMARTASSIST_CLIENT_SECRET = ",
	"SMARTASSIST_CLIENT_SECRT=", "SMARTASSIST_PASSWORD=", "ADMIN_TOKEN=", "KAFKA_SASL_PASSWORD=", "REDACT_KEY=", "REDACT_KEY_FILE=", "", "=", "# ", "SMARTASSIST_JWT "}

func everythingShown(t *rapid.T, env map[string]string) string {
	lookup, environ := from(env)
	c, err := Load(lookup, environ)
	settings, listErr := Settings(lookup)
	if listErr != nil {
		t.Fatal(listErr)
	}
	files, listErr := SettingsOfFiles(lookup)
	if listErr != nil {
		t.Fatal(listErr)
	}
	p, all, allErr := LoadAll(lookup, environ)
	shown := fmt.Sprintf("%v\n%+v\n%#v\n%+v\n%#v\n%v\n%+v\n%+v", err, err, settings, c, files, allErr, p, all)
	accounts, dirErr := (&Process{Running: Running{AccountsDir: env["ACCOUNTS_DIR"]}}).Accounts(lookup, environ)
	shown += fmt.Sprintf("%v\n%+v\n", dirErr, accounts)
	for _, a := range accounts {
		shown += fmt.Sprintf("%v\n%+v\n", a.Err, a.Config)
	}
	return shown
}
