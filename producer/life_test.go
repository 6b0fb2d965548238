package producer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestOpenChecksTheConfiguration(t *testing.T) {
	_, err := Open(Config{Compression: "zip"})
	if err == nil || !strings.Contains(err.Error(), "no brokers") || !strings.Contains(err.Error(), `"zip"`) {
		t.Errorf("got %v", err)
	}
}

// TestCompression runs on real sockets: what was committed in each codec is read back, by Recover and by the
// independent client, and nothing is left running.
func TestCompression(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			defer goleak.VerifyNone(t, before)
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			p := onSockets(t, cluster, codec)
			defer p.Close()
			value := strings.Repeat(codec, 100)
			if err := p.Commit(t.Context(), rows(voice, value, 100), closeWith(value)); err != nil {
				t.Fatal(err)
			}
			if got := values(t, p, state, 0); len(got) != 1 || got[0] != value {
				t.Errorf("recovered %v", got)
			}
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(voice), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for n := 0; n < 100; {
				for _, r := range client.PollFetches(t.Context()).Records() {
					if n++; !strings.HasPrefix(string(r.Value), value) {
						t.Errorf("got %q", r.Value)
					}
				}
			}
		})
	}
}

func onSockets(t testing.TB, cluster *kfake.Cluster, codec string) *Producer {
	t.Helper()
	p, err := Open(Config{Cluster: Cluster{Brokers: cluster.ListenAddrs(), Log: zerolog.Nop()}, TransactionalID: txnID, Compression: codec})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.EnsureTopics(t.Context(), true, topics); err != nil {
		t.Fatal(err)
	}
	if err := p.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCloseInTheMiddle cancels, or closes, while the broker holds an answer back: the call ends, and nothing is left
// running, not even by calls that come later.
func TestCloseInTheMiddle(t *testing.T) {
	for _, cancels := range []bool{true, false} {
		closeInTheMiddle(t, cancels)
	}
}

func closeInTheMiddle(t *testing.T, cancels bool) {
	before := goleak.IgnoreCurrent()
	defer goleak.VerifyNone(t, before)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	p := onSockets(t, cluster, "none")
	held := make(chan struct{})
	cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(held)
		return nil, nil, true // never answered
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- p.Commit(ctx, rows(voice, "x", 10), nil) }()
	<-held
	want := errClosed
	if cancels {
		cancel()
		want = context.Canceled
	} else {
		p.Close()
	}
	if e, ok := errors.AsType[*Error](<-ended); !ok || !errors.Is(e, want) || e.Category != Canceled {
		t.Errorf("got %v, want %v", e, want)
	}
	p.Close()
	for name, err := range map[string]error{
		"Ping":    p.Ping(t.Context()),
		"Acquire": p.Acquire(t.Context()),
		"Recover": p.NewReader(state, 0).CatchUp(t.Context(), nil),
	} {
		if err == nil {
			t.Errorf("%s works after Close", name)
		}
	}
	p.Close()
}

func TestPing(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		p, err := Open(w.config())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		for _, node := range []int32{0, 1} {
			if err := w.kafka.RemoveNode(node); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if err := p.Ping(t.Context()); err != nil {
			t.Errorf("one broker of three is left: %v", err)
		}
		w.kafka.Close()
		time.Sleep(time.Minute)
		if err := p.Ping(t.Context()); err == nil {
			t.Error("no broker is left, and nobody noticed")
		}
	})
}

