package config

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validate checks every setting for itself and against the others.
func (c *Config) validate(p *problems) {
	c.validateService(p)
	c.validateLogin(p)
	c.validateKafka(p)
	c.validateRegistry(p)
	c.validateTopics(p)
	c.validatePolling(p)
	c.validateDeduplication(p)
	c.validateProcess(p)
}

// mostRequests keeps out slips of the keyboard. The service's own number is documentedRequests, for the account; it grants
// more on request.
const (
	mostRequests       = 100_000
	documentedRequests = 60
)

// serviceID keeps out what would change the request path, a header, or a transactional id that ACLs name.
var serviceID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

func (c *Config) validateService(p *problems) {
	c.validateURL(p)
	p.require(c.AccountID != "", "SMARTASSIST_ACCOUNT_ID", "required")
	p.require(serviceID.MatchString(c.AccountID), "SMARTASSIST_ACCOUNT_ID",
		"%s is no account id; expected up to 100 letters, digits, '_' and '-'", quote(c.AccountID))
	p.require(c.StreamID == "" || serviceID.MatchString(c.StreamID), "SMARTASSIST_STREAM_ID",
		"%s is no stream id; expected up to 100 letters, digits, '_' and '-'", quote(c.StreamID))
	within(p, "SMARTASSIST_REQUESTS_PER_MINUTE", c.RequestsPerMinute, 1, mostRequests)
	within(p, "SMARTASSIST_PAGE_LIMIT", c.PageLimit, 1, 100)
	authorities(p, "SMARTASSIST_CA_FILE", c.CAFile)
}

// validateURL quotes nothing of the URL: people put credentials into URLs.
func (c *Config) validateURL(p *problems) {
	const name = "SMARTASSIST_URL"
	p.require(c.URL != "", name, "required; expected https://host")
	u := baseURL(p, name, c.URL, "the login has its own settings")
	p.require(u == nil || u.Scheme == "https" || c.AllowHTTP || loopback(u.Hostname()), name,
		"plain http shows the login to everybody on the way; expected https, or SMARTASSIST_ALLOW_HTTP=true to allow it")
}

