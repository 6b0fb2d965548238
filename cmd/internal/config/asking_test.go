package config

import (
	"errors"
	"maps"
	"slices"
	"testing"
)

// TestLoadForAsking needs nothing but what it asks with.
func TestLoadForAsking(t *testing.T) {
	c, err := LoadForAsking(from(map[string]string{"ADMIN_TOKEN": "t", "KAFKA_BROKERS": "no port", "REREAD": "never"}))
	if err != nil || given(c.AdminToken, "ADMIN_TOKEN") != "t" || c.AdminAddr != ":8080" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, env := range []map[string]string{{"ADMIN_ADDR": "nowhere"}, {"ADMIN_TOKEN": "a b"}, {"ADMIN_TOKEN": "t", "ADMIN_TOKEN_FILE": write(t, "t")}} {
		if _, err := LoadForAsking(from(env)); err == nil {
			t.Errorf("%v is taken", env)
		}
	}
}

// TestLoadForReading needs the cluster, the registry and the names of the topics, and no account.
func TestLoadForReading(t *testing.T) {
	env := map[string]string{"KAFKA_BROKERS": "k:1", "REREAD": "never", "ADMIN_ADDR": "nowhere", "SMARTASSIST_URI": "https://h", "LOG_LEVEL": "loud"}
	if c, err := LoadForReading(from(env)); err != nil || c.TopicPrefix != "conversations." {
		t.Errorf("%+v, %v", c, err)
	}
	for name, bad := range map[string]string{
		"KAFKA_BROKERS": "k", "TOPIC_PREFIX": "a/", "CHANNEL_TOPICS": "sms", "SCHEMA_REGISTRY_URL": "r", "SCHEMA_REGISTRY_REGISTER": "no",
		"KAFKA_TLS": "yes", "KAFKA_SASL_MECHANISM": "GSSAPI", "TOPIC_PREFX": "x", "SCHEMA_REGISTRY_URI": "http://r",
	} {
		changed := maps.Clone(env)
		changed[name] = bad
		_, err := LoadForReading(from(changed))
		if wrong, ok := errors.AsType[*Error](err); !ok || !slices.Equal(names(wrong.Problems), []string{name}) {
			t.Errorf("%s=%s: %v, want it refused alone", name, bad, err)
		}
	}
}
