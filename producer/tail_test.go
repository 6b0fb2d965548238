package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tailed reads to the present end and returns the values by partition.
func tailed(t *testing.T, cfg Config, o TailOptions) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	err := Tail(t.Context(), cfg.Cluster, o, func(m Message) error {
		at := fmt.Sprintf("%s-%d", m.Topic, m.Partition)
		got[at] = append(got[at], string(m.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTailToThePresentEnd(t *testing.T) {
	for _, broken := range []kmsg.Key{-1, kmsg.Fetch, kmsg.ListOffsets} {
		inWorld(t, 3, func(t *testing.T, w *world) {
			p := w.acquired()
			for i := range 10 {
				if i%4 == 3 {
					abandon(t, p, "aborted")
					if err := p.Acquire(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Commit(t.Context(), rows(voice, fmt.Sprint(i), 20), closeWith(fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string][]string{}
			for _, topic := range []string{voice, state} {
				for _, r := range w.seen(topic) {
					at := fmt.Sprintf("%s-%d", r.Topic, r.Partition)
					want[at] = append(want[at], string(r.Value))
				}
			}
			abandon(t, p, "open") // and left open: the end is before it
			cfg := w.config()
			cfg.TransactionalID = ""
			cfg.Dial = (&cut{dial: cfg.Dial, key: broken, after: true, times: 3}).DialContext
			if diff := cmp.Diff(want, tailed(t, cfg, TailOptions{Topics: []string{voice, state}})); diff != "" {
				t.Errorf("broken %v: (-independent client +tail):\n%s", broken, diff)
			}
			if got := tailed(t, cfg, TailOptions{Topics: []string{voice, state}, FromEnd: true}); len(got) > 0 {
				t.Errorf("from the end: %v", got)
			}
		})
	}
}

func TestTailFollows(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		p := w.acquired()
		if err := p.Commit(t.Context(), rows(voice, "before", 20), nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := map[string]int{}
		var late time.Duration
		ended := make(chan error)
		go func() {
			ended <- Tail(ctx, w.config().Cluster, TailOptions{Topics: []string{voice}, FromEnd: true, Follow: true}, func(m Message) error {
				got[string(m.Value)]++
				late = max(late, time.Since(m.Time))
				return nil
			})
		}()
		for i := range 3 {
			time.Sleep(20 * time.Second)
			w.kafka.ShufflePartitionLeaders()
			if err := p.Commit(t.Context(), rows(voice, fmt.Sprint(i), 20), nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Second)
		cancel()
		if e, ok := errors.AsType[*Error](<-ended); !ok || e.Category != Canceled {
			t.Errorf("ended with %v", e)
		}
		want := map[string]int{}
		for i := range 3 {
			for _, r := range rows(voice, fmt.Sprint(i), 20) {
				want[string(r.Value)] = 1
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d values, want %d, each once: %v", len(got), len(want), got)
		}
		if late > 5*time.Second {
			t.Errorf("a record came %s late", late)
		}
	})
}

func TestTailOfNothing(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.open()
		if got := tailed(t, w.config(), TailOptions{Topics: []string{voice}}); len(got) > 0 {
			t.Errorf("got %v", got)
		}
		err := Tail(t.Context(), w.config().Cluster, TailOptions{Topics: []string{"conversations.vioce"}}, nil)
		if err == nil || !strings.Contains(err.Error(), "conversations.vioce: does not exist") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTopics(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.open()
		for _, name := range []string{"conversation", "other", "conversations.rtm"} {
			if err := w.kafka.CreateTopic(name, 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Topics(t.Context(), w.config().Cluster, "conversations.")
		if diff := cmp.Diff([]string{"conversations.rtm", state, voice}, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func TestMergeKeepsTheOrderOfAPartition(t *testing.T) {
	at := func(partition int, seconds ...int64) (list []Message) {
		for i, s := range seconds {
			list = append(list, Message{Partition: partition, Offset: int64(i), Time: time.Unix(s, 0)})
		}
		return list
	}
	var got []string
	_ = merge([][]Message{at(0, 5, 1, 7), nil, at(1, 2, 6, 6)}, func(m Message) error {
		got = append(got, fmt.Sprintf("%d/%d", m.Partition, m.Offset))
		return nil
	})
	if want := []string{"1/0", "0/0", "0/1", "1/1", "1/2", "0/2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestTailGivesUp: with Patience it gives up when brokers are silent, at every step; a slow visit does not count.
func TestTailGivesUp(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.ListOffsets, kmsg.Fetch} {
		inWorld(t, 3, func(t *testing.T, w *world) {
			p := w.acquired()
			if err := p.Commit(t.Context(), rows(voice, "a", 20), nil); err != nil {
				t.Fatal(err)
			}
			cfg := w.config()
			o := TailOptions{Topics: []string{voice}, Patience: 30 * time.Second}
			large := rows(voice, "large", 12) // more than one answer of the brokers holds
			for i := range large {
				large[i].Key, large[i].Value = nil, make([]byte, 900<<10)
				_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(large[i].Value)
			}
			if err := p.Commit(t.Context(), large, nil); err != nil {
				t.Fatal(err)
			}
			n := 0
			if err := Tail(t.Context(), cfg.Cluster, o, func(Message) error { n++; time.Sleep(9 * time.Second); return nil }); err != nil || n != 32 {
				t.Errorf("a slow reader got %d records, %v", n, err)
			}
			cfg.Dial = (&cut{dial: cfg.Dial, key: key, times: 1 << 30}).DialContext
			began := time.Now()
			err := Tail(t.Context(), cfg.Cluster, o, func(Message) error { return nil })
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Category != Timeout || !strings.Contains(err.Error(), "for 30s") || !strings.Contains(err.Error(), "KAFKA_BROKERS") {
				t.Errorf("%s cut: %v", key.Name(), err)
			}
			if took := time.Since(began); took < 30*time.Second || took > 45*time.Second {
				t.Errorf("%s cut: gave up after %v", key.Name(), took)
			}
		})
	}
}

// TestTailNoticesPartitions that are added, and reads them from their beginning.
func TestTailNoticesPartitions(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		p := w.acquired()
		ctx, cancel := context.WithCancel(t.Context())
		got, ended := map[string]int{}, make(chan error)
		go func() {
			ended <- Tail(ctx, w.config().Cluster, TailOptions{Topics: []string{voice}, FromEnd: true, Follow: true}, func(m Message) error {
				got[fmt.Sprint(m.Partition)]++
				return nil
			})
		}()
		time.Sleep(20 * time.Second)
		w.partitions(voice, 12)
		time.Sleep(10 * time.Second)
		if err := p.Commit(t.Context(), rows(voice, "b", 400), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		cancel()
		<-ended
		sum := 0
		for _, n := range got {
			sum += n
		}
		if sum != 400 || got["11"] == 0 {
			t.Errorf("%d records, by partition %v", sum, got)
		}
	})
}

// partitions sets the number of partitions of a topic.
func (w *world) partitions(topic string, n int32) {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...), kgo.Dialer(w.network.DialContext))
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	req := kmsg.NewPtrCreatePartitionsRequest()
	topics := kmsg.NewCreatePartitionsRequestTopic()
	topics.Topic, topics.Count = topic, n
	req.Topics = append(req.Topics, topics)
	if _, err := req.RequestWith(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
}

// TestTailShowsWhatItPassed before it returns an error: where patience ends at one partition, after another
// was read, the tail goes on and does not come back to that one.
func TestTailShowsWhatItPassed(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		if err := p.Commit(t.Context(), rows(voice, "a", 20), nil); err != nil {
			t.Fatal(err)
		}
		cfg := w.config()
		cfg.Dial = (&cut{dial: cfg.Dial, key: kmsg.ListOffsets, times: 1 << 30}).DialContext
		c := connect(cfg.Cluster.withDefaults(), nil)
		defer c.close()
		read, gone := position{partition: partition{voice, 0}}, position{partition{voice, 1}, 1 << 20}
		answer, err := c.fetch(t.Context(), []position{read, gone}, tailWait)
		if err != nil {
			t.Fatal(err)
		}
		parts := answer.Topics[0].Partitions
		slices.SortFunc(parts, func(a, b fetch.ResponsePartition) int { return int(a.Partition - b.Partition) })
		if code := kafka.Error(parts[1].ErrorCode); len(parts) != 2 || code != kafka.OffsetOutOfRange {
			t.Fatalf("%d partitions, the second: %v", len(parts), code)
		}
		shown := 0
		tail := &tail{
			cluster: c, at: []position{read, gone}, empty: map[partition]int{}, patience: 30 * time.Second, moved: time.Now(),
			visit: func(Message) error { shown++; return nil },
		}
		err = tail.patiently(t.Context(), func(ctx context.Context) error { return tail.deliver(ctx, []*fetch.Response{answer}) })
		there := 0
		for _, r := range w.seen(voice) {
			if r.Partition == 0 {
				there++
			}
		}
		if err != nil || shown != there || there == 0 || tail.at[0].offset < int64(there) {
			t.Errorf("shown %d of %d records, gone on to %d, %v", shown, there, tail.at[0].offset, err)
		}
		if tail.at[1] != gone {
			t.Errorf("nothing was learnt of %v, and it went from %d to %d", gone, gone.offset, tail.at[1].offset)
		}
	})
}