// TestCommitGivesUpBeforeTheBroker: a transaction that hangs ends with an error in time, which is not "fenced": after
// Acquire the worker goes on.
func TestCommitGivesUpBeforeTheBroker(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for _, key := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn} {
			fault := w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.ConcurrentTransactions, Count: -1})
			started := time.Now()
			err := p.Commit(t.Context(), rows(voice, "hung", 10), nil)
			if took := time.Since(started); took > defaultTransactionTimeout*3/4+time.Second || took < 20*time.Second {
				t.Errorf("%s: gave up after %s", key.Name(), took)
			}
			if err == nil || errors.Is(err, ErrFenced) || !errors.Is(err, errTransactionTime) {
				t.Errorf("%s: %v", key.Name(), err)
			}
			fault.Remove()
			if err := p.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Commit(t.Context(), rows(voice, "kept", 10), nil); err != nil {
			t.Fatal(err)
		}
		if got := w.count(voice); len(got) != 10 {
			t.Errorf("seen: %v", got)
		}
	})
}

// TestSlowClosing outlasts the broker's transaction timeout, which bumps the epoch: still not "fenced".
func TestSlowClosing(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		err := p.Commit(t.Context(), rows(voice, "slow", 10), func(map[string]int64) ([]Record, error) {
			time.Sleep(2 * defaultTransactionTimeout)
			return nil, nil
		})
		if err == nil || errors.Is(err, ErrFenced) {
			t.Errorf("got %v", err)
		}
		if failures, err := script(t, p); failures > 0 {
			t.Error(err)
		}
		w.onlyOnce(5)
	})
}

// TestOutage cuts the brokers off for an hour in the middle of a commit. That and its end are logged once each, not once for each
// attempt or partition, and without the contents of records.
func TestOutage(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var down time.Time
		var log bytes.Buffer
		p := w.acquired(func(cfg *Config) {
			cfg.Log = zerolog.New(&log)
			cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if time.Now().Before(down) {
					return nil, errors.New("connection refused")
				}
				return w.network.DialContext(ctx, network, address)
			}
		})
		err := p.Commit(t.Context(), rows(voice, "half", 10), func(map[string]int64) ([]Record, error) {
			p.cluster.Load().transport.CloseIdleConnections()
			down = time.Now().Add(time.Hour)
			return nil, nil
		})
		if e, ok := errors.AsType[*Error](err); !ok || e.Category != Connection || errors.Is(err, ErrFenced) {
			t.Errorf("got %v", err)
		}
		if failures, err := script(t, p); failures > 0 {
			t.Error(err)
		}
		w.onlyOnce(5)
		if since := time.Since(down); since < 0 || since > 10*time.Second {
			t.Errorf("back %s after the brokers", since)
		}
		if got := strings.Count(log.String(), "\n"); got != 2 || strings.Count(log.String(), "trying again") != 1 || strings.Contains(log.String(), "half") {
			t.Errorf("the log has %d lines:\n%s", got, log.String())
		}
	})
}

// TestLeadersMove between commits; kafka-go learns of it when its metadata is asked for the next time.
func TestLeadersMove(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		p := w.acquired()
		for i := range 10 {
			w.kafka.ShufflePartitionLeaders()
			w.kafka.RehashCoordinators()
			started := time.Now()
			if err := p.Commit(t.Context(), rows(voice, fmt.Sprint(i), 20), closeWith(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(started); took > metadataTTL+2*time.Second {
				t.Errorf("the commit took %s", took)
			}
		}
		w.onlyOnce(10)
	})
}

// TestMorePartitions: partitions that were added while the worker runs get their share of keys at once, as they do from
// any other producer.
func TestMorePartitions(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...), kgo.Dialer(w.network.DialContext))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		req := kmsg.NewPtrCreatePartitionsRequest()
		topic := kmsg.NewCreatePartitionsRequestTopic()
		topic.Topic, topic.Count = voice, 12
		req.Topics = append(req.Topics, topic)
		if _, err := req.RequestWith(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * metadataTTL)
		if err := p.Commit(t.Context(), rows(voice, "a", 100), nil); err != nil {
			t.Fatal(err)
		}
		for _, r := range w.seen(voice) {
			if want := partitionFor(r.Key, partitionIDs(12)); int(r.Partition) != want {
				t.Errorf("%s is in partition %d, want %d", r.Key, r.Partition, want)
			}
		}
	})
}
