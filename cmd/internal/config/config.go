// Package config reads the worker's settings from the environment.
//
// The environment is the only source. Load reads every variable into a table of strings (variables), decodes each
// entry by itself and then validates the whole, so that one run names every wrong setting, what is expected of it and
// never a secret. go-envconfig does the looking up and the defaults; the decoding is ours, because envconfig stops at the
// first error, quotes the value it could not parse and reads "010" as eight.
//
// A value is used without the white space around it, and a variable that is set to nothing counts as not set: manifests
// and shells produce empty variables where nobody meant to say anything.
package config

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/sethvargo/go-envconfig"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/producer"
)

// Config is everything the worker can be told. Load fills it; whoever builds one by hand calls Validate.
type Config struct {
	URL              string // base URL of the service, without a slash at its end
	AccountID        string
	StreamID         string // "" asks for all streams
	JWT              Secret // exactly one of JWT, JWTFile and the pair of client id and secret is set
	JWTFile          string // path; read by the client, again when it changes
	ClientID         string
	ClientSecret     Secret
	ClientSecretFile string // path, like JWTFile

	RequestsPerMinute int
	PageLimit         int
	Channels          []string // nil: all
	Queues            []string // nil: all
	SelectedFields    []string // nil: as the service chooses
	AllowHTTP         bool     // plain http to hosts other than loopback
	CAFile            string   // path of PEM certificates trusted besides the system's; "" for none

	Kafka            Kafka
	Registry         Registry
	TopicPrefix      string
	ChannelTopics    map[string]string // channel, trimmed and lower-cased, to topic suffix; beside the built-in map
	TopicCreate      bool
	TopicPartitions  int           // of the channel topics
	TopicReplication int           // -1: the broker's default
	TopicRetention   time.Duration // 0: the broker's default

	StartFrom         StartFrom
	PollInterval      time.Duration
	Settle            time.Duration
	Reread            []Tier // ages ascending; the last age is the horizon of deduplication
	RereadSpare       bool   // read again beyond what Reread asks for, as far as the budget allows
	Deduplicate       Deduplicate
	DeduplicateIgnore []string // RFC 6901 JSON Pointers, "*" stands for any name or index
	RecordTimestamp   RecordTimestamp

	Lease        bool          // elect one active worker among those of the account
	LeaseTimeout time.Duration // after which a silent worker loses the lease

	StateLost       StateLost
	AdminAddr       string // host:port to listen on; the host may be empty
	AdminToken      Secret // "" and no file: POST from loopback only
	AdminTokenFile  string // path, like JWTFile
	ShutdownTimeout time.Duration
	LogLevel        string // trace, debug, info, warn or error
	LogFormat       LogFormat
}

// Kafka tells how to reach the cluster.
type Kafka struct {
	Brokers     []string // host:port
	Compression string   // none, gzip, snappy, lz4 or zstd
}

// Registry tells how to reach the schema registry.
type Registry struct {
	URL          string // base of Confluent's API, without a slash at its end; "" for no registry
	Username     string // "" for no login
	Password     Secret // with a user, either this or PasswordFile
	PasswordFile string // path; read again when it changes
	CAFile       string // path of PEM certificates trusted besides the system's; "" for none
	Register     bool   // register schemas that are not there; else only look them up
}

// Tier is a wish: windows younger than Age are read again every Every, until the next younger tier takes over.
type Tier struct{ Age, Every time.Duration }

// StartFrom says how far back the very first start reads: Ago before now, or from At when At is not zero.
type StartFrom struct {
	Ago time.Duration
	At  time.Time
}

// Time is the instant meant, in UTC.
func (s StartFrom) Time(now time.Time) time.Time {
	if !s.At.IsZero() {
		return s.At.UTC()
	}
	return now.Add(-s.Ago).UTC()
}

// Deduplicate says when a conversation is published again.
type Deduplicate string

// ByRevision publishes a conversation again when its content changed; ByConversation publishes each id once, when it is
// first seen closed or is 24 hours old.
const (
	ByRevision     Deduplicate = "revision"
	ByConversation Deduplicate = "conversation"
)

// RecordTimestamp says which instant becomes the time of a Kafka record.
type RecordTimestamp string

// AtPublish is the instant of publishing; AtStart the start of the conversation, where Kafka would keep such a record.
const (
	AtPublish RecordTimestamp = "publish"
	AtStart   RecordTimestamp = "start"
)

