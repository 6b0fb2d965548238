package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCommitIsSeenWhole(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		p := w.acquired()
		var ends map[string]int64
		err := p.Commit(t.Context(), rows(voice, "a", 100), func(e map[string]int64) ([]Record, error) {
			ends = e
			return closeWith("1")(e)
		})
		if err != nil {
			t.Fatal(err)
		}
		last := map[string]int64{}
		for _, r := range w.seen(voice) {
			last[fmt.Sprintf("%s-%d", r.Topic, r.Partition)] = r.Offset
		}
		if diff := cmp.Diff(last, ends); diff != "" {
			t.Errorf("ends (-seen +given):\n%s", diff)
		}
		if n := len(w.seen(voice)); n != 100 {
			t.Errorf("%d records seen, want 100", n)
		}
		if got := w.count(state); !maps.Equal(got, map[string]int{"1": 1}) {
			t.Errorf("state: %v", got)
		}
	})
}

func TestAbandonedTransactionIsNeverSeen(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		p := w.acquired()
		broken := errors.New("closing broke")
		err := p.Commit(t.Context(), rows(voice, "lost", 50), func(map[string]int64) ([]Record, error) { return nil, broken })
		if !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		if err := p.Commit(t.Context(), rows(voice, "x", 1), nil); !errors.Is(err, ErrNotAcquired) {
			t.Fatalf("commit after an error: %v", err)
		}
		if err := p.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Commit(t.Context(), rows(voice, "kept", 50), nil); err != nil {
			t.Fatal(err)
		}
		for value, n := range w.count(voice) {
			if n != 1 || value[:4] != "kept" {
				t.Errorf("%s seen %d times", value, n)
			}
		}
	})
}

func TestRecoverSeesTheCommitted(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for i := range 3 {
			if err := p.Commit(t.Context(), rows(voice, fmt.Sprint(i), 10), closeWith(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		err := p.NewReader(state, 0).CatchUp(t.Context(), func(m Message) error { got = append(got, string(m.Value)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0", "1", "2"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFencedWorker(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		old, young := w.acquired(), w.open()
		err := old.Commit(t.Context(), rows(voice, "old", 20), func(map[string]int64) ([]Record, error) {
			return closeWith("old")(nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := young.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := old.Commit(t.Context(), rows(voice, "late", 1), nil); !errors.Is(err, ErrFenced) {
			t.Errorf("before the first request: %v", err)
		}
		if err := young.Commit(t.Context(), rows(voice, "young", 5), nil); err != nil {
			t.Fatal(err)
		}
	})
}

// TestFencedInTheMiddle takes the id away while a transaction is open, at its last moment.
func TestFencedInTheMiddle(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		old, young := w.acquired(), w.open()
		for _, closing := range []string{"", "with closing records"} {
			if err := old.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := old.Commit(t.Context(), rows(voice, "old", 20), func(map[string]int64) ([]Record, error) {
				if err := young.Acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
				if closing == "" {
					return nil, nil
				}
				return closeWith(closing)(nil)
			})
			if e, ok := errors.AsType[*Error](err); !errors.Is(err, ErrFenced) || !ok || e.Category != Fenced {
				t.Errorf("closing %q: %v", closing, err)
			}
		}
		if got := w.count(voice); len(got) != 0 {
			t.Errorf("seen: %v", got)
		}
	})
}

func TestEmptyCommit(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		if err := p.Commit(t.Context(), nil, nil); err != nil {
			t.Errorf("nothing at all: %v", err)
		}
		if err := p.Commit(t.Context(), nil, func(map[string]int64) ([]Record, error) { return nil, nil }); err != nil {
			t.Errorf("closing gives nothing: %v", err)
		}
		if err := p.Commit(t.Context(), nil, closeWith("only")); err != nil {
			t.Errorf("closing alone: %v", err)
		}
		if got := w.count(state); !maps.Equal(got, map[string]int{"only": 1}) {
			t.Errorf("state: %v", got)
		}
	})
}

func TestCommitEndsWithItsContext(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		ctx, cancel := context.WithCancel(t.Context())
		err := p.Commit(ctx, rows(voice, "gone", 3), func(map[string]int64) ([]Record, error) { cancel(); return nil, nil })
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Category != Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("got %#v", err)
		}
	})
}

// TestRefusedRecordsAreNamed: the batch of one partition is refused, and the caller learns which of its records were in it.
func TestRefusedRecordsAreNamed(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		records := rows(voice, "secret", 60)
		var want []int
		for i, r := range records {
			if partitionFor(r.Key, partitionIDs(6)) == 2 {
				want = append(want, i)
			}
		}
		for _, closing := range []bool{false, true} {
			p := w.acquired()
			w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: voice, Partitions: []int32{2}, Err: kerr.InvalidTimestamp})
			var err error
			if closing {
				err = p.Commit(t.Context(), rows(state, "first", 3), func(map[string]int64) ([]Record, error) { return records, nil })
			} else {
				err = p.Commit(t.Context(), records, nil)
			}
			r, ok := errors.AsType[*RefusedError](err)
			if !ok || r.Topic != voice || r.Partition != 2 || !errors.Is(err, kafka.InvalidTimestamp) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("got %v", err)
			}
			if !closing && !slices.Equal(r.Records, want) || closing && r.Records != nil {
				t.Errorf("closing %t: records %v, want %v", closing, r.Records, want)
			}
		}
	})
}
