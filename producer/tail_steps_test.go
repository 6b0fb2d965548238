package producer

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestPatience: it is over when nothing has come for as long, counted from the last record on, and not from what visit takes.
func TestPatience(t *testing.T) {
	const patience = 10 * time.Second
	hangs := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	synctest.Test(t, func(t *testing.T) {
		tl := &tail{patience: patience, moved: time.Now()}
		begun := time.Now()
		time.Sleep(4 * time.Second)
		err := tl.patiently(t.Context(), hangs)
		if e, ok := errors.AsType[*Error](err); !ok || e.Category != Timeout || e.Hint != hintBrokers || !strings.Contains(e.Error(), "no record from the brokers for 10s") || time.Since(begun) != patience {
			t.Errorf("nothing came: %v after %v", err, time.Since(begun))
		}
		tl.moved = time.Now()
		err = tl.patiently(t.Context(), func(ctx context.Context) error {
			tl.offsetsRead++
			time.Sleep(time.Minute) // in visit
			return context.Cause(ctx)
		})
		if err != nil || time.Since(tl.moved) > 0 {
			t.Errorf("something came: %v, %v ago", err, time.Since(tl.moved))
		}
		if err := tl.patiently(t.Context(), func(context.Context) error { return errBroken }); err != errBroken {
			t.Errorf("an error in time: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := tl.patiently(ctx, hangs); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		tl.patience = 0
		_ = tl.patiently(t.Context(), func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); bounded {
				t.Error("without patience there is a deadline")
			}
			return nil
		})
	})
}

// TestMergeByTime: messages of different lists come by time, those of one list in its order, and none is lost; after an error of visit
// nothing more is shown.
func TestMergeByTime(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		lists := make([][]Message, dice.IntN(5))
		total, sorted := 0, dice.IntN(2) == 0
		for i := range lists {
			for n := range dice.IntN(6) {
				lists[i] = append(lists[i], Message{Partition: i, Offset: int64(n), Time: time.Unix(dice.Int64N(10), 0)})
			}
			if total += len(lists[i]); sorted {
				slices.SortStableFunc(lists[i], func(a, b Message) int { return a.Time.Compare(b.Time) })
				for n := range lists[i] {
					lists[i][n].Offset = int64(n)
				}
			}
		}
		stop := dice.IntN(total + 2)
		var got []Message
		err := merge(slices.Clone(lists), func(m Message) error {
			if got = append(got, m); len(got) == stop {
				return errBroken
			}
			return nil
		})
		if stops := stop > 0 && stop <= total; stops && (err != errBroken || len(got) != stop) || !stops && (err != nil || len(got) != total) {
			t.Fatalf("seed %d: %d of %d messages, stop at %d: %v", seed, len(got), total, stop, err)
		}
		next := map[int]int64{}
		for i, m := range got {
			if m.Offset != next[m.Partition] || sorted && i > 0 && m.Time.Before(got[i-1].Time) {
				t.Fatalf("seed %d: message %d of %v", seed, i, got)
			}
			next[m.Partition]++
		}
	}
}

// answerOf is an answer for one partition of topic t with a record at an offset, or an error.
func answerOf(id int32, offset int64, code kafka.Error) *fetch.Response {
	part := fetch.ResponsePartition{Partition: id, ErrorCode: int16(code)}
	if code == 0 && offset >= 0 {
		part.RecordSet = protocol.RecordSet{Records: protocol.NewRecordReader(protocol.Record{Offset: offset, Value: protocol.NewBytes([]byte("v"))})}
	}
	return &fetch.Response{Topics: []fetch.ResponseTopic{{Topic: "t", Partitions: []fetch.ResponsePartition{part}}}}
}

// newTail is a tail of three partitions of topic t, without brokers, and the offsets that it showed.
func newTail() (tl *tail, shown *[]int64) {
	shown = new([]int64)
	tl = &tail{
		cluster: &cluster{sockets: newSockets(Cluster{Brokers: []string{"b:1"}})}, ends: map[partition]int64{}, empty: map[partition]int{},
		visit: func(m Message) error { *shown = append(*shown, m.Offset); return nil },
	}
	for id := range 3 {
		tl.at = append(tl.at, position{partition{"t", id}, 10})
		tl.ends[partition{"t", id}] = 20
	}
	return tl, shown
}

