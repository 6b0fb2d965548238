package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tailed reads to the present end and gives the values per partition.
func tailed(t *testing.T, cfg Config, o TailOptions) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	err := Tail(t.Context(), cfg, o, func(m Message) error {
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
			ended <- Tail(ctx, w.config(), TailOptions{Topics: []string{voice}, FromEnd: true, Follow: true}, func(m Message) error {
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
		err := Tail(t.Context(), w.config(), TailOptions{Topics: []string{"conversations.vioce"}}, nil)
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
		got, err := Topics(t.Context(), w.config(), "conversations.")
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
