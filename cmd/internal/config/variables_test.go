package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// variable is one row of the table: what a variable means when it is not set, what a good value becomes, and values that
// are wrong. with holds further variables that go along with both.
type variable struct {
	name  string
	get   func(*Config) any
	unset any
	good  string
	want  any
	bad   []string
	with  []string
}

// given is what a secret says, "" where it is not this variable that gives it.
func given(s secret.Secret, variable string) string {
	if s.Variable() != variable {
		return ""
	}
	value, err := s.Read()
	if err != nil {
		return err.Error()
	}
	return value
}

func everyVariable(t *testing.T) []variable {
	client := []string{"SMARTASSIST_JWT", "", "SMARTASSIST_CLIENT_ID", "me", "SMARTASSIST_CLIENT_SECRET", "s3cret"}
	registry := []string{"SCHEMA_REGISTRY_URL", "https://registry", "SCHEMA_REGISTRY_USERNAME", "me", "SCHEMA_REGISTRY_PASSWORD", "s3cret"}
	file, empty, pem := write(t, "s3cret\n"), write(t, " \n"), write(t, certificate)
	missing, folder := filepath.Join(t.TempDir(), "missing"), t.TempDir()
	var none []string
	https := []string{"SCHEMA_REGISTRY_URL", "https://registry"}
	registryClient := append(slices.Clone(https), "SCHEMA_REGISTRY_OAUTH_TOKEN_URL", "https://id/token", "SCHEMA_REGISTRY_OAUTH_CLIENT_ID", "me", "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET", "s3cret")
	login := []string{"KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "me", "KAFKA_SASL_PASSWORD", "s3cret"}
	bearer := []string{"KAFKA_SASL_MECHANISM", "OAUTHBEARER", "KAFKA_TLS", "on", "KAFKA_SASL_OAUTH_TOKEN_URL", "https://id/token", "KAFKA_SASL_OAUTH_CLIENT_ID", "me", "KAFKA_SASL_OAUTH_CLIENT_SECRET", "s3cret"}
	ours, expired := pairOf(t, time.Hour), pairOf(t, -time.Hour)
	cert, key := write(t, string(ours.Cert)), write(t, string(ours.Key))
	tls := []string{"KAFKA_TLS", "on", "KAFKA_TLS_CERT_FILE", cert, "KAFKA_TLS_KEY_FILE", key}
	return []variable{
		{name: "SMARTASSIST_URL", get: func(c *Config) any { return c.URL }, unset: "required", good: "https://h:8443/base/", want: "https://h:8443/base",
			bad: []string{"h", "ftp://h", "https://", "https://h:99999", "https://h:0", "http://h", "http://127.0.0.1.example", "https://u:p@h", "https://h?q=1", "https://h#f", "https://h\x7f"}},
		{name: "SMARTASSIST_ACCOUNT_ID", get: func(c *Config) any { return c.AccountID }, unset: "required", good: " 5f_a-B9 ", want: "5f_a-B9",
			bad: []string{"a/b", "a b", "..", "a.b", "a?b", "ä", strings.Repeat("a", 101)}},
		{name: "SMARTASSIST_STREAM_ID", get: func(c *Config) any { return c.StreamID }, unset: "", good: "st-1", want: "st-1", bad: []string{"st 1", "st\n1", "ä"}},
		{name: "SMARTASSIST_JWT", get: func(c *Config) any { return given(c.JWT, "SMARTASSIST_JWT") }, unset: "required", good: "a.b.c", want: "a.b.c", bad: []string{"a b", "a\nb", "ä"}},
		{name: "SMARTASSIST_JWT_FILE", get: func(c *Config) any { return given(c.JWT, "SMARTASSIST_JWT_FILE") }, unset: "", good: file, want: "s3cret",
			bad: []string{missing, empty, folder, "/dev/null"}, with: []string{"SMARTASSIST_JWT", ""}},
		{name: "SMARTASSIST_CLIENT_ID", get: func(c *Config) any { return c.ClientID }, unset: "", good: "me", want: "me", with: client},
		{name: "SMARTASSIST_CLIENT_SECRET", get: func(c *Config) any { return given(c.ClientSecret, "SMARTASSIST_CLIENT_SECRET") }, unset: "", good: "x y", want: "x y", with: client},
		{name: "SMARTASSIST_CLIENT_SECRET_FILE", get: func(c *Config) any { return given(c.ClientSecret, "SMARTASSIST_CLIENT_SECRET_FILE") }, unset: "", good: file, want: "s3cret",
			bad: []string{missing, empty, folder}, with: []string{"SMARTASSIST_JWT", "", "SMARTASSIST_CLIENT_ID", "me"}},
		{name: "SMARTASSIST_REQUESTS_PER_MINUTE", get: func(c *Config) any { return c.RequestsPerMinute }, unset: 30, good: "060", want: 60,
			bad: []string{"0", "100001", "-1", "0x10", "1_0", "3.5", "many", "99999999999999999999"}},
		{name: "SMARTASSIST_PAGE_LIMIT", get: func(c *Config) any { return c.PageLimit }, unset: 100, good: "010", want: 10, bad: []string{"0", "101", "ten"}},
		{name: "SMARTASSIST_CHANNELS", get: func(c *Config) any { return c.Channels }, unset: none, good: "voice, rtm", want: []string{"voice", "rtm"}, bad: []string{",", "a,", "a,,b"}},
		{name: "SMARTASSIST_QUEUES", get: func(c *Config) any { return c.Queues }, unset: none, good: "q", want: []string{"q"}, bad: []string{" , "}},
		{name: "SMARTASSIST_BOTS", get: func(c *Config) any { return c.Bots }, unset: none, good: "st-2,st-1", want: []string{"st-2", "st-1"}, bad: []string{"a,,b"}},
		{name: "SMARTASSIST_DIRECTION", get: func(c *Config) any { return c.Direction }, unset: "", good: "outbound", want: "Outbound", bad: []string{"in", "all"}},
		{name: "SMARTASSIST_SELECTED_FIELDS", get: func(c *Config) any { return c.SelectedFields }, unset: none, good: "a,b", want: []string{"a", "b"}, bad: []string{",a"}},
		{name: "SMARTASSIST_ALLOW_HTTP", get: func(c *Config) any { return c.AllowHTTP }, unset: false, good: "TRUE", want: true, bad: []string{"yes", "1"}},
		{name: "SMARTASSIST_CA_FILE", get: func(c *Config) any { return c.CAFile }, unset: "", good: pem, want: pem, bad: []string{missing, empty, file, folder}},
		{name: "KAFKA_BROKERS", get: func(c *Config) any { return c.Kafka.Brokers }, unset: "required", good: "a:1, [::1]:65535", want: []string{"a:1", "[::1]:65535"},
			bad: []string{"a", ":9092", "a:", "a:0", "a:65536", "a:http", "kafka://a:9092", "::1:9092", "a:1,b", "a:1,"}},
		{name: "KAFKA_COMPRESSION", get: func(c *Config) any { return c.Kafka.Compression }, unset: "zstd", good: "LZ4", want: "lz4", bad: []string{"brotli"}},
		{name: "KAFKA_TLS", get: func(c *Config) any { return c.Kafka.TLS }, unset: false, good: "ON", want: true, bad: []string{"true", "tls"}},
		{name: "KAFKA_TLS_CA_FILE", get: func(c *Config) any { return c.Kafka.CAFile }, unset: "", good: pem, want: pem, bad: []string{missing, empty, file, folder}, with: tls},
		{name: "KAFKA_TLS_CERT_FILE", get: func(c *Config) any { return c.Kafka.CertFile }, unset: "", good: cert, want: cert,
			bad: []string{missing, empty, file, folder, key, write(t, string(expired.Cert))}, with: tls},
		{name: "KAFKA_TLS_KEY_FILE", get: func(c *Config) any { return c.Kafka.KeyFile }, unset: "", good: key, want: key,
			bad: []string{missing, empty, file, folder, cert, write(t, string(expired.Key))}, with: tls},
		{name: "KAFKA_TLS_SERVER_NAME", get: func(c *Config) any { return c.Kafka.ServerName }, unset: "", good: "kafka.example", want: "kafka.example", with: tls},
		{name: "KAFKA_SASL_MECHANISM", get: func(c *Config) any { return c.Kafka.Mechanism }, unset: "", good: "scram-sha-512", want: "SCRAM-SHA-512", bad: []string{"GSSAPI", "SCRAM", "PLAIN"}, with: login},
		{name: "KAFKA_SASL_USERNAME", get: func(c *Config) any { return c.Kafka.Username }, unset: "", good: "you", want: "you", with: login},
		{name: "KAFKA_SASL_PASSWORD", get: func(c *Config) any { return given(c.Kafka.Password, "KAFKA_SASL_PASSWORD") }, unset: "", good: "x y", want: "x y", with: login},
		{name: "KAFKA_SASL_PASSWORD_FILE", get: func(c *Config) any { return given(c.Kafka.Password, "KAFKA_SASL_PASSWORD_FILE") }, unset: "", good: file, want: "s3cret",
			bad: []string{missing, empty, folder}, with: append(slices.Clone(login), "KAFKA_SASL_PASSWORD", "")},
		{name: "KAFKA_SASL_OAUTH_TOKEN_FILE", get: func(c *Config) any { return given(c.Kafka.TokenFile, "KAFKA_SASL_OAUTH_TOKEN_FILE") }, unset: "", good: file, want: "s3cret",
			bad: []string{missing, empty, folder}, with: []string{"KAFKA_SASL_MECHANISM", "OAUTHBEARER", "KAFKA_TLS", "on"}},
		{name: "KAFKA_SASL_OAUTH_TOKEN_URL", get: func(c *Config) any { return c.Kafka.OAuth.TokenURL }, unset: "", good: "https://id:8443/realms/x/token?a=b", want: "https://id:8443/realms/x/token?a=b",
			bad: []string{"id", "ftp://id", "https://", "http://id", "https://u:p@id/t", "https://id:0", "https://id#f"}, with: bearer},
		{name: "KAFKA_SASL_OAUTH_CLIENT_ID", get: func(c *Config) any { return c.Kafka.OAuth.ID }, unset: "", good: "me", want: "me", with: bearer},
		{name: "KAFKA_SASL_OAUTH_CLIENT_SECRET", get: func(c *Config) any { return given(c.Kafka.OAuth.Secret, "KAFKA_SASL_OAUTH_CLIENT_SECRET") }, unset: "", good: "x y", want: "x y", with: bearer},
		{name: "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE", get: func(c *Config) any { return given(c.Kafka.OAuth.Secret, "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE") }, unset: "", good: file, want: "s3cret",
			bad: []string{missing, empty, folder}, with: append(slices.Clone(bearer), "KAFKA_SASL_OAUTH_CLIENT_SECRET", "")},
		{name: "KAFKA_AWS_REGION", get: func(c *Config) any { return c.Kafka.AWSRegion }, unset: "", good: "us-gov-west-1", want: "us-gov-west-1",
			bad: []string{"EU", "eu-central", "https://eu-central-1"}, with: []string{"KAFKA_SASL_MECHANISM", "AWS_MSK_IAM", "KAFKA_TLS", "on"}},
		{name: "KAFKA_SASL_OAUTH_SCOPE", get: func(c *Config) any { return c.Kafka.OAuth.Scope }, unset: "", good: "a b", want: "a b", with: bearer},
		{name: "KAFKA_SASL_OAUTH_CA_FILE", get: func(c *Config) any { return c.Kafka.OAuth.CAFile }, unset: "", good: pem, want: pem, bad: []string{missing, empty, file, folder}, with: bearer},
		{name: "KAFKA_SASL_OAUTH_EXTENSIONS", get: func(c *Config) any { return c.Kafka.Extensions }, unset: map[string]string(nil), good: "logicalCluster=lkc-1, identityPoolId = pool-1",
			want: map[string]string{"logicalCluster": "lkc-1", "identityPoolId": "pool-1"}, bad: []string{"a", "a=", "=b", "auth=x", "a1=b", "a=b c", "a=\x01", "a=b,a=c", "a=b,"}, with: bearer},
		{name: "SCHEMA_REGISTRY_URL", get: func(c *Config) any { return c.Registry.URL }, unset: "", good: "http://registry:8080/apis/ccompat/v7/", want: "http://registry:8080/apis/ccompat/v7",
			bad: []string{"registry:8081", "ftp://h", "http://", "https://u:p@h", "https://u@h", "http://a:1,http://b:1", "http://h?q=1", "http://h#f", "http://h:0"}},
		{name: "SCHEMA_REGISTRY_USERNAME", get: func(c *Config) any { return c.Registry.Username }, unset: "", good: "me", want: "me", bad: []string{"a:b", "a\x01b"}, with: registry},
		{name: "SCHEMA_REGISTRY_PASSWORD", get: func(c *Config) any { return given(c.Registry.Password, "SCHEMA_REGISTRY_PASSWORD") }, unset: "", good: "x y", want: "x y", with: registry},
		{name: "SCHEMA_REGISTRY_PASSWORD_FILE", get: func(c *Config) any { return given(c.Registry.Password, "SCHEMA_REGISTRY_PASSWORD_FILE") }, unset: "", good: file, want: "s3cret",
			bad: []string{missing, empty, folder}, with: append(slices.Clone(registry), "SCHEMA_REGISTRY_PASSWORD", "")},
		{name: "SCHEMA_REGISTRY_CA_FILE", get: func(c *Config) any { return c.Registry.CAFile }, unset: "", good: pem, want: pem, bad: []string{missing, empty, file, folder}, with: registry},
		{name: "SCHEMA_REGISTRY_TOKEN", get: func(c *Config) any { return given(c.Registry.Token, "SCHEMA_REGISTRY_TOKEN") }, unset: "", good: "a.b", want: "a.b", bad: []string{"a b", "ä"}, with: https},
		{name: "SCHEMA_REGISTRY_TOKEN_FILE", get: func(c *Config) any { return given(c.Registry.Token, "SCHEMA_REGISTRY_TOKEN_FILE") }, unset: "", good: file, want: "s3cret",
			bad: []string{missing, empty, folder}, with: https},
		{name: "SCHEMA_REGISTRY_OAUTH_TOKEN_URL", get: func(c *Config) any { return c.Registry.OAuth.TokenURL }, unset: "", good: "http://127.0.0.1:1/t", want: "http://127.0.0.1:1/t", bad: []string{"id", "http://id"}, with: registryClient},
		{name: "SCHEMA_REGISTRY_OAUTH_CLIENT_ID", get: func(c *Config) any { return c.Registry.OAuth.ID }, unset: "", good: "you", want: "you", with: registryClient},
		{name: "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET", get: func(c *Config) any { return given(c.Registry.OAuth.Secret, "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET") }, unset: "", good: "x y", want: "x y", with: registryClient},
		{name: "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET_FILE", get: func(c *Config) any { return given(c.Registry.OAuth.Secret, "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET_FILE") }, unset: "", good: file, want: "s3cret", bad: []string{missing, empty, folder}, with: append(slices.Clone(registryClient), "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET", "")},
		{name: "SCHEMA_REGISTRY_OAUTH_SCOPE", get: func(c *Config) any { return c.Registry.OAuth.Scope }, unset: "", good: "a", want: "a", with: registryClient},
		{name: "SCHEMA_REGISTRY_OAUTH_CA_FILE", get: func(c *Config) any { return c.Registry.OAuth.CAFile }, unset: "", good: pem, want: pem, bad: []string{missing, empty, file, folder}, with: registryClient},
		{name: "SCHEMA_REGISTRY_OAUTH_EXTENSIONS", get: func(c *Config) any { return c.Registry.Extensions }, unset: map[string]string(nil), good: "logicalCluster=lsrc-1",
			want: map[string]string{"logicalCluster": "lsrc-1"}, bad: []string{"a", "pool=x"}, with: registryClient},
		{name: "SCHEMA_REGISTRY_CERT_FILE", get: func(c *Config) any { return c.Registry.CertFile }, unset: "", good: cert, want: cert,
			bad: []string{missing, empty, file, folder, key, write(t, string(expired.Cert))}, with: append(slices.Clone(https), "SCHEMA_REGISTRY_CERT_FILE", cert, "SCHEMA_REGISTRY_KEY_FILE", key)},
		{name: "SCHEMA_REGISTRY_KEY_FILE", get: func(c *Config) any { return c.Registry.KeyFile }, unset: "", good: key, want: key,
			bad: []string{missing, empty, file, folder, cert, write(t, string(expired.Key))}, with: append(slices.Clone(https), "SCHEMA_REGISTRY_CERT_FILE", cert, "SCHEMA_REGISTRY_KEY_FILE", key)},
		{name: "SCHEMA_REGISTRY_REGISTER", get: func(c *Config) any { return c.Registry.Register }, unset: true, good: "false", want: false, bad: []string{"no"}, with: registry},
		{name: "TOPIC_PREFIX", get: func(c *Config) any { return c.TopicPrefix }, unset: "conversations.", good: "eu_1-", want: "eu_1-", bad: []string{"a/", "ä.", strings.Repeat("a", 239)}},
		{name: "CHANNEL_TOPICS", get: func(c *Config) any { return c.ChannelTopics }, unset: map[string]string(nil),
			good: " Web/Mobile Client = web , SMS=sms,sms=sms", want: map[string]string{"web/mobile client": "web", "sms": "sms"},
			bad: []string{"sms", "=a", "sms=", "a=b/c", "a=progress", "a=State", "a=dead-letter", "a=b,A=c", "a=b,", "a=" + strings.Repeat("b", 240)}},
		{name: "TOPIC_CREATE", get: func(c *Config) any { return c.TopicCreate }, unset: true, good: "false", want: false, bad: []string{"no"}},
		{name: "TOPIC_PARTITIONS", get: func(c *Config) any { return c.TopicPartitions }, unset: 6, good: "1", want: 1, bad: []string{"0", "-1", "six"}},
		{name: "TOPIC_REPLICATION", get: func(c *Config) any { return c.TopicReplication }, unset: -1, good: "3", want: 3, bad: []string{"0", "-2", "all"}},
		{name: "TOPIC_RETENTION", get: func(c *Config) any { return c.TopicRetention }, unset: time.Duration(0), good: "720h", want: 720 * time.Hour, bad: []string{"30d", "0s", "-1h", "1ms"}},
		{name: "START_FROM", get: func(c *Config) any { return c.StartFrom }, unset: StartFrom{Ago: 24 * time.Hour},
			good: "2026-01-02T03:04:05Z", want: StartFrom{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, bad: []string{"yesterday", "2026-01-02", "-1h", "7d", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"}},
		{name: "POLL_INTERVAL", get: func(c *Config) any { return c.PollInterval }, unset: 30 * time.Second, good: "1m", want: time.Minute, bad: []string{"30", "0s", "999ms", "2h"}},
		{name: "SETTLE", get: func(c *Config) any { return c.Settle }, unset: 2 * time.Minute, good: "90s", want: 90 * time.Second, bad: []string{"0s", "-1m", "25h", "2"}},
		{name: "REREAD", get: func(c *Config) any { return c.Reread }, unset: []Tier{{time.Hour, 5 * time.Minute}, {6 * time.Hour, 30 * time.Minute}, {48 * time.Hour, 6 * time.Hour}, {168 * time.Hour, 24 * time.Hour}},
			good: "1h:5m, 2h : 10m", want: []Tier{{time.Hour, 5 * time.Minute}, {2 * time.Hour, 10 * time.Minute}},
			bad: []string{"1h", "1h:", "1h:5m,1h:5m", "2h:5m,1h:5m", "0s:0s", "1h:0s", "1h:-5m", "1h:2h", "-1h:5m", "7d:1h", "1m:5s"}},
		{name: "REREAD_SPARE", get: func(c *Config) any { return c.RereadSpare }, unset: true, good: "False", want: false, bad: []string{"off", "0", "1h:5m"}},
		{name: "DEDUPLICATE", get: func(c *Config) any { return c.Deduplicate }, unset: ByRevision, good: "conversation", want: ByConversation, bad: []string{"never"}},
		{name: "DEDUPLICATE_IGNORE", get: func(c *Config) any { return c.DeduplicateIgnore }, unset: none, good: "/a/*/b~0~1, /c",
			want: []string{"/a/*/b~0~1", "/c"}, bad: []string{"a", "a/b", "/a~", "/a~2", "/a,"}},
		{name: "REDACT", get: func(c *Config) any { return c.Redact }, unset: none, good: "/a/*/b~0~1=drop, /c=hash", want: []string{"/a/*/b~0~1=drop", "/c=hash"},
			bad:  []string{"/a", "/a=", "/a=mask", "a=drop", "/a~2=drop", "/a=drop,", "/a=drop,/a=hash", "/*=drop", "/channel=hash", "/FinalStatus=drop", "/sessionStartTime=hash", "/conversationId=drop", "/sessionId=drop"},
			with: []string{"REDACT_KEY", "sixteen or longer"}},
		{name: "REDACT_KEY", get: func(c *Config) any { return given(c.RedactKey, "REDACT_KEY") }, unset: "", good: "sixteen or longer", want: "sixteen or longer",
			bad: []string{"fifteen letters", "sixteen\nor more lines"}},
		{name: "REDACT_KEY_FILE", get: func(c *Config) any { return given(c.RedactKey, "REDACT_KEY_FILE") }, unset: "", good: write(t, "sixteen or longer\n"), want: "sixteen or longer",
			bad: []string{missing, empty, folder, file}},
		{name: "STATE_LOST", get: func(c *Config) any { return c.StateLost }, unset: StopWhenLost, good: "Resume", want: ResumeWhenLost, bad: []string{"ignore"}},
		{name: "RECORD_TIMESTAMP", get: func(c *Config) any { return c.RecordTimestamp }, unset: AtPublish, good: "start", want: AtStart, bad: []string{"end"}},
		{name: "ACCOUNTS_DIR", get: func(c *Config) any { return c.AccountsDir }, unset: "", good: " ", want: "", bad: []string{folder}}, // Load is for one account
		{name: "LEASE", get: func(c *Config) any { return c.Lease }, unset: true, good: "Off", want: false, bad: []string{"true", "no"}},
		{name: "LEASE_TIMEOUT", get: func(c *Config) any { return c.LeaseTimeout }, unset: 10 * time.Second, good: "6s", want: 6 * time.Second, bad: []string{"0s", "6", "6m"}},
		{name: "ADMIN_ADDR", get: func(c *Config) any { return c.AdminAddr }, unset: ":8080", good: "127.0.0.1:0", want: "127.0.0.1:0", bad: []string{"8080", "a:b", ":", ":70000"}},
		{name: "ADMIN_TOKEN", get: func(c *Config) any { return given(c.AdminToken, "ADMIN_TOKEN") }, unset: "", good: "t0ken", want: "t0ken", bad: []string{"a b", "a\nb", "ä"}},
		{name: "ADMIN_TOKEN_FILE", get: func(c *Config) any { return given(c.AdminToken, "ADMIN_TOKEN_FILE") }, unset: "", good: file, want: "s3cret",
			bad: []string{missing, empty, folder, "s3cret"}},
		{name: "ADMIN_PROTECT", get: func(c *Config) any { return c.AdminProtect }, unset: ProtectPost, good: "Post", want: ProtectPost, bad: []string{"get", "all"}}, // all: no token
		{name: "SHUTDOWN_TIMEOUT", get: func(c *Config) any { return c.ShutdownTimeout }, unset: 20 * time.Second, good: "1m", want: time.Minute, bad: []string{"0s", "-1s", "20"}},
		{name: "LOG_LEVEL", get: func(c *Config) any { return c.LogLevel }, unset: "info", good: "DEBUG", want: "debug", bad: []string{"verbose"}},
		{name: "LOG_FORMAT", get: func(c *Config) any { return c.LogFormat }, unset: LogAuto, good: "json", want: LogJSON, bad: []string{"text"}},
	}
}
