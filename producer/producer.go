package producer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
)

// Cluster configures the connections to a Kafka cluster.
type Cluster struct {
	// Brokers are the host:port addresses of the bootstrap servers; one that answers is enough.
	Brokers []string
	// ClientID appears in the brokers' logs and quotas.
	ClientID string
	// Dial opens connections; nil means a net.Dialer. Tests pass a virtual network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *TLS      // nil means plaintext
	SASL Mechanism // nil means no login
	// Timeout of one request; 0 means 10 s.
	Timeout time.Duration
	// Log gets one message when an outage begins and one when it ends.
	Log zerolog.Logger
}

// Config configures a Producer.
type Config struct {
	Cluster
	// TransactionalID is needed by Acquire; a Producer that only reads has none.
	TransactionalID string
	// Compression of the batches: none, gzip, snappy, lz4 or zstd; "" means none.
	Compression string
	// Compressor may be shared by Producers; nil means one for this Producer alone.
	Compressor *Compressor
	// TransactionTimeout is how long the broker waits before it aborts a transaction whose producer is gone, and so how long a
	// crash may hold up read_committed consumers. 0 means 30 s. Commit gives up after three quarters of it.
	TransactionTimeout time.Duration
	// OnWait hears what a Reader waits for that comes no further, and "" when it waits no longer; nil is nobody.
	OnWait func(what string)
}

const (
	defaultTimeout            = 10 * time.Second
	defaultTransactionTimeout = 30 * time.Second
)

var codecs = map[string]kafka.Compression{
	"": 0, "none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func (c Config) withDefaults() Config {
	c.Cluster = c.Cluster.withDefaults()
	if c.TransactionTimeout <= 0 {
		c.TransactionTimeout = defaultTransactionTimeout
	}
	return c
}

func (c Cluster) withDefaults() Cluster {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	return c
}

func (c Config) validate() error {
	var wrong error
	if _, ok := codecs[c.Compression]; !ok {
		wrong = fmt.Errorf("compression %q: want none, gzip, snappy, lz4 or zstd", c.Compression)
	}
	return errors.Join(c.Cluster.validate(), wrong)
}

func (c Cluster) validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("no brokers: set KAFKA_BROKERS")
	}
	return nil
}

// Record is one record to publish.
type Record struct {
	Topic string
	// Key selects the partition, as the Java client's murmur2 does; nil counts as empty.
	Key, Value []byte
	// PartitionKey, if it is not nil, selects the partition instead of Key: it keeps records of different keys in one partition.
	PartitionKey []byte
	Headers      []Header // in this order
	// Time is kept to the millisecond; zero, or a time before 1970, means the time of publishing.
	Time time.Time
	// Alone puts the record into a batch of its own, so that a RefusedError names no other record.
	Alone bool
}

// Header is one header of a record. It is an alias of an unnamed type, so that packages that make headers need not import this one.
type Header = struct {
	Key   string
	Value []byte
}

// Message is one record as it was read back.
type Message struct {
	Topic      string
	Partition  int
	Offset     int64
	Time       time.Time // UTC, to the millisecond
	Key, Value []byte    // the receiver may keep them; nil where the record has none
	Headers    []Header
}

// Producer publishes in transactions under one transactional id. Ping and StableLag may be called at any time, by any goroutine; the
// other methods by one goroutine at a time.
type Producer struct {
	cfg        Config
	codec      kafka.Compression
	compressor *Compressor
	cluster    atomic.Pointer[cluster]
	topics     map[string]topicLimits
	session    *session // nil before Acquire

	lastWritten map[string]int64 // where the partitions that the last Commit wrote to ended with it
	barrier     map[string]int64 // and those of the last Barrier in this epoch
}

// Open returns a Producer, which the caller must Close. It checks the configuration and opens no connection.
func Open(cfg Config) (*Producer, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("open producer: %w", err)
	}
	compressor, err := cfg.Compressor, error(nil)
	if compressor == nil {
		compressor, err = NewCompressor()
	}
	if err != nil {
		return nil, fmt.Errorf("open producer: %w", err)
	}
	p := &Producer{cfg: cfg, codec: codecs[cfg.Compression], compressor: compressor}
	p.cluster.Store(connect(cfg.Cluster, []string{}))
	return p, nil
}

// Close closes every connection at once. It neither commits nor aborts: an open transaction ends with the next Acquire
// under the same transactional id, or after TransactionTimeout.
func (p *Producer) Close() { p.cluster.Load().close() }

// Ping sends one request to one broker and waits for its answer, for at most Timeout. The error is an *Error.
func (p *Producer) Ping(ctx context.Context) error {
	c := p.cluster.Load()
	// Not Metadata: kafka-go answers that from its cache, long after the last broker went away.
	res, err := c.client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return failure("reach brokers", err)
	}
	return nil
}
