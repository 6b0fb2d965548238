package producer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	txnID = "conversations.convstream.account"
	voice = "conversations.voice"
	state = "conversations.state"
)

var topics = []Topic{
	{Name: voice, Partitions: 6},
	{Name: state, OnePartition: true, Config: map[string]string{"cleanup.policy": "compact"}, Required: map[string]string{"cleanup.policy": "compact"}},
}

// world is a Kafka cluster inside a synctest bubble: virtual network, virtual time.
type world struct {
	t       *testing.T
	network *kfake.VirtualNetwork
	kafka   *kfake.Cluster
}

// inWorld runs f in a bubble with a fresh cluster of n brokers.
func inWorld(t *testing.T, n int, f func(t *testing.T, w *world), opts ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, network: new(kfake.VirtualNetwork)}
		var ports []int
		for i := range n {
			ports = append(ports, 9092+i)
		}
		opts = append(opts, kfake.ListenFn(w.network.Listen), kfake.Ports(ports...), kfake.NumBrokers(n))
		cluster, err := kfake.NewCluster(opts...)
		if err != nil {
			t.Fatal(err)
		}
		w.kafka = cluster
		defer cluster.Close()
		f(t, w)
	})
}

func (w *world) config() Config {
	return Config{
		// Not zstd: its decoders hold channels and are pooled across bubbles. See TestCompression.
		Cluster:         Cluster{Brokers: w.kafka.ListenAddrs(), ClientID: "test", Dial: w.network.DialContext, Log: zerolog.Nop()},
		TransactionalID: txnID, Compression: "gzip",
	}
}

// open returns a Producer whose topics are ensured, not yet acquired.
func (w *world) open(change ...func(*Config)) *Producer {
	w.t.Helper()
	cfg := w.config()
	for _, f := range change {
		f(&cfg)
	}
	p, err := Open(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
	if err := p.EnsureTopics(w.t.Context(), true, topics); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// acquired returns a Producer that is ready to commit.
func (w *world) acquired(change ...func(*Config)) *Producer {
	w.t.Helper()
	p := w.open(change...)
	if err := p.Acquire(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// seen is what an independent client sees in a topic, read_committed: per partition, in order.
func (w *world) seen(topic string) []*kgo.Record {
	w.t.Helper()
	parts := w.kafka.PartitionInfos(topic)
	offsets := map[int32]kgo.Offset{}
	missing := map[int32]int64{}
	for _, p := range parts {
		offsets[p.Partition] = kgo.NewOffset().AtStart()
		if p.LastStableOffset > p.LogStartOffset {
			missing[p.Partition] = p.LastStableOffset
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...), kgo.Dialer(w.network.DialContext),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	var out []*kgo.Record
	for len(missing) > 0 {
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
		fetches := client.PollFetches(ctx)
		cancel()
		if err := fetches.Err0(); err != nil {
			w.t.Fatalf("checker: %v, missing %v", err, missing)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= missing[r.Partition] {
				delete(missing, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	return out
}

// count returns how often each value is read.
func (w *world) count(topic string) map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	for _, r := range w.seen(topic) {
		counts[string(r.Value)]++
	}
	return counts
}

// rows makes n records for a topic, their values unlike those of any other prefix.
func rows(topic, prefix string, n int) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{Topic: topic, Key: fmt.Appendf(nil, "key-%d", i), Value: fmt.Appendf(nil, "%s-%d", prefix, i)}
	}
	return records
}

// closeWith makes a closing that writes one state record.
func closeWith(value string) func(map[string]int64) ([]Record, error) {
	return func(map[string]int64) ([]Record, error) {
		return []Record{{Topic: state, Key: []byte("account"), Value: []byte(value)}}, nil
	}
}

var errBroken = errors.New("the wire was cut")

// cut breaks connections at requests of one kind: before the request left (it never takes effect), or after its answer
// arrived (it took effect, and nobody learns of it).
type cut struct {
	dial  func(context.Context, string, string) (net.Conn, error)
	key   kmsg.Key
	after bool

	mu    sync.Mutex
	times int
	hits  int
}

func (c *cut) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, cut: c}, nil
}

func (c *cut) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hits >= c.times {
		return false
	}
	c.hits++
	return true
}

// cutConn relies on kafka-go writing each request from its length prefix on, and reading its answer before the next one.
type cutConn struct {
	net.Conn
	cut   *cut
	armed bool
}

func (c *cutConn) Write(b []byte) (int, error) {
	if !c.isRequest(b) || !c.cut.take() {
		return c.Conn.Write(b)
	}
	if !c.cut.after {
		_ = c.Close()
		return 0, errBroken
	}
	c.armed = true
	return c.Conn.Write(b)
}

func (c *cutConn) isRequest(b []byte) bool {
	return len(b) > 8 && kmsg.Key(binary.BigEndian.Uint16(b[4:])) == c.cut.key && binary.BigEndian.Uint32(b) >= uint32(len(b)-4)
}

func (c *cutConn) Read(b []byte) (int, error) {
	if !c.armed {
		return c.Conn.Read(b)
	}
	var length [4]byte
	if _, err := io.ReadFull(c.Conn, length[:]); err == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, int64(binary.BigEndian.Uint32(length[:])))
	}
	_ = c.Close()
	return 0, errBroken
}
