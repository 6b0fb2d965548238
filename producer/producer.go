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

// Cluster says which Kafka cluster it is and how to reach it.
type Cluster struct {
	// Brokers are host:port addresses to start from; any one of them is enough.
	Brokers []string
	// ClientID shows in the brokers' logs and quotas.
	ClientID string
	// Dial opens connections; nil is a net.Dialer. Tests give a virtual network here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *TLS      // nil is plaintext
	SASL Mechanism // nil is no login
	// Timeout of one request; 0 is 10 s.
	Timeout time.Duration
	// Log hears of trouble that lasts, once, and of its end.
	Log zerolog.Logger
}

// Config says how to reach Kafka and under which name to publish.
type Config struct {
	Cluster
	// TransactionalID is the name that Acquire takes and whoever takes it next fences. May be empty for one who only reads.
	TransactionalID string
	// Compression of the batches: none, gzip, snappy, lz4 or zstd; "" is none.
	Compression string
	// Compressor is shared with others; nil is one of its own.
	Compressor *Compressor
	// TransactionTimeout is after how long the broker aborts a transaction whose producer is gone, and so how long a crash
	// may hold up read_committed consumers. 0 is 30 s. Commit gives up after three quarters of it.
	TransactionTimeout time.Duration
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
		return errors.New("no brokers given")
	}
	return nil
}

// Record is one record to publish.
type Record struct {
	Topic string
	// Key decides the partition, as the Java client's murmur2 does; nil counts as empty.
	Key, Value []byte
	// PartitionKey decides it instead of Key, where it is not nil: records of different keys that belong together lie together.
	PartitionKey []byte
	Headers      []Header // in this order
	// Time is kept to the millisecond; zero, or before 1970, means the time of publishing.
	Time time.Time
	// Alone puts the record into a batch of its own, so that a refusal names no other.
	Alone bool
}

// Header is one header of a record. The type has no name of its own, so that who makes records with such headers need not
// know the producer.
type Header = struct {
	Key   string
	Value []byte
}

// Message is one record as read back.
type Message struct {
	Topic      string
	Partition  int
	Offset     int64
	Time       time.Time // UTC, to the millisecond
	Key, Value []byte    // the receiver's to keep; nil where the record has none
	Headers    []Header
}

// Producer publishes in transactions under one transactional id. Ping and StableLag may be called at any time; every other method
// is for one goroutine at a time.
type Producer struct {
	cfg        Config
	codec      kafka.Compression
	compressor *Compressor
	cluster    atomic.Pointer[cluster]
	topics     map[string]topicLimits
	session    *session // nil: Acquire first

	written map[string]int64 // where the partitions that the last Commit wrote to ended with it
	barrier map[string]int64 // and those of the last Barrier in this epoch
}

// Open makes a Producer. It checks the configuration and reaches for nothing; Close it.
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

// Close ends every connection at once. It commits and aborts nothing: an open transaction ends with the next Acquire
// under the same transactional id, or after TransactionTimeout.
func (p *Producer) Close() { p.cluster.Load().close() }

// Ping asks one broker for a sign of life, once, within Timeout. The error is an *Error.
func (p *Producer) Ping(ctx context.Context) error {
	c := p.cluster.Load()
	// Not Metadata: kafka-go answers that from what it remembers, long after the last broker went away.
	res, err := c.client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return failure("reach brokers", err)
	}
	return nil
}
