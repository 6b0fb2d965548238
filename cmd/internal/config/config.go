// Package config reads the settings of a process and of the accounts that it works on.
//
// The environment is the only source, and with ACCOUNTS_DIR the files of a folder: each holds what one account has besides
// the environment, or instead of it. Each setting is one row, in the table of the part of Config that it belongs to: its
// name, what holds where it is not set, how it is decoded and checked, and what people are told about it. LoadAll has
// go-envconfig read the rows, checks them all, and so names in one run every wrong setting, what is expected of it and never
// a secret. go-envconfig does the looking up and the presets; how a value is spelt is ours, because envconfig reads "010" as
// eight and quotes what it could not parse.
//
// A value is used without the white space around it, and a variable that is set to nothing counts as not set: manifests
// and shells produce empty variables where nobody meant to say anything.
package config

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/sethvargo/go-envconfig"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/producer"
)

// Config is everything the worker can be told. Load fills it; whoever builds one by hand calls Validate.
type Config struct {
	Account
	Process
}

// Account is what is said of one account: how to reach the service for it, what to read when, and what never to show of it.
type Account struct {
	Service
	Reading
	Redaction
}

// Process is what is said of a process, whichever accounts it works on.
type Process struct {
	Kafka    Kafka
	Registry Registry
	TopicSettings
	Running
}

// Load reads, decodes and validates the settings. lookup is os.LookupEnv or stands for it; environ, as from os.Environ,
// is searched for misspelt names and may be nil. The error is an *Error that names every wrong setting. ACCOUNTS_DIR is one:
// where there may be many accounts, LoadAll is called instead.
func Load(lookup func(name string) (string, bool), environ []string) (*Config, error) {
	return loadWhere(lookup, environ, everything)
}

// LoadForReading is Load for commands that only read topics: what is wrong with settings that have nothing to do with
// reaching the cluster and the schema registry and naming the topics does not matter to them.
func LoadForReading(lookup func(name string) (string, bool), environ []string) (*Config, error) {
	return loadWhere(lookup, environ, func(g group) bool { return g == ofTopics })
}

// LoadForAsking is LoadForReading for commands that ask a worker's admin port for something.
func LoadForAsking(lookup func(name string) (string, bool), environ []string) (*Config, error) {
	return loadWhere(lookup, environ, func(g group) bool { return g == ofAdmin })
}

// everything is for commands to which all settings matter.
func everything(group) bool { return true }

func loadWhere(lookup func(string) (string, bool), environ []string, matters func(group) bool) (*Config, error) {
	c, p := &Config{}, &problems{}
	env := trimmed(lookup)
	if err := examine(p, c.settings(), env, matters); err != nil {
		return nil, err
	}
	if matters(ofTopics) {
		c.Registry.checkRegister(p)
	}
	if matters(ofRunning) {
		p.require(c.AccountsDir == "", "ACCOUNTS_DIR", "many accounts are not supported here; expected the settings of one account in the environment")
	}
	refuseMisspelt(p, environ, matters)
	if err := p.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// settings is the table of settings, in the order in which people are shown them; the rows set the fields of c.
func (c *Config) settings() []*setting {
	return slices.Concat(c.Account.settings(), c.Process.settings())
}

func (a *Account) settings() []*setting {
	return in(ofAccount, a.Service.settings(), a.Reading.settings(), a.Redaction.settings())
}

func (p *Process) settings() []*setting {
	return slices.Concat(
		in(ofTopics, p.Kafka.settings(), p.Registry.settings(), p.TopicSettings.settings()),
		in(ofRunning, p.Running.settings()),
	)
}

// known are the names of all settings, in the order in which people are shown them, and groups what each belongs to.
var known, groups = func() (names []string, groups map[string]group) {
	groups = map[string]group{}
	add := func(name string, g group) { names, groups[name] = append(names, name), g }
	for _, s := range (&Config{}).settings() {
		add(s.name, s.group)
	}
	return names, groups
}()

// Validate checks a Config as Load does, except for what only an environment has: names and spellings, and secrets that are
// set in two ways or whose files cannot be read. The error is an *Error that names every wrong setting by its variable.
func (c *Config) Validate() error {
	p := &problems{}
	check(p, c.settings())
	return p.err()
}

// trimmed looks values up without the white space around them; an empty one counts as not set.
func trimmed(lookup func(string) (string, bool)) envconfig.LookuperFunc {
	return func(name string) (string, bool) {
		v, _ := lookup(name)
		v = strings.TrimSpace(v)
		return v, v != ""
	}
}

// Topics are the topics as the settings name them.
func (p *Process) Topics() encoder.Topics { return p.names() }

// TransactionalID is the one under which the account's transactions are written.
func (c *Config) TransactionalID() string { return c.TransactionalIDs() + c.AccountID }

// TransactionalIDs is how those of all accounts begin.
func (p *Process) TransactionalIDs() string { return p.TopicPrefix + "convstream." }

// LeaseGroup is the consumer group in which the replicas spread the accounts.
func (p *Process) LeaseGroup() string { return p.TopicPrefix + "convstream-lease" }

// Cluster is how the brokers are reached, by everything that reaches them: the worker and each command, under its own
// clientID. dial is nil for the real network.
func (k Kafka) Cluster(clientID string, dial func(ctx context.Context, network, address string) (net.Conn, error), log zerolog.Logger) producer.Cluster {
	to := producer.Cluster{Brokers: k.Brokers, ClientID: clientID, Dial: dial, Log: log}
	if k.TLS {
		to.TLS = &producer.TLS{CAFile: k.CAFile, CertFile: k.CertFile, KeyFile: k.KeyFile, ServerName: k.ServerName}
	}
	if l := k.login(); l != nil {
		to.SASL = l.make()
	}
	return to
}
