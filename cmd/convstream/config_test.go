package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfigOfManyAccounts shows what each file sets, redacted, and then names all that is wrong anywhere.
func TestConfigOfManyAccounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := maps.Clone(valid)
	delete(env, "SMARTASSIST_ACCOUNT_ID")
	env["ACCOUNTS_DIR"], env["SETTLE"], env["SMARTASSIST_QUEUES"] = dir, "3m", "q"

	code, stdout, stderr := convstream(t, env, "config")
	if code != exitUsage || !strings.Contains(stderr, "NAME.env; expected one for each account") || !strings.Contains(stdout, "SETTLE") {
		t.Errorf("no file: exit %d, said %q", code, stderr)
	}
	write("eu.env", "SMARTASSIST_ACCOUNT_ID=eu-1\nSMARTASSIST_JWT=hunter2\nSMARTASSIST_QUEUES=\n")
	write("us.env", "SMARTASSIST_ACCOUNT_ID=us-1\nSETTLE=5m # more\n")
	code, stdout, stderr = convstream(t, env, "config")
	want := `
eu.env: account eu-1
  SMARTASSIST_ACCOUNT_ID  eu-1
  SMARTASSIST_JWT         [redacted]
  SMARTASSIST_QUEUES      (unset)

us.env: account us-1
  SMARTASSIST_ACCOUNT_ID  us-1
  SETTLE                  5m

the configuration is valid
`
	if code != exitDone || stderr != "" || !strings.HasSuffix(stdout, want) {
		t.Errorf("exit %d, said %q, stdout\n%s", code, stderr, stdout)
	}
	write("us.env", "hunter2\nSETTLE=soon\nADMIN_TOKEN=hunter2\n")
	env["LOG_LEVEL"] = "loud"
	code, stdout, stderr = convstream(t, env, "config")
	if code != exitUsage || !strings.Contains(stdout, "\nus.env: account unknown\n  SETTLE  soon\n") {
		t.Errorf("exit %d, stdout\n%s", code, stdout)
	}
	for _, line := range []string{
		"configuration: 5 settings are wrong", "\n  LOG_LEVEL: ", "\n  us.env: line 1: missing =", "\n  us.env: SMARTASSIST_ACCOUNT_ID: required",
		"\n  us.env: SETTLE: ", "\n  us.env: ADMIN_TOKEN: line 3: a setting of the process; set it in the environment",
	} {
		says(t, "stderr", stderr, line)
	}
	if strings.Contains(stdout+stderr, "hunter2") {
		t.Errorf("shows a secret:\n%s%s", stdout, stderr)
	}
}

// TestConfigWarns: what run would warn of is told, and is no mistake.
func TestConfigWarns(t *testing.T) {
	t.Parallel()
	env := maps.Clone(valid)
	env["SMARTASSIST_REQUESTS_PER_MINUTE"] = "61"
	code, stdout, stderr := convstream(t, env, "config")
	if code != exitDone || !strings.Contains(stdout, "\nwarning: SMARTASSIST_REQUESTS_PER_MINUTE is 61") || !strings.HasSuffix(stdout, "the configuration is valid\n") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}
