package producer

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestEnsureTopicsCreates(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		p := w.open()
		again := append(topics[:2:2], Topic{Name: "conversations.dead-letter", Partitions: 2, Replication: 1,
			Config: map[string]string{"max.message.bytes": "10485760"}})
		if err := p.EnsureTopics(t.Context(), true, again); err != nil {
			t.Fatal(err)
		}
		for topic, want := range map[string]int{voice: 6, state: 1, "conversations.dead-letter": 2} {
			if got := len(w.kafka.PartitionInfos(topic)); got != want {
				t.Errorf("%s has %d partitions, want %d", topic, got, want)
			}
		}
		if got := *w.kafka.TopicInfo(state).Configs["cleanup.policy"]; got != "compact" {
			t.Errorf("cleanup.policy of state is %s", got)
		}
		for topic, want := range map[string]int{voice: 1048588, "conversations.dead-letter": 10 << 20, "unknown": 0} {
			if got := p.MaxMessageBytes(topic); got != want {
				t.Errorf("%s takes %d bytes, want %d", topic, got, want)
			}
		}
	})
}

// TestEnsureTopicsNamesEverythingAtOnce has one topic missing, one with two faults and one that is right.
func TestEnsureTopicsNamesEverythingAtOnce(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for topic, partitions := range map[string]int32{voice: 3, state: 4} {
			if err := w.kafka.CreateTopic(topic, partitions, nil); err != nil {
				t.Fatal(err)
			}
		}
		p, err := Open(w.config())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		progress := Topic{Name: "conversations.progress", OnePartition: true, Config: map[string]string{"retention.ms": "1000"}}
		err = p.EnsureTopics(t.Context(), false, append(topics[:2:2], progress))
		if err == nil {
			t.Fatal("no error")
		}
		for _, want := range []string{
			"conversations.progress: does not exist", "TOPIC_CREATE=true",
			"kafka-topics.sh --create --topic conversations.progress --partitions 1 --config retention.ms=1000",
			"conversations.state: has 4 partitions, needs exactly 1",
			"conversations.state: has cleanup.policy=delete, needs exactly compact",
			"kafka-configs.sh --alter --entity-type topics --entity-name conversations.state --add-config cleanup.policy=compact",
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error lacks %q:\n%v", want, err)
			}
		}
		if strings.Contains(err.Error(), voice) {
			t.Errorf("the error names a topic that is right:\n%v", err)
		}
		if w.kafka.TopicInfo(progress.Name) != nil {
			t.Error("created although it was told not to")
		}
	})
}

func TestRetention(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.open()
		made := []Topic{
			{Name: "hour", Config: map[string]string{"retention.ms": "3600000"}},
			{Name: "ever", Config: map[string]string{"retention.ms": "-1"}},
			{Name: "ages", Config: map[string]string{"retention.ms": "9223372036854775807"}},
		}
		if err := p.EnsureTopics(t.Context(), true, made); err != nil {
			t.Fatal(err)
		}
		for topic, want := range map[string]time.Duration{"hour": time.Hour, "ever": math.MaxInt64, "ages": math.MaxInt64, "unknown": 0} {
			if got := p.Retention(topic); got != want {
				t.Errorf("%s keeps for %s, want %s", topic, got, want)
			}
		}
	})
}