// StateLost says what to do when the state is missing, incomplete, or older than the progress topic says.
type StateLost string

// StopWhenLost ends the worker; ResumeWhenLost goes on at the last completeThrough; RestartWhenLost begins as a first
// start does. The last two remember what the topics still hold.
const (
	StopWhenLost    StateLost = "stop"
	ResumeWhenLost  StateLost = "resume"
	RestartWhenLost StateLost = "restart"
)

// LogFormat says how log lines look.
type LogFormat string

// LogAuto is LogConsole on a terminal and LogJSON elsewhere.
const (
	LogAuto    LogFormat = "auto"
	LogJSON    LogFormat = "json"
	LogConsole LogFormat = "console"
)

// Load reads, decodes and validates the settings. lookup is os.LookupEnv or stands for it; environ, as from os.Environ,
// is searched for misspelt names and may be nil. The error is an *Error that names every wrong setting.
func Load(lookup func(name string) (string, bool), environ []string) (*Config, error) {
	return loadWhere(lookup, environ, func(Problem) bool { return true })
}

// LoadForReading is Load for commands that only read topics: what is wrong with settings that have nothing to do with
// reaching the cluster and the schema registry and naming the topics does not matter to them.
func LoadForReading(lookup func(name string) (string, bool), environ []string) (*Config, error) {
	return loadWhere(lookup, environ, func(p Problem) bool {
		return strings.HasPrefix(p.Name, "KAFKA_") || strings.HasPrefix(p.Name, "TOPIC_") || strings.HasPrefix(p.Name, "SCHEMA_REGISTRY_")
	})
}

// LoadForAsking is LoadForReading for commands that ask a worker's admin port for something.
func LoadForAsking(lookup func(name string) (string, bool), environ []string) (*Config, error) {
	return loadWhere(lookup, environ, func(p Problem) bool { return strings.HasPrefix(p.Name, "ADMIN_") })
}

func loadWhere(lookup func(string) (string, bool), environ []string, matters func(Problem) bool) (*Config, error) {
	env := &recorder{lookup: lookup}
	v, err := read(env)
	if err != nil {
		return nil, err
	}
	p := &problems{}
	c := v.decode(p)
	c.validate(p)
	if c.Registry.URL == "" && strings.EqualFold(v.RegistryRegister, "false") { // who says so has a registry, and forgot to say where
		p.add("SCHEMA_REGISTRY_URL", "required with SCHEMA_REGISTRY_REGISTER=false")
	}
	refuseNotYet(p, env)
	refuseMisspelt(p, env.asked, environ)
	p.found = slices.DeleteFunc(p.found, func(f Problem) bool { return !matters(f) })
	if err := p.err(env.asked); err != nil {
		return nil, err
	}
	return c, nil
}

// Validate checks a Config as Load does, except for names and spellings that only an environment has. The error is an
// *Error that names every wrong setting by its variable.
func (c *Config) Validate() error {
	p := &problems{}
	c.validate(p)
	return p.err(nil)
}

// Topics are the topics as the settings name them.
func (c *Config) Topics() encoder.Topics {
	return encoder.Topics{Prefix: c.TopicPrefix, Channels: c.ChannelTopics}
}

// Cluster is how the brokers are reached, by everything that reaches them: the worker and each command, under its own
// clientID. dial is nil for the real network.
func (k Kafka) Cluster(clientID string, dial func(ctx context.Context, network, address string) (net.Conn, error), log zerolog.Logger) producer.Cluster {
	return producer.Cluster{Brokers: k.Brokers, ClientID: clientID, Dial: dial, Log: log}
}

// read fills the table. It cannot fail over what users set, since every field is a string.
func read(env envconfig.Lookuper) (*variables, error) {
	var v variables
	if err := envconfig.ProcessWith(context.Background(), &envconfig.Config{Target: &v, Lookuper: env}); err != nil {
		return nil, fmt.Errorf("table of settings: %w", err)
	}
	return &v, nil
}

// recorder is an envconfig.Lookuper that remembers the names it was asked for: these are the names we know, so that no
// second list of them can go stale.
type recorder struct {
	lookup func(string) (string, bool)
	asked  []string
}

// Lookup returns the value without the white space around it; an empty one counts as not set.
func (r *recorder) Lookup(name string) (string, bool) {
	r.asked = append(r.asked, name)
	v, _ := r.lookup(name)
	v = strings.TrimSpace(v)
	return v, v != ""
}
