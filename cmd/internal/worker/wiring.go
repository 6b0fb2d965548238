package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// deadLetterBytes is the largest dead letter in one part.
const deadLetterBytes = 10 << 20

// PollingConfig is what the settings say of reading the account.
func PollingConfig(cfg *config.Config, log zerolog.Logger) (poller.Config, error) {
	ignore, err := smartassist.ParseIgnore(cfg.DeduplicateIgnore)
	if err != nil {
		return poller.Config{}, fmt.Errorf("DEDUPLICATE_IGNORE: %w", err)
	}
	tiers := make([]poller.Tier, len(cfg.Reread))
	for i, t := range cfg.Reread {
		tiers[i] = poller.Tier(t)
	}
	return poller.Config{
		Selection: selection(cfg),
		PagingOf:  hash(cfg.URL, cfg.StreamID, strconv.Itoa(cfg.PageLimit)),
		StartFrom: cfg.StartFrom.Ago, StartAt: cfg.StartFrom.At,
		PageLimit: cfg.PageLimit, Interval: cfg.PollInterval, Settle: cfg.Settle, Tiers: tiers, Spare: cfg.RereadSpare,
		Deduplicate: poller.Deduplicate(cfg.Deduplicate), Ignore: ignore, Log: log,
	}, nil
}

// selection names what is asked for. Bots and direction came later: without them it is as it was.
func selection(cfg *config.Config) string {
	names := func(list []string) string { return fmt.Sprintf("%q", slices.Sorted(slices.Values(list))) }
	parts := []string{cfg.StreamID, names(cfg.Channels), names(cfg.Queues)}
	if len(cfg.Bots) > 0 || cfg.Direction != "" {
		parts = append(parts, names(cfg.Bots), cfg.Direction)
	}
	return hash(parts...)
}

// hash returns 16 hex digits that distinguish configurations.
func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// ServiceClient returns what asks the service for the account's pages, within the budget, and redacts their rows. permit is asked
// before every request; nil is always.
func ServiceClient(cfg *config.Config, network Network, budget *smartassist.Budget, redaction *smartassist.Redaction, permit func(context.Context) error) (*smartassist.Client, error) {
	authorities, err := config.Authorities(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("SMARTASSIST_CA_FILE: %w", err)
	}
	return smartassist.New(smartassist.Config{
		URL: cfg.URL, AccountID: cfg.AccountID, StreamID: cfg.StreamID, Token: tokens(cfg),
		Channels: cfg.Channels, Queues: cfg.Queues, Bots: cfg.Bots, Direction: cfg.Direction, SelectedFields: cfg.SelectedFields, Redaction: redaction,
		RootCAs: authorities, AllowHTTP: cfg.AllowHTTP, Budget: budget, Permit: permit, Dial: network.Dial, Now: network.Now,
	})
}

// clientID is the worker's name in the brokers' logs.
const clientID = "convstream"

func producerConfig(cfg *config.Config, host Host, onWait func(string), log zerolog.Logger) producer.Config {
	return producer.Config{
		Cluster: cfg.Kafka.Cluster(clientID, host.Dial, log), Compressor: host.Compressor,
		TransactionalID: cfg.TransactionalID(), Compression: cfg.Kafka.Compression,
		OnWait: onWait,
	}
}

// tokens returns the login; config has checked that there is exactly one.
func tokens(cfg *config.Config) smartassist.TokenSource {
	if cfg.ClientID != "" {
		return smartassist.SignedJWT(cfg.ClientID, cfg.ClientSecret)
	}
	return smartassist.StaticJWT(cfg.JWT)
}

// Topics returns all topics of the account, with the settings to create them with and those that an existing one must have.
func Topics(cfg *config.Config) []producer.Topic {
	retention := map[string]string{}
	if cfg.TopicRetention > 0 {
		retention["retention.ms"] = strconv.FormatInt(cfg.TopicRetention.Milliseconds(), 10)
	}
	with := func(more map[string]string) map[string]string {
		out := map[string]string{"cleanup.policy": "delete"}
		for _, m := range []map[string]string{retention, more} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	var out []producer.Topic
	names := cfg.Topics()
	for _, name := range names.Conversations() {
		out = append(out, producer.Topic{Name: name, Partitions: cfg.TopicPartitions, Replication: cfg.TopicReplication, Config: with(nil)})
	}
	return append(out,
		producer.Topic{
			Name: names.Progress(), Replication: cfg.TopicReplication, Config: with(nil), OnePartition: true,
		},
		producer.Topic{
			Name: names.DeadLetters(), Partitions: 1, Replication: cfg.TopicReplication,
			Config: with(map[string]string{"max.message.bytes": strconv.Itoa(deadLetterBytes)}),
		},
		producer.Topic{
			Name: names.State(), Partitions: statePartitions(cfg), Replication: cfg.TopicReplication,
			Config:   map[string]string{"cleanup.policy": "compact", "segment.bytes": strconv.Itoa(64 << 20)},
			Required: map[string]string{"cleanup.policy": "compact"},
		})
}

// statePartitions returns the number of partitions to create the state topic with. An account's entries are in one of them: with many
// accounts, a worker that takes one over reads the entries of few others.
func statePartitions(cfg *config.Config) int {
	if cfg.AccountsDir == "" {
		return 1
	}
	return 16
}
