package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestHashesNeedAKey, from whichever of the two variables, and what only drops needs none.
func TestHashesNeedAKey(t *testing.T) {
	for _, env := range []map[string]string{
		least("REDACT", "/a=drop"), least("REDACT", "/a=hash", "REDACT_KEY", "a key of the test"),
		least("REDACT", "/a=hash", "REDACT_KEY_FILE", write(t, "a key of the test")), least("REDACT_KEY", "a key of the test"),
	} {
		c, err := load(env)
		if err != nil {
			t.Fatal(err)
		}
		if rules, err := c.Rules(); err != nil || (rules.ID() != "") != (env["REDACT"] != "") {
			t.Errorf("%v: %q, %v", env, rules.ID(), err)
		}
	}
	problems := wrong(t, least("REDACT", "/a=hash"))
	if !slices.Equal(names(problems), []string{"REDACT_KEY"}) || !strings.Contains(problems[0].Text, "openssl rand") {
		t.Errorf("%v", problems)
	}
	path := write(t, "a key of the test")
	c, err := load(least("REDACT", "/a=hash", "REDACT_KEY_FILE", path))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("guessable"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Rules(); err == nil || !strings.HasPrefix(err.Error(), "REDACT_KEY_FILE: ") || strings.Contains(err.Error(), "guessable") {
		t.Error(err)
	}
}

// TestAccountsRedactEachTheirOwn: a file overrules the environment for its account alone.
func TestAccountsRedactEachTheirOwn(t *testing.T) {
	dir := folder(t, "eu.env", eu+"REDACT=/a=hash", "no.env", "SMARTASSIST_ACCOUNT_ID=no\nSMARTASSIST_JWT=x\nREDACT=", "us.env", us)
	_, accounts, err := LoadAll(from(many(dir, "REDACT", "/b=drop, /c=drop", "REDACT_KEY", "a key of the test")))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"eu": "/a=hash", "us": "/b=drop /c=drop", "no": ""}
	for _, a := range accounts {
		if got := strings.Join(a.Config.Redact, " "); got != want[a.Name] {
			t.Errorf("%s: %q, want %q", a.Name, got, want[a.Name])
		}
	}
}