// baseURL checks a URL that paths are joined to, and quotes nothing of it. login says where a login belongs. It is nil for
// what is no URL.
func baseURL(p *problems, name, value, login string) *url.URL {
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || !portOK(u.Port(), true) {
		p.add(name, "expected a URL like https://host or https://host:port/path")
		return nil
	}
	p.require(u.User == nil, name, "has a user or password in it; %s", login)
	p.require(u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery, name, "has a query or fragment; expected the base URL alone")
	return u
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// validateLogin sees to it that exactly one way to log in is set, in full.
func (c *Config) validateLogin(p *problems) {
	exclusive(p, "SMARTASSIST_JWT", c.JWT, c.JWTFile)
	exclusive(p, "SMARTASSIST_CLIENT_SECRET", c.ClientSecret, c.ClientSecretFile)
	token := c.JWT != "" || c.JWTFile != ""
	secret := c.ClientSecret != "" || c.ClientSecretFile != ""
	switch {
	case token && (secret || c.ClientID != ""):
		p.add("SMARTASSIST_JWT", "there are two ways to log in; expected either a token, or SMARTASSIST_CLIENT_ID and SMARTASSIST_CLIENT_SECRET")
	case token:
	case c.ClientID == "" && !secret:
		p.add("SMARTASSIST_JWT", "there is no login; expected SMARTASSIST_JWT, or SMARTASSIST_CLIENT_ID and SMARTASSIST_CLIENT_SECRET (each secret also as ..._FILE)")
	case c.ClientID == "":
		p.add("SMARTASSIST_CLIENT_ID", "required with SMARTASSIST_CLIENT_SECRET")
	case !secret:
		p.add("SMARTASSIST_CLIENT_SECRET", "required with SMARTASSIST_CLIENT_ID (or SMARTASSIST_CLIENT_SECRET_FILE)")
	}
	p.require(!strings.ContainsFunc(string(c.JWT), notVisible), "SMARTASSIST_JWT",
		"contains white space or other characters that no token has")
}

// exclusive checks a secret and its file twin.
func exclusive(p *problems, name string, value Secret, file string) {
	p.require(value == "" || file == "", name, "is set, and so is %s_FILE; expected one of them", name)
	if file == "" {
		return
	}
	if err := secretFile(file); err != nil {
		p.add(name+"_FILE", "%v; expected the path of a file that holds the secret", err)
	}
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

func (c *Config) validateKafka(p *problems) {
	p.require(len(c.Kafka.Brokers) > 0, "KAFKA_BROKERS", "required; expected host:port,...")
	for _, b := range c.Kafka.Brokers {
		host, port, err := net.SplitHostPort(b)
		p.require(err == nil && host != "" && !strings.ContainsAny(host, "/@ \t") && portOK(port, false),
			"KAFKA_BROKERS", "%s is no host:port", quote(b))
	}
	oneOf(p, "KAFKA_COMPRESSION", c.Kafka.Compression, "none", "gzip", "snappy", "lz4", "zstd")
}

// validateRegistry takes plain http: within a cluster that is how registries are reached.
func (c *Config) validateRegistry(p *problems) {
	const name = "SCHEMA_REGISTRY_URL"
	r := c.Registry
	if r.URL != "" {
		baseURL(p, name, r.URL, "expected them in SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD (or SCHEMA_REGISTRY_PASSWORD_FILE)")
	}
	exclusive(p, "SCHEMA_REGISTRY_PASSWORD", r.Password, r.PasswordFile)
	password := r.Password != "" || r.PasswordFile != ""
	p.require(r.URL != "" || r.Username == "" && !password && r.CAFile == "", name, "required with the other settings of the registry")
	p.require(!password || r.Username != "", "SCHEMA_REGISTRY_USERNAME", "required with SCHEMA_REGISTRY_PASSWORD")
	p.require(password || r.Username == "", "SCHEMA_REGISTRY_PASSWORD", "required with SCHEMA_REGISTRY_USERNAME (or SCHEMA_REGISTRY_PASSWORD_FILE)")
	p.require(!strings.ContainsFunc(r.Username, func(c rune) bool { return c == ':' || c < ' ' }), "SCHEMA_REGISTRY_USERNAME",
		"contains a colon or a control character, which a login of HTTP cannot have")
	authorities(p, "SCHEMA_REGISTRY_CA_FILE", r.CAFile)
}

func authorities(p *problems, name, path string) {
	if _, err := Authorities(path); err != nil {
		p.add(name, "%s: %v; expected a file of PEM certificates", quote(path), err)
	}
}

func (c *Config) validateTopics(p *problems) {
	topics := c.Topics()
	if err := topics.CheckPrefix(); err != nil {
		p.add("TOPIC_PREFIX", "%s %v", quote(c.TopicPrefix), err)
	}
	for channel, suffix := range c.ChannelTopics {
		if err := topics.CheckRoute(suffix); err != nil {
			p.add("CHANNEL_TOPICS", "%s for channel %s %v", quote(suffix), quote(channel), err)
		}
	}
	within(p, "TOPIC_PARTITIONS", c.TopicPartitions, 1, 10_000)
	p.require(c.TopicReplication == -1 || c.TopicReplication > 0 && c.TopicReplication <= 1000, "TOPIC_REPLICATION",
		"%d is no number of replicas; expected 1 or more, or -1 for the broker's default", c.TopicReplication)
	p.require(c.TopicRetention == 0 || c.TopicRetention >= time.Second, "TOPIC_RETENTION",
		"%v is too short; expected at least 1s", c.TopicRetention)
}

func (c *Config) validatePolling(p *problems) {
	p.require(c.StartFrom.Ago >= 0, "START_FROM", "expected how far back")
	p.require(!c.StartFrom.At.After(time.Now()), "START_FROM", "%s lies in the future; expected a duration or an instant in the past", c.StartFrom.At.Format(time.RFC3339))
	between(p, "POLL_INTERVAL", c.PollInterval, time.Second, time.Hour)
	between(p, "SETTLE", c.Settle, time.Second, 24*time.Hour)
	p.require(len(c.Reread) > 0, "REREAD", "expected age:cadence,... like 1h:5m,24h:1h")
	var younger time.Duration
	for _, t := range c.Reread {
		p.require(t.Age > younger, "REREAD", "age %v follows %v; expected ages above zero, each greater than the one before", t.Age, younger)
		p.require(t.Every >= time.Second && t.Every <= t.Age, "REREAD", "cadence %v of age %v; expected from 1s to the age", t.Every, t.Age)
		younger = t.Age
	}
	if p.ok("REREAD", "SETTLE") {
		p.require(younger >= c.Settle, "REREAD", "the largest age %v is less than SETTLE %v; nothing would be read again once settled", younger, c.Settle)
	}
}

// dayOld is when a conversation that is still open is published all the same under ByConversation.
const dayOld = 24 * time.Hour

func (c *Config) validateDeduplication(p *problems) {
	oneOf(p, "DEDUPLICATE", string(c.Deduplicate), string(ByRevision), string(ByConversation))
	if c.Deduplicate == ByConversation && p.ok("REREAD") {
		oldest := c.Reread[len(c.Reread)-1]
		p.require(oldest.Age >= dayOld+oldest.Every, "REREAD",
			"DEDUPLICATE=conversation has to see a conversation once more after 24h; expected a largest age of at least %v (24h and its cadence), not %v", dayOld+oldest.Every, oldest.Age)
	}
	for _, pointer := range c.DeduplicateIgnore {
		p.require(jsonPointer.MatchString(pointer), "DEDUPLICATE_IGNORE",
			`%s is no JSON Pointer; expected one like /metaInfo/score or /destinations/*/queueName, with "~" as ~0 and "/" as ~1`, quote(pointer))
	}
	oneOf(p, "RECORD_TIMESTAMP", string(c.RecordTimestamp), string(AtPublish), string(AtStart))
}

// jsonPointer is RFC 6901 without the pointer to the whole document, which would make every row equal.
var jsonPointer = regexp.MustCompile(`^(/([^~/]|~[01])*)+$`)

func (c *Config) validateProcess(p *problems) {
	oneOf(p, "STATE_LOST", string(c.StateLost), string(StopWhenLost), string(ResumeWhenLost), string(RestartWhenLost))
	_, port, err := net.SplitHostPort(c.AdminAddr)
	p.require(err == nil && (port == "0" || portOK(port, false)), "ADMIN_ADDR", "%s is no host:port; expected one like :8080 or 127.0.0.1:8080", quote(c.AdminAddr))
	exclusive(p, "ADMIN_TOKEN", c.AdminToken, c.AdminTokenFile)
	p.require(!strings.ContainsFunc(string(c.AdminToken), notVisible), "ADMIN_TOKEN",
		"contains white space or other characters that no token has")
	between(p, "LEASE_TIMEOUT", c.LeaseTimeout, time.Second, 5*time.Minute)
	between(p, "SHUTDOWN_TIMEOUT", c.ShutdownTimeout, time.Second, time.Hour)
	oneOf(p, "LOG_LEVEL", c.LogLevel, "trace", "debug", "info", "warn", "error")
	oneOf(p, "LOG_FORMAT", string(c.LogFormat), string(LogAuto), string(LogJSON), string(LogConsole))
}

func portOK(port string, optional bool) bool {
	if port == "" {
		return optional
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func within(p *problems, name string, n, low, high int) {
	p.require(n >= low && n <= high, name, "%d is out of range; expected %d to %d", n, low, high)
}

func between(p *problems, name string, d, low, high time.Duration) {
	p.require(d >= low && d <= high, name, "%v is out of range; expected %v to %v", d, low, high)
}

func oneOf(p *problems, name, value string, choices ...string) {
	p.require(slices.Contains(choices, value), name, "%s is not known; expected %s", quote(value), strings.Join(choices, ", "))
}
