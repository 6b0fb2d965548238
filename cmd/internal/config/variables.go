package config

// variables is the environment as text, in the order in which settings are listed. The tags hold the names and the
// defaults; a field of type Secret is never shown, and one of type secretPath only when it names a file.
type variables struct {
	URL               string     `env:"SMARTASSIST_URL"`
	AccountID         string     `env:"SMARTASSIST_ACCOUNT_ID"`
	StreamID          string     `env:"SMARTASSIST_STREAM_ID"`
	JWT               Secret     `env:"SMARTASSIST_JWT"`
	JWTFile           secretPath `env:"SMARTASSIST_JWT_FILE"`
	ClientID          string     `env:"SMARTASSIST_CLIENT_ID"`
	ClientSecret      Secret     `env:"SMARTASSIST_CLIENT_SECRET"`
	ClientSecretFile  secretPath `env:"SMARTASSIST_CLIENT_SECRET_FILE"`
	RequestsPerMinute string     `env:"SMARTASSIST_REQUESTS_PER_MINUTE, default=30"`
	PageLimit         string     `env:"SMARTASSIST_PAGE_LIMIT, default=100"`
	Channels          string     `env:"SMARTASSIST_CHANNELS"`
	Queues            string     `env:"SMARTASSIST_QUEUES"`
	SelectedFields    string     `env:"SMARTASSIST_SELECTED_FIELDS"`
	AllowHTTP         string     `env:"SMARTASSIST_ALLOW_HTTP, default=false"`
	CAFile            string     `env:"SMARTASSIST_CA_FILE"`
	Brokers           string     `env:"KAFKA_BROKERS"`
	Compression       string     `env:"KAFKA_COMPRESSION, default=zstd"`
	RegistryURL       string     `env:"SCHEMA_REGISTRY_URL"`
	RegistryUsername  string     `env:"SCHEMA_REGISTRY_USERNAME"`
	RegistryPassword  Secret     `env:"SCHEMA_REGISTRY_PASSWORD"`
	RegistryPassFile  secretPath `env:"SCHEMA_REGISTRY_PASSWORD_FILE"`
	RegistryCAFile    string     `env:"SCHEMA_REGISTRY_CA_FILE"`
	RegistryRegister  string     `env:"SCHEMA_REGISTRY_REGISTER, default=true"`
	TopicPrefix       string     `env:"TOPIC_PREFIX, default=conversations."`
	ChannelTopics     string     `env:"CHANNEL_TOPICS"`
	TopicCreate       string     `env:"TOPIC_CREATE, default=true"`
	TopicPartitions   string     `env:"TOPIC_PARTITIONS, default=6"`
	TopicReplication  string     `env:"TOPIC_REPLICATION, default=-1"`
	TopicRetention    string     `env:"TOPIC_RETENTION"`
	StartFrom         string     `env:"START_FROM, default=24h"`
	PollInterval      string     `env:"POLL_INTERVAL, default=30s"`
	Settle            string     `env:"SETTLE, default=2m"`
	Reread            string     `env:"REREAD, default=1h:5m,6h:30m,48h:6h,168h:24h"`
	RereadSpare       string     `env:"REREAD_SPARE, default=true"`
	Deduplicate       string     `env:"DEDUPLICATE, default=revision"`
	DeduplicateIgnore string     `env:"DEDUPLICATE_IGNORE"`
	RecordTimestamp   string     `env:"RECORD_TIMESTAMP, default=publish"`
	Lease             string     `env:"LEASE, default=on"`
	LeaseTimeout      string     `env:"LEASE_TIMEOUT, default=10s"`
	StateLost         string     `env:"STATE_LOST, default=stop"`
	AdminAddr         string     `env:"ADMIN_ADDR, default=:8080"`
	AdminToken        Secret     `env:"ADMIN_TOKEN"`
	AdminTokenFile    secretPath `env:"ADMIN_TOKEN_FILE"`
	ShutdownTimeout   string     `env:"SHUTDOWN_TIMEOUT, default=20s"`
	LogLevel          string     `env:"LOG_LEVEL, default=info"`
	LogFormat         string     `env:"LOG_FORMAT, default=auto"`
}

// secretPath is the path of a file that holds a secret. Somebody will put the secret itself there, so neither errors nor
// listings quote it unless a file of that name exists.
type secretPath string

// about is what people are told about a variable; unset says what holds when there is no default to show.
type about struct{ unset, doc string }