// TestDeliver: what one round brought is shown even if a later partition fails, and no more than up to the end. Only a round with an
// error, or without any answer, is followed by a pause.
func TestDeliver(t *testing.T) {
	for name, c := range map[string]struct {
		answers []*fetch.Response
		shown   []int64
		next    int64 // of the first partition
		pause   time.Duration
		code    kafka.Error // that is returned; 0 for none
	}{
		"all well":                {[]*fetch.Response{answerOf(0, 12, 0), answerOf(1, 15, 0)}, []int64{12, 15}, 13, 0, 0},
		"no answer":               {nil, nil, 10, tailWait, 0},
		"one has no answer":       {[]*fetch.Response{answerOf(0, 12, 0), nil}, []int64{12}, 13, tailWait, 0},
		"one moves":               {[]*fetch.Response{answerOf(1, 0, kafka.NotLeaderForPartition), answerOf(0, 12, 0)}, []int64{12}, 13, tailWait, 0},
		"one is denied":           {[]*fetch.Response{answerOf(0, 12, 0), answerOf(1, 0, kafka.TopicAuthorizationFailed), answerOf(2, 13, 0)}, []int64{12}, 13, 0, kafka.TopicAuthorizationFailed},
		"at the end":              {[]*fetch.Response{answerOf(0, 19, 0)}, []int64{19}, 20, 0, 0},
		"behind the end":          {[]*fetch.Response{answerOf(0, 20, 0)}, nil, 21, 0, 0},
		"empty":                   {[]*fetch.Response{answerOf(0, -1, 0)}, nil, 10, 0, 0},
		"not asked for":           {[]*fetch.Response{answerOf(9, 12, 0)}, nil, 10, 0, 0},
		"behind what it has read": {[]*fetch.Response{answerOf(0, 9, 0)}, nil, 11, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			tl, shown := newTail()
			begun := time.Now()
			err := tl.deliver(t.Context(), c.answers)
			if !slices.Equal(*shown, c.shown) || tl.at[0].offset != c.next || time.Since(begun) != c.pause {
				t.Errorf("%s: showed %v, next is %d, paused %v", name, *shown, tl.at[0].offset, time.Since(begun))
			}
			if (err != nil) != (c.code != 0) || err != nil && (!errors.Is(err, c.code) || failure("", err).Category != Denied || !strings.Contains(failure("", err).Hint, "Read on topic t")) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	tl, _ := newTail()
	tl.visit = func(Message) error { return errBroken }
	if err := tl.deliver(t.Context(), []*fetch.Response{answerOf(0, 12, 0), answerOf(1, 0, kafka.TopicAuthorizationFailed)}); err != errBroken {
		t.Errorf("an error of visit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tl, shown := newTail()
	if e := failure("", tl.deliver(ctx, []*fetch.Response{answerOf(0, 12, 0)})); e.Category != Canceled || len(*shown) != 1 {
		t.Errorf("canceled: %v, showed %v", e, *shown)
	}
}

// TestUnfinished: as long as one partition has not reached its end.
func TestUnfinished(t *testing.T) {
	tl, _ := newTail()
	for i := range tl.at {
		if tl.at[i].offset = 19; !tl.unfinished() {
			t.Errorf("partition %d is not read", i)
		}
		tl.at[i].offset = 20 + int64(i)
	}
	if tl.unfinished() {
		t.Error("all are read")
	}
}

// TestGrow adds the partitions that are not known, from their beginning, and leaves the others where they are.
func TestGrow(t *testing.T) {
	tl, _ := newTail()
	found := map[string]kafka.Topic{"t": {Partitions: []kafka.Partition{{ID: 0}, {ID: 3}, {ID: 2}}}, "u": {Partitions: []kafka.Partition{{ID: 0}}}}
	for range 2 {
		tl.grow(found)
	}
	slices.SortFunc(tl.at, func(a, b position) int { return strings.Compare(a.String(), b.String()) })
	want := []position{{partition{"t", 0}, 10}, {partition{"t", 1}, 10}, {partition{"t", 2}, 10}, {partition{"t", 3}, 0}, {partition{"u", 0}, 0}}
	if !slices.Equal(tl.at, want) {
		t.Errorf("%v, want %v", tl.at, want)
	}
}

// TestTailAfterDeletion goes on with the first record that is left; a partition that ends before is an error.
func TestTailAfterDeletion(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for range 3 {
			if err := p.Commit(t.Context(), nil, closeWith("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.kafka.DeleteRecords(state, 0, 4); err != nil {
			t.Fatal(err)
		}
		tl := &tail{cluster: p.cluster.Load()}
		for offset, want := range map[int64]int64{0: 4, 3: 4, 4: -1, 9: -1} {
			at := &position{partition{state, 0}, offset}
			err := tl.partitionError(t.Context(), at, kafka.OffsetOutOfRange)
			if want >= 0 && (err != nil || at.offset != want) || want < 0 && (!errors.Is(err, ErrTruncated) || at.offset != offset) {
				t.Errorf("from %d: at %d, %v", offset, at.offset, err)
			}
		}
	})
}

// TestTailRefused: what the operator has to correct ends Tail, whichever request it comes with; a fault of the brokers does not.
func TestTailRefused(t *testing.T) {
	for _, c := range []struct {
		key      kmsg.Key
		err      *kerr.Error
		category Category // "" where Tail goes on
	}{
		{kmsg.Fetch, kerr.TopicAuthorizationFailed, Denied}, {kmsg.ListOffsets, kerr.TopicAuthorizationFailed, Denied}, {kmsg.Metadata, kerr.TopicAuthorizationFailed, Denied},
		{kmsg.Fetch, kerr.UnknownServerError, Unexpected}, {kmsg.Fetch, kerr.NotLeaderForPartition, ""}, {kmsg.ListOffsets, kerr.LeaderNotAvailable, ""},
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			p := w.acquired()
			if err := p.Commit(t.Context(), nil, closeWith("x")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Err: c.err, Topic: state, Count: 3})
			shown := 0
			err := Tail(t.Context(), w.config().Cluster, TailOptions{Topics: []string{state}}, func(Message) error { shown++; return nil })
			e, _ := errors.AsType[*Error](err)
			if (err != nil) != (c.category != "") || e != nil && (e.Category != c.category || c.category == Denied && !strings.Contains(e.Hint, "needs Read on topic "+state)) || err == nil && shown != 1 {
				t.Errorf("%s %v: showed %d, %v", c.key.Name(), c.err, shown, err)
			}
		})
	}
	if err := Tail(t.Context(), Cluster{}, TailOptions{}, nil); err == nil || !strings.Contains(err.Error(), "KAFKA_BROKERS") {
		t.Errorf("without brokers: %v", err)
	}
	if _, err := Topics(t.Context(), Cluster{}, ""); err == nil || !strings.Contains(err.Error(), "KAFKA_BROKERS") {
		t.Errorf("without brokers: %v", err)
	}
}
