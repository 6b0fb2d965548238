package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/producer/authority"
)

// pairOf is a certificate with its key that is valid for so long.
func pairOf(t *testing.T, valid time.Duration) authority.Pair {
	t.Helper()
	ca, err := authority.New("an authority")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(valid, "me")
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// TestSecurityTogether: settings that need each other, and those that would show a password.
func TestSecurityTogether(t *testing.T) {
	pair := pairOf(t, time.Hour)
	cert, key := write(t, string(pair.Cert)), write(t, string(pair.Key))
	plainLogin := []string{"KAFKA_SASL_MECHANISM", "PLAIN", "KAFKA_SASL_USERNAME", "me", "KAFKA_SASL_PASSWORD", "s3cret"}
	file := write(t, "s3cret")
	bearer := []string{"KAFKA_SASL_MECHANISM", "oauthbearer", "KAFKA_SASL_OAUTH_TOKEN_FILE", file, "KAFKA_TLS", "on"}
	client := []string{"KAFKA_SASL_OAUTH_TOKEN_URL", "https://id/token", "KAFKA_SASL_OAUTH_CLIENT_ID", "me", "KAFKA_SASL_OAUTH_CLIENT_SECRET", "s3cret"}
	for _, c := range []struct {
		set   []string
		wrong []string
	}{
		{[]string{"KAFKA_TLS", "on"}, nil},
		{[]string{"KAFKA_TLS_SERVER_NAME", "kafka"}, []string{"KAFKA_TLS"}},
		{[]string{"KAFKA_TLS", "off", "KAFKA_TLS_CA_FILE", cert}, []string{"KAFKA_TLS"}},
		{[]string{"KAFKA_TLS", "on", "KAFKA_TLS_CERT_FILE", cert}, []string{"KAFKA_TLS_KEY_FILE"}},
		{[]string{"KAFKA_TLS", "on", "KAFKA_TLS_KEY_FILE", key}, []string{"KAFKA_TLS_CERT_FILE"}},
		{[]string{"KAFKA_TLS", "on", "KAFKA_TLS_KEY_FILE", key, "KAFKA_TLS_CERT_FILE", cert}, nil},
		{[]string{"KAFKA_SASL_USERNAME", "me"}, []string{"KAFKA_SASL_MECHANISM"}},
		{[]string{"KAFKA_SASL_PASSWORD", "s3cret"}, []string{"KAFKA_SASL_MECHANISM"}},
		{[]string{"KAFKA_SASL_MECHANISM", "SCRAM-SHA-256"}, []string{"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"}},
		{plainLogin, []string{"KAFKA_SASL_MECHANISM"}},
		{append(slices.Clone(plainLogin), "KAFKA_BROKERS", "127.0.0.1:9092,kafka:9092"), []string{"KAFKA_SASL_MECHANISM"}},
		{append(slices.Clone(plainLogin), "KAFKA_BROKERS", "localhost:9092,[::1]:9093"), nil},
		{append(slices.Clone(plainLogin), "KAFKA_TLS", "on"), nil},
		{[]string{"KAFKA_SASL_MECHANISM", "AWS_MSK_IAM", "KAFKA_TLS", "on"}, []string{"KAFKA_AWS_REGION"}},
		{[]string{"KAFKA_SASL_MECHANISM", "AWS_MSK_IAM", "KAFKA_AWS_REGION", "eu-central-1"}, []string{"KAFKA_TLS"}},
		{[]string{"KAFKA_SASL_MECHANISM", "AWS_MSK_IAM", "KAFKA_TLS", "on", "KAFKA_AWS_REGION", "eu-central-1"}, nil},
		{[]string{"KAFKA_SASL_MECHANISM", "AWS_MSK_IAM", "KAFKA_TLS", "on", "KAFKA_BROKERS", "b-1.x.c2.kafka.eu-west-1.amazonaws.com:9098"}, nil},
		{[]string{"KAFKA_AWS_REGION", "eu-central-1"}, []string{"KAFKA_SASL_MECHANISM"}},
		{bearer, nil},
		{append(slices.Clone(bearer), "KAFKA_TLS", "off"), []string{"KAFKA_SASL_MECHANISM"}},
		{append(slices.Clone(bearer), "KAFKA_TLS", "off", "KAFKA_BROKERS", "localhost:9092"), nil},
		{append(slices.Clone(bearer), "KAFKA_SASL_OAUTH_TOKEN_FILE", ""), []string{"KAFKA_SASL_OAUTH_TOKEN_FILE"}},
		{append(slices.Clone(bearer), client...), []string{"KAFKA_SASL_OAUTH_TOKEN_FILE"}},
		{append(slices.Clone(bearer), append(client, "KAFKA_SASL_OAUTH_TOKEN_FILE", "")...), nil},
		{append(slices.Clone(bearer), "KAFKA_SASL_OAUTH_TOKEN_FILE", "", "KAFKA_SASL_OAUTH_TOKEN_URL", "http://[::1]:80"), []string{"KAFKA_SASL_OAUTH_CLIENT_ID", "KAFKA_SASL_OAUTH_CLIENT_SECRET"}},
		{append(slices.Clone(bearer), "KAFKA_SASL_OAUTH_TOKEN_FILE", "", "KAFKA_SASL_OAUTH_SCOPE", "x"), []string{"KAFKA_SASL_OAUTH_TOKEN_URL", "KAFKA_SASL_OAUTH_CLIENT_ID", "KAFKA_SASL_OAUTH_CLIENT_SECRET"}},
		{append(slices.Clone(bearer), "KAFKA_SASL_USERNAME", "me"), []string{"KAFKA_SASL_USERNAME"}},
		{append(slices.Clone(bearer), "KAFKA_SASL_PASSWORD_FILE", file), []string{"KAFKA_SASL_PASSWORD_FILE"}},
		{append(slices.Clone(plainLogin), "KAFKA_TLS", "on", "KAFKA_SASL_OAUTH_EXTENSIONS", "a=b"), []string{"KAFKA_SASL_OAUTH_EXTENSIONS"}},
		{client, []string{"KAFKA_SASL_MECHANISM"}},
	} {
		if c.wrong != nil {
			if got := names(wrong(t, least(c.set...))); !slices.Equal(got, c.wrong) {
				t.Errorf("%v: problems with %v, want %v", c.set, got, c.wrong)
			}
			continue
		}
		cfg, err := load(least(c.set...))
		if err != nil {
			t.Errorf("%v: %v", c.set, err)
		} else if to := cfg.Kafka.Cluster("id", nil, zerolog.Nop()); (to.TLS != nil) != cfg.Kafka.TLS || (to.SASL != nil) != (cfg.Kafka.Mechanism != "") {
			t.Errorf("%v: reached with %+v", c.set, to)
		}
	}
}

func TestProcessWarnings(t *testing.T) {
	soon, late := pairOf(t, 29*24*time.Hour), pairOf(t, 31*24*time.Hour)
	login := []string{"KAFKA_SASL_MECHANISM", "SCRAM-SHA-512", "KAFKA_SASL_USERNAME", "me", "KAFKA_SASL_PASSWORD", "s3cret"}
	with := func(p authority.Pair) []string {
		return append([]string{"KAFKA_TLS", "on", "KAFKA_TLS_CERT_FILE", write(t, string(p.Cert)), "KAFKA_TLS_KEY_FILE", write(t, string(p.Key))}, login...)
	}
	registry := func(p authority.Pair) []string {
		return []string{"SCHEMA_REGISTRY_URL", "https://r", "SCHEMA_REGISTRY_CERT_FILE", write(t, string(p.Cert)), "SCHEMA_REGISTRY_KEY_FILE", write(t, string(p.Key))}
	}
	for want, set := range map[string][]string{
		"SCHEMA_REGISTRY_CERT_FILE: the certificate expires on 20": registry(soon),
		"": with(late), "KAFKA_TLS_CERT_FILE: the certificate expires on 20": with(soon), "KAFKA_TLS is off": login,
	} {
		c, err := load(least(set...))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Process.Warnings(), "\n"); !strings.HasPrefix(got, want) || want == "" && got != "" || strings.Contains(got, "\n") {
			t.Errorf("%v: %q, want %q", set, got, want)
		}
	}
}
