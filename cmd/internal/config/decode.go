package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// decode turns the table into a Config. What cannot be decoded stays zero and is a problem; whether values make sense is
// for validate.
func (v *variables) decode(p *problems) *Config {
	return &Config{Account: Account{v.service(p), v.reading(p)}, Process: v.process(p)}
}

func (v *variables) service(p *problems) Service {
	return Service{
		URL:               strings.TrimRight(v.URL, "/"),
		AccountID:         v.AccountID,
		StreamID:          v.StreamID,
		JWT:               v.JWT,
		JWTFile:           string(v.JWTFile),
		ClientID:          v.ClientID,
		ClientSecret:      v.ClientSecret,
		ClientSecretFile:  string(v.ClientSecretFile),
		RequestsPerMinute: field(p, "SMARTASSIST_REQUESTS_PER_MINUTE", v.RequestsPerMinute, number),
		PageLimit:         field(p, "SMARTASSIST_PAGE_LIMIT", v.PageLimit, number),
		Channels:          field(p, "SMARTASSIST_CHANNELS", v.Channels, list),
		Queues:            field(p, "SMARTASSIST_QUEUES", v.Queues, list),
		SelectedFields:    field(p, "SMARTASSIST_SELECTED_FIELDS", v.SelectedFields, list),
		AllowHTTP:         field(p, "SMARTASSIST_ALLOW_HTTP", v.AllowHTTP, boolean),
		CAFile:            v.CAFile,
	}
}

func (v *variables) reading(p *problems) Reading {
	return Reading{
		StartFrom:         field(p, "START_FROM", v.StartFrom, startFrom),
		PollInterval:      field(p, "POLL_INTERVAL", v.PollInterval, duration),
		Settle:            field(p, "SETTLE", v.Settle, duration),
		Reread:            field(p, "REREAD", v.Reread, tiers),
		RereadSpare:       field(p, "REREAD_SPARE", v.RereadSpare, boolean),
		Deduplicate:       Deduplicate(strings.ToLower(v.Deduplicate)),
		DeduplicateIgnore: field(p, "DEDUPLICATE_IGNORE", v.DeduplicateIgnore, list),
	}
}

func (v *variables) process(p *problems) Process {
	return Process{
		Kafka: Kafka{
			Brokers:     field(p, "KAFKA_BROKERS", v.Brokers, list),
			Compression: strings.ToLower(v.Compression),
		},
		Registry: Registry{
			URL:          strings.TrimRight(v.RegistryURL, "/"),
			Username:     v.RegistryUsername,
			Password:     v.RegistryPassword,
			PasswordFile: string(v.RegistryPassFile),
			CAFile:       v.RegistryCAFile,
			Register:     field(p, "SCHEMA_REGISTRY_REGISTER", v.RegistryRegister, boolean),
		},
		Topics: Topics{
			TopicPrefix:      v.TopicPrefix,
			ChannelTopics:    field(p, "CHANNEL_TOPICS", v.ChannelTopics, channelTopics),
			TopicCreate:      field(p, "TOPIC_CREATE", v.TopicCreate, boolean),
			TopicPartitions:  field(p, "TOPIC_PARTITIONS", v.TopicPartitions, number),
			TopicReplication: field(p, "TOPIC_REPLICATION", v.TopicReplication, number),
			TopicRetention:   field(p, "TOPIC_RETENTION", v.TopicRetention, positive),
		},
		RecordTimestamp: RecordTimestamp(strings.ToLower(v.RecordTimestamp)),
		Lease:           field(p, "LEASE", v.Lease, onOff),
		LeaseTimeout:    field(p, "LEASE_TIMEOUT", v.LeaseTimeout, duration),
		StateLost:       StateLost(strings.ToLower(v.StateLost)),
		AdminAddr:       v.AdminAddr,
		AdminToken:      v.AdminToken,
		AdminTokenFile:  string(v.AdminTokenFile),
		ShutdownTimeout: field(p, "SHUTDOWN_TIMEOUT", v.ShutdownTimeout, duration),
		LogLevel:        strings.ToLower(v.LogLevel),
		LogFormat:       LogFormat(strings.ToLower(v.LogFormat)),
	}
}

// field decodes one value; one that is not set stays zero.
func field[T any](p *problems, name, value string, decode func(string) (T, error)) T {
	var zero T
	if value == "" {
		return zero
	}
	v, err := decode(value)
	if err != nil {
		p.add(name, "%v", err)
		return zero
	}
	return v
}

// number reads decimal digits only: no other bases, no underscores.
func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%s is no whole number; expected digits", quote(s))
	}
	return n, nil
}

func boolean(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", quote(s))
}

func onOff(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither on nor off", quote(s))
}

func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%s is no duration; expected one like 30s, 5m or 24h (days in hours: 168h)", quote(s))
	}
	return d, nil
}

// positive is for a duration whose zero means "not set".
func positive(s string) (time.Duration, error) {
	d, err := duration(s)
	if err == nil && d <= 0 {
		return 0, fmt.Errorf("%s is not above zero", quote(s))
	}
	return d, err
}

// list reads comma-separated items. An empty one is refused: it is either a slip or a template that expanded to nothing.
func list(s string) ([]string, error) {
	items := strings.Split(s, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
		if items[i] == "" {
			return nil, fmt.Errorf("item %d of %d is empty; expected items separated by single commas", i+1, len(items))
		}
	}
	return items, nil
}

// channelTopics reads channel=suffix pairs. The channel may hold spaces and slashes, as the service's names do; it is
// compared trimmed and in lower case.
func channelTopics(s string) (map[string]string, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	topics := make(map[string]string, len(items))
	for _, item := range items {
		channel, suffix, found := strings.Cut(item, "=")
		channel, suffix = strings.ToLower(strings.TrimSpace(channel)), strings.TrimSpace(suffix)
		if !found || channel == "" || suffix == "" {
			return nil, fmt.Errorf("%s is no channel=suffix", quote(item))
		}
		if other, twice := topics[channel]; twice && other != suffix {
			return nil, fmt.Errorf("channel %s stands there twice, for %s and for %s", quote(channel), quote(other), quote(suffix))
		}
		topics[channel] = suffix
	}
	return topics, nil
}

func startFrom(s string) (StartFrom, error) {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return StartFrom{At: at}, nil
	}
	d, err := duration(s)
	switch {
	case err != nil:
		return StartFrom{}, fmt.Errorf("%s is neither a duration like 24h nor an instant like 2026-01-31T00:00:00Z", quote(s))
	case d < 0:
		return StartFrom{}, errors.New("a negative duration would start in the future; expected how far back, like 24h")
	}
	return StartFrom{Ago: d}, nil
}

// tiers reads age:cadence pairs.
func tiers(s string) ([]Tier, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	tiers := make([]Tier, len(items))
	for i, item := range items {
		age, every, found := strings.Cut(item, ":")
		if !found {
			return nil, fmt.Errorf("%s is no age:cadence, like 1h:5m", quote(item))
		}
		if tiers[i].Age, err = duration(strings.TrimSpace(age)); err != nil {
			return nil, err
		}
		if tiers[i].Every, err = duration(strings.TrimSpace(every)); err != nil {
			return nil, err
		}
	}
	return tiers, nil
}

// quote shows a value in an error text, cut where it is longer than a reader needs.
func quote(s string) string {
	const enough = 60
	if len(s) > enough {
		return strconv.Quote(s[:enough]) + "..."
	}
	return strconv.Quote(s)
}
