package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"
)

func TestSecretShowsInNoWay(t *testing.T) {
	const value = "hush-hush-hush"
	s := Secret(value)
	c := &Config{}
	c.JWT, c.ClientSecret, c.AdminToken = s, s, s
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10.3s", "%t"} {
		fmt.Fprintf(&out, verb, s)
		fmt.Fprintf(&out, verb, c)
		fmt.Fprintf(&out, verb, *c)
		fmt.Fprintf(&out, verb, []Secret{s})
	}
	for _, v := range []any{s, c, map[string]Secret{"k": s}} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	log := zerolog.New(&out)
	log.Info().Interface("config", c).Stringer("secret", s).Any("any", s).Msg("")
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "secret", s, "config", *c)
	for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), value[:3]} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is shown", leak)
		}
	}
	if !strings.Contains(out.String(), redacted) || s.Reveal() != value {
		t.Error("no placeholder, or the value is lost")
	}
	if got := fmt.Sprint(Secret("")); got != "" {
		t.Errorf("an unset secret shows as %q", got)
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
			"KAFKA_SASL_PASSWORD", "SCHEMA_REGISTRY_PASSWORD", "SCHEMA_REGISTRY_PASSWORD_FILE", "ADMIN_TOKEN"}
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

func everythingShown(t *rapid.T, env map[string]string) string {
	lookup, environ := from(env)
	c, err := Load(lookup, environ)
	settings, listErr := Settings(lookup)
	if listErr != nil {
		t.Fatal(listErr)
	}
	return fmt.Sprintf("%v\n%+v\n%#v\n%+v", err, err, settings, c)
}