func TestEnsureTopicsRefused(t *testing.T) {
	for _, c := range []struct {
		key      kmsg.Key
		err      *kerr.Error
		category Category
		hint     string
	}{
		{kmsg.CreateTopics, kerr.TopicAuthorizationFailed, Denied, "needs Create on topic conversations.voice: kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:ANONYMOUS --operation Create --topic conversations.voice"},
		{kmsg.CreateTopics, kerr.InvalidReplicationFactor, Settings, "TOPIC_REPLICATION is -1"},
		{kmsg.CreateTopics, kerr.PolicyViolation, Settings, "kafka-topics.sh --create"},
		{kmsg.CreateTopics, kerr.InvalidConfig, Settings, "kafka-topics.sh --create"},
		{kmsg.DescribeConfigs, kerr.TopicAuthorizationFailed, Denied, "needs DescribeConfigs on topic conversations.state: "},
	} {
		t.Run(c.key.Name()+"/"+c.err.Message, func(t *testing.T) {
			inWorld(t, 1, func(t *testing.T, w *world) {
				p, err := Open(w.config())
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Err: c.err, Count: -1})
				err = p.EnsureTopics(t.Context(), true, topics)
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Category != c.category || !strings.Contains(e.Hint, c.hint) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestEnsureTopicsTriesAgain(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.CreateTopics, kmsg.DescribeConfigs, kmsg.ApiVersions} {
		for _, after := range []bool{false, true} {
			inWorld(t, 3, func(t *testing.T, w *world) {
				c := &cut{dial: w.network.DialContext, key: key, after: after, times: 2}
				w.open(func(cfg *Config) { cfg.Dial = c.DialContext })
				if c.hits != 2 {
					t.Errorf("%s: the wire was cut %d times", key.Name(), c.hits)
				}
				if got := len(w.kafka.PartitionInfos(voice)); got != 6 {
					t.Errorf("%s: %d partitions", key.Name(), got)
				}
			})
		}
	}
}

// TestNoBrokers: every call ends with its context, and its error names KAFKA_BROKERS.
func TestNoBrokers(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.open()
		cfg := w.config()
		w.kafka.Close()
		calls := map[string]func(context.Context) error{
			"EnsureTopics": func(ctx context.Context) error { return p.EnsureTopics(ctx, true, topics) },
			"Acquire":      p.Acquire,
			"Recover":      func(ctx context.Context) error { return p.NewReader(state, 0).CatchUp(ctx, nil) },
			"Topics":       func(ctx context.Context) error { _, err := Topics(ctx, cfg.Cluster, ""); return err },
			"Tail": func(ctx context.Context) error {
				return Tail(ctx, cfg.Cluster, TailOptions{Topics: []string{voice}, Follow: true}, nil)
			},
		}
		for name, call := range calls {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			started := time.Now()
			err := call(ctx)
			cancel()
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(e.Hint, "KAFKA_BROKERS") {
				t.Errorf("%s: %v", name, err)
			}
			if waited := time.Since(started); waited != time.Minute {
				t.Errorf("%s: gave up after %s", name, waited)
			}
		}
		if e, ok := errors.AsType[*Error](p.Ping(t.Context())); !ok || e.Category != Connection {
			t.Errorf("Ping: %v", e)
		}
	})
}

// TestNewTopicsAreNoNews: for some seconds after creation brokers do not know a topic. That is logged only if it lasts.
func TestNewTopicsAreNoNews(t *testing.T) {
	for lasts, told := range map[time.Duration]bool{10 * time.Second: false, 25 * time.Second: true} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			var log bytes.Buffer
			cfg := w.config()
			cfg.Log = zerolog.New(&log)
			p, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			until := time.Now().Add(lasts)
			w.kafka.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
				w.kafka.KeepControl()
				if time.Now().After(until) || len(r.(*kmsg.MetadataRequest).Topics) == 0 {
					return nil, nil, false
				}
				res := r.ResponseKind().(*kmsg.MetadataResponse)
				broker := kmsg.NewMetadataResponseBroker()
				broker.Host, broker.Port = "localhost", 9092
				res.Brokers = append(res.Brokers, broker)
				for _, asked := range r.(*kmsg.MetadataRequest).Topics {
					topic := kmsg.NewMetadataResponseTopic()
					topic.Topic, topic.ErrorCode = asked.Topic, kerr.UnknownTopicOrPartition.Code
					res.Topics = append(res.Topics, topic)
				}
				return res, nil, true
			})
			if err := p.EnsureTopics(t.Context(), true, topics); err != nil {
				t.Fatal(err)
			}
			if time.Now().Before(until) {
				t.Error("went on before brokers know the topics")
			}
			if got := strings.Contains(log.String(), "trying again"); got != told {
				t.Errorf("unknown for %v: %s", lasts, &log)
			}
		})
	}
}