// documentation is by name; a test holds it against the table above.
var documentation = map[string]about{
	"SMARTASSIST_URL":                 {"required", "base URL of the service, `https://...`; plain http only to loopback, or with `SMARTASSIST_ALLOW_HTTP=true`. `HTTPS_PROXY` and `NO_PROXY` as usual"},
	"SMARTASSIST_ACCOUNT_ID":          {"required", "the account whose conversations are read"},
	"SMARTASSIST_STREAM_ID":           {"", "sent as `iId`"},
	"SMARTASSIST_JWT":                 {"", "login, one way of two: a ready token"},
	"SMARTASSIST_JWT_FILE":            {"", "a file that holds the token instead; read again when it changes or a login is refused"},
	"SMARTASSIST_CLIENT_ID":           {"", "login, the other way: with this and the client secret the worker signs its own short-lived HS256 tokens"},
	"SMARTASSIST_CLIENT_SECRET":       {"", "the secret that belongs to the client id"},
	"SMARTASSIST_CLIENT_SECRET_FILE":  {"", "a file that holds the client secret instead; read again when it changes or a login is refused"},
	"SMARTASSIST_REQUESTS_PER_MINUTE": {"", "the whole request budget, live reading and re-reading together; 1 to 100000. Above 60 there is a warning at start: the documented quota is 60, the vendor raises it on request"},
	"SMARTASSIST_PAGE_LIMIT":          {"", "rows asked for in one page; 1 to 100"},
	"SMARTASSIST_CHANNELS":            {"all", "comma-separated filter, passed to the service"},
	"SMARTASSIST_QUEUES":              {"all", "comma-separated filter, passed to the service"},
	"SMARTASSIST_SELECTED_FIELDS":     {"", "comma-separated fields to ask for"},
	"SMARTASSIST_ALLOW_HTTP":          {"", "`true` allows plain http to any host"},
	"SMARTASSIST_CA_FILE":             {"", "PEM certificates to trust for the service besides the system's"},
	"KAFKA_BROKERS":                   {"required", "`host:port,...` of one or more brokers to begin with"},
	"KAFKA_COMPRESSION":               {"", "`none`, `gzip`, `snappy`, `lz4` or `zstd`"},
	"SCHEMA_REGISTRY_URL":             {"none", "base URL of a schema registry with Confluent's API (Apicurio serves it under `/apis/ccompat/v7`): values are then in its wire format; without one in Avro's single-object encoding"},
	"SCHEMA_REGISTRY_USERNAME":        {"", "login to the registry, if it wants one"},
	"SCHEMA_REGISTRY_PASSWORD":        {"", "the password that belongs to the user"},
	"SCHEMA_REGISTRY_PASSWORD_FILE":   {"", "a file that holds the password instead; read again when it changes or a login is refused"},
	"SCHEMA_REGISTRY_CA_FILE":         {"", "PEM certificates to trust for the registry besides the system's"},
	"SCHEMA_REGISTRY_REGISTER":        {"", "register the schemas that are not there, and set the subjects' compatibility; `false` only looks them up"},
	"TOPIC_PREFIX":                    {"", "what every topic's name begins with"},
	"CHANNEL_TOPICS":                  {"built-in", "`channel=suffix,...` added to the built-in map of channels to topics; not `progress`, `dead-letter` or `state`"},
	"TOPIC_CREATE":                    {"", "create the topics that are missing; `false` only verifies"},
	"TOPIC_PARTITIONS":                {"", "partitions of a channel topic that is created"},
	"TOPIC_REPLICATION":               {"", "replicas of a topic that is created; -1 is the broker's default"},
	"TOPIC_RETENTION":                 {"broker's default", "how long a topic that is created keeps its records, a duration like `720h`"},
	"START_FROM":                      {"", "first start only: how far back, a duration, or an RFC 3339 instant"},
	"POLL_INTERVAL":                   {"", "how often the head of the window is read; 1s to 1h"},
	"SETTLE":                          {"", "how long after its end a range must be read to count as covered"},
	"REREAD":                          {"", "`age:cadence` tiers: ranges younger than the age are read again at the cadence, as the budget allows; the largest age is the horizon of deduplication"},
	"REREAD_SPARE":                    {"", "spend what is left of the budget on re-reading where changes are most likely, as learned from the account's own changes; `false`: only what the tiers ask for"},
	"DEDUPLICATE":                     {"", "`revision`: publish again when the content changed; `conversation`: each id once, when it is first seen closed or 24 h old"},
	"DEDUPLICATE_IGNORE":              {"", "comma-separated JSON Pointers (`*` for any index or name) left out when contents are compared: values that change by themselves"},
	"RECORD_TIMESTAMP":                {"", "Kafka record time: `publish`, or `start` (the conversation's start, where it is not in the future and within half the topic's retention)"},
	"LEASE":                           {"", "`on`: one active worker for the account, others stand by; `off`: no consumer group is used, and a worker that another one fences exits 1"},
	"LEASE_TIMEOUT":                   {"", "after how long without a sign of life a standby takes over; 1s to 5m, and what the brokers allow (6s to 30m unless changed)"},
	"STATE_LOST":                      {"", "when the state is missing, incomplete, or older than the progress topic says: `stop` (exit 1), `resume` (at the last completeThrough; what lies before is not read again) or `restart` (at `START_FROM`, as a first start); both remember what the topics still hold"},
	"ADMIN_ADDR":                      {"", "`host:port` of the admin port: `/metrics`, `/healthz`, `/readyz`, `/status`, `POST /dead-letters/replay`"},
	"ADMIN_TOKEN":                     {"", "bearer token with which the admin port takes POST from elsewhere than loopback; unset: from loopback only"},
	"ADMIN_TOKEN_FILE":                {"", "a file that holds that token instead; read again when it changes"},
	"SHUTDOWN_TIMEOUT":                {"", "how long a drain may take after SIGTERM"},
	"LOG_LEVEL":                       {"", "`trace`, `debug`, `info`, `warn` or `error`"},
	"LOG_FORMAT":                      {"", "`json`, `console`, or `auto`: console on a terminal, else json"},
}
