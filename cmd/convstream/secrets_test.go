package main

import (
	"strings"
	"testing"
)

// TestNoCommandTellsASecret: every command with every secret set, right ones beside one that is wrong, brokers and service away.
func TestNoCommandTellsASecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-of-"
	env := map[string]string{
		"SMARTASSIST_URL": "http://127.0.0.1:1", "SMARTASSIST_ACCOUNT_ID": "65269fe0dd9c622245c10001",
		"SMARTASSIST_CLIENT_ID": "app", "SMARTASSIST_CLIENT_SECRET": secret + "the-app",
		"KAFKA_BROKERS": "127.0.0.1:1", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "me", "KAFKA_SASL_PASSWORD": secret + "the-brokers",
		"SCHEMA_REGISTRY_URL": "http://127.0.0.1:1", "SCHEMA_REGISTRY_USERNAME": "me", "SCHEMA_REGISTRY_PASSWORD": secret + "the-registry",
		"ADMIN_ADDR": "127.0.0.1:1", "ADMIN_TOKEN": secret + "the-admin-port", "REDACT": "/userId=hash", "REDACT_KEY": secret + "the-hashes",
	}
	wrong := map[string]string{"TOPIC_REPLICATION": "0"}
	for name, value := range env {
		wrong[name] = value
	}
	told := 0
	for _, args := range []string{"config", "config --markdown", "dead-letters replay --all", "version"} {
		told += tells(t, env, secret, strings.Fields(args)...)
	}
	for _, args := range []string{"", "run", "config", "check", "tail --no-follow", "dead-letters list"} {
		told += tells(t, wrong, secret, strings.Fields(args)...)
	}
	if told < 10_000 {
		t.Errorf("%d bytes are told: the test shows nothing", told)
	}
}

// tells runs a command, which must not tell the secret, and returns how much it tells.
func tells(t *testing.T, env map[string]string, secret string, args ...string) int {
	t.Helper()
	_, stdout, stderr := convstream(t, env, args...)
	if at := strings.Index(stdout+stderr, secret); at >= 0 || stdout+stderr == "" {
		t.Errorf("convstream %s: %.300q", strings.Join(args, " "), (stdout + stderr)[max(0, at-100):])
	}
	return len(stdout) + len(stderr)
}
