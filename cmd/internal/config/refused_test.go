package config

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMisspelt(t *testing.T) {
	for name, meant := range map[string]string{
		"KAFKA_BROKER":                   "KAFKA_BROKERS",
		"KAFKA_BORKERS":                  "KAFKA_BROKERS",
		"KAFKA_TSL":                      "KAFKA_TLS",
		"KAFKA_COMPRESION":               "KAFKA_COMPRESSION",
		"SMARTASSIST_ACOUNTID":           "SMARTASSIST_ACCOUNT_ID",
		"SMARTASSIST_PAGELIMIT":          "SMARTASSIST_PAGE_LIMIT",
		"SMARTASSIST_JWTFILE":            "SMARTASSIST_JWT_FILE",
		"SMARTASSIST_URI":                "SMARTASSIST_URL",
		"SMARTASSIST_REQUESTS_PER_MINUE": "SMARTASSIST_REQUESTS_PER_MINUTE",
		"SCHEMA_REGISTRY_URI":            "SCHEMA_REGISTRY_URL",
		"TOPIC_PREFX":                    "TOPIC_PREFIX",
		"TOPIC_PARTITION":                "TOPIC_PARTITIONS",
		"REDACTED":                       "REDACT",
		"REDACT_KEYFILE":                 "REDACT_KEY_FILE",
	} {
		problems := wrong(t, least(name, "hush"))
		if !slices.Equal(names(problems), []string{name}) || !strings.Contains(problems[0].Text, "did you mean "+meant+"?") || strings.Contains(problems[0].Text, "hush") {
			t.Errorf("%s: %v, want it alone, with %s", name, problems, meant)
		}
	}
	for _, name := range []string{
		"KAFKA_SERVICE_HOST", "KAFKA_SERVICE_PORT", "KAFKA_SERVICE_PORT_TCP", "KAFKA_PORT", "KAFKA_PORT_9092_TCP", "KAFKA_PORT_9092_TCP_ADDR", "KAFKA_PORT_9092_TCP_PROTO",
		"KAFKA_OPTS", "KAFKA_HEAP_OPTS", "KAFKA_HOME", "KAFKA_VERSION", "KAFKA_USER", "KAFKA_URL", "KAFKA_BROKERS_SERVICE_HOST", "KAFKA_TLS_SERVICE_HOST",
		"SCHEMA_REGISTRY_SERVICE_HOST", "SCHEMA_REGISTRY_PORT", "SCHEMA_REGISTRY_HOST", "SMARTASSIST_SERVICE_HOST", "TOPIC_NAME", "TOPIC", "REDACT_SERVICE_HOST", "REDACTION_PORT",
		"LOG_LEVL", "LEASES", "PATH", "kafka_broker", "=weird", "",
	} {
		if _, err := load(least(name, "x")); err != nil {
			t.Errorf("%s is not ignored: %v", name, err)
		}
	}
	if _, err := load(least("KAFKA_BROKER", "")); err != nil {
		t.Errorf("a misspelt variable that is empty: %v", err)
	}
}

// TestEdits holds the distance against its definition by recursion.
func TestEdits(t *testing.T) {
	var slow func(a, b string) int
	slow = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		if a[0] == b[0] {
			return slow(a[1:], b[1:])
		}
		return 1 + min(slow(a[1:], b), slow(a, b[1:]), slow(a[1:], b[1:]))
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[AB_]{0,6}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if got, want := edits(a, b), slow(a, b); got != want {
			t.Fatalf("%q to %q: %d edits, want %d", a, b, got, want)
		}
	})
}
