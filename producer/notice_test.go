package producer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// told is a Reader without brokers, and what it says.
type told struct {
	*Reader
	log  bytes.Buffer
	says []string
}

func newTold(t *testing.T) *told {
	t.Helper()
	w := &told{}
	p, err := Open(Config{Cluster: Cluster{Brokers: []string{"kafka:9092"}, Log: zerolog.New(&w.log)}, OnWait: func(what string) { w.says = append(w.says, what) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.topics = map[string]topicLimits{state: {partitions: partitionIDs(1)}}
	w.Reader = p.NewReader(state, 0)
	return w
}

// TestNotice: a Reader that follows says what it waits for after a minute without progress, once, and once that it waits no longer. A
// Reader that has nothing left to read waits for nothing.
func TestNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTold(t)
		step := func(after time.Duration, offset, high int64) {
			time.Sleep(after)
			before := r.at.offset
			r.at.offset, r.high, r.stable = offset, high, offset
			r.notice(before)
		}
		expect := func(want ...string) {
			t.Helper()
			if len(r.says) != len(want) || strings.Count(r.log.String(), "\n") != len(slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "" })) {
				t.Fatalf("it said %q, want %q; the log:\n%s", r.says, want, &r.log)
			}
			for i, text := range want {
				if (text == "") != (r.says[i] == "") || !strings.Contains(r.says[i], text) {
					t.Fatalf("it said %q, want %q", r.says, want)
				}
			}
		}
		step(0, 5, 5)
		step(time.Hour, 5, 5) // all is read
		step(time.Hour, 5, 5)
		step(0, 5, 7)
		step(followStallWarning-1, 5, 7)
		expect()
		step(0, 6, 7) // some progress
		step(2, 6, 7)
		step(followStallWarning-1, 6, 9)
		expect()
		step(1, 6, 9)
		expect("another producer has open")
		step(time.Hour, 6, 9)
		expect("another producer has open")
		if !strings.Contains(r.says[0], "--partition 0 --start-offset 6") || strings.Contains(r.says[0], "kafka: ") || !strings.Contains(r.says[0], "--bootstrap-server kafka:9092") {
			t.Errorf("it says %q", r.says[0])
		}
		if log := r.log.String(); !strings.Contains(log, `"partition":"conversations.state-0","offset":6,"end":9`) || !strings.Contains(log, `"hint":"if it stays so`) {
			t.Errorf("the log says %s", log)
		}
		step(0, 9, 9)
		expect("another producer has open", "")
		step(0, 9, 12)
		step(followStallWarning, 9, 12)
		expect("another producer has open", "", "another producer has open")
	})
}

// TestReport: each cause once, the change from one to the other too, and OnWait may be nil.
func TestReport(t *testing.T) {
	r := newTold(t)
	for _, what := range []string{"", "kafka: a", "kafka: a", "kafka: b", "", "", "kafka: a"} {
		r.report(waiting{what: what, hint: "do it"}, 9)
	}
	if want := []string{"a (do it)", "b (do it)", "", "a (do it)"}; !slices.Equal(r.says, want) || strings.Count(r.log.String(), "\n") != 3 {
		t.Errorf("it said %q, want %q; the log:\n%s", r.says, want, &r.log)
	}
	r.producer.cfg.OnWait = nil
	r.report(waiting{what: "kafka: c"}, 9)
	if !strings.Contains(r.log.String(), "kafka: c") {
		t.Errorf("without OnWait the log says %s", &r.log)
	}
}

// TestWaitsFor: a broker that lags behind what was acknowledged, or else a transaction, which begins at the last stable offset.
func TestWaitsFor(t *testing.T) {
	r := newTold(t)
	r.high, r.stable = 10, 4
	for end, want := range map[int64]string{9: "another producer has open", 10: "another producer has open", 11: "a broker that knows all"} {
		if w := r.waitsFor(end); !strings.Contains(w.what, want) || strings.Contains(w.hint, "--start-offset 4") != (end <= 10) {
			t.Errorf("to %d: %+v", end, w)
		}
	}
}

// TestReadLast: the last offsets, whatever is in them, and whether that is all there is.
func TestReadLast(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for i := range 4 { // two offsets each, of which the second is the marker
			if err := p.Commit(t.Context(), nil, closeWith(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.kafka.DeleteRecords(state, 0, 2); err != nil {
			t.Fatal(err)
		}
		for last, want := range map[int64]struct {
			values []string
			all    bool
		}{
			0: {nil, false}, 1: {nil, false}, 2: {[]string{"3"}, false}, 3: {[]string{"3"}, false}, 5: {[]string{"2", "3"}, false}, 6: {[]string{"1", "2", "3"}, true}, 1 << 40: {[]string{"1", "2", "3"}, true},
		} {
			var got []string
			all, err := p.ReadLast(t.Context(), state, 0, last, func(m Message) error { got = append(got, string(m.Value)); return nil })
			if err != nil || all != want.all || !slices.Equal(got, want.values) {
				t.Errorf("the last %d: %v, all %t, %v", last, got, all, err)
			}
		}
		if _, err := p.ReadLast(t.Context(), "unknown", 0, 1, nil); err == nil || !strings.Contains(err.Error(), "not ensured") {
			t.Errorf("an unknown topic: %v", err)
		}
		if all, err := p.ReadLast(t.Context(), state, 0, 6, func(Message) error { return errBroken }); err != errBroken || !all {
			t.Errorf("an error of visit: %v", err)
		}
	})
}

// TestReadLastPassesOver: records that retention deletes while they are read are passed over, where CatchUp says that they are gone.
func TestReadLastPassesOver(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for i := range 4 {
			if err := p.Commit(t.Context(), nil, closeWith(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		asked := 0
		w.kafka.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			if asked++; asked == 1 {
				go func() { _ = w.kafka.DeleteRecords(state, 0, 4) }()
				w.kafka.SleepControl(func() { time.Sleep(time.Second) })
			}
			return nil, nil, false
		})
		var got []string
		visit := func(m Message) error { got = append(got, string(m.Value)); return nil }
		if _, err := p.ReadLast(t.Context(), state, 0, 8, visit); err != nil || !slices.Equal(got, []string{"2", "3"}) {
			t.Errorf("ReadLast: %v, %v", got, err)
		}
		r := p.NewReader(state, 0)
		r.begun = true // at offset 0
		if err := r.CatchUpStable(t.Context(), visit); !errors.Is(err, ErrTruncated) {
			t.Errorf("CatchUpStable: %v", err)
		}
	})
}

// TestEnds: the high watermark of each partition of each topic that was ensured.
func TestEnds(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		p := w.acquired()
		if err := p.Commit(t.Context(), rows(voice, "x", 40), closeWith("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the markers
		ends, err := p.Ends(t.Context())
		if err != nil || len(ends) != 2 {
			t.Fatalf("%v, %v", ends, err)
		}
		for topic, list := range ends {
			for id, end := range list {
				if want := w.kafka.PartitionInfo(topic, int32(id)).HighWatermark; end != want || end == 0 {
					t.Errorf("%s-%d ends at %d, want %d", topic, id, end, want)
				}
			}
			if len(list) != len(w.kafka.PartitionInfos(topic)) {
				t.Errorf("%d partitions of %s", len(list), topic)
			}
		}
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: voice, Partitions: []int32{3}})
		if _, err := p.Ends(t.Context()); err == nil || !strings.Contains(err.Error(), voice+"-3") {
			t.Errorf("one partition has no answer: %v", err)
		}
	})
}

// TestMarkers: only an abort ends what is left out, and only that of its own producer; a marker that is too short to tell ends nothing.
func TestMarkers(t *testing.T) {
	const aborting, other = 7, 8
	batch := func(base, producer int64) protocol.RecordReader {
		return &protocol.RecordBatch{Attributes: protocol.Transactional, BaseOffset: base, ProducerID: producer, Records: protocol.NewRecordReader(protocol.Record{Offset: base, Value: protocol.NewBytes([]byte("v"))})}
	}
	marker := func(base, producer int64, key ...byte) protocol.RecordReader {
		return &protocol.ControlBatch{BaseOffset: base, ProducerID: producer, Records: protocol.NewRecordReader(protocol.Record{Offset: base, Key: protocol.NewBytes(key), Value: protocol.NewBytes([]byte{0})})}
	}
	for name, c := range map[string]struct {
		marker protocol.RecordReader
		seen   []int64
	}{
		"abort":              {marker(11, aborting, 0, 0, 0, 0), []int64{12, 13}},
		"commit":             {marker(11, aborting, 0, 0, 0, 1), []int64{13}},
		"type 256":           {marker(11, aborting, 0, 0, 1, 0), []int64{13}},
		"of another":         {marker(11, other, 0, 0, 0, 0), []int64{13}},
		"too short":          {marker(11, aborting, 0, 0, 0), []int64{13}},
		"of another version": {marker(11, aborting, 0, 1, 0, 0, 9), []int64{12, 13}},
	} {
		part := &fetch.ResponsePartition{
			AbortedTransactions: []fetch.ResponseTransaction{{ProducerID: 9, FirstOffset: 14}, {ProducerID: aborting, FirstOffset: 10}},
			RecordSet:           protocol.RecordSet{Records: &protocol.RecordStream{Records: []protocol.RecordReader{batch(10, aborting), c.marker, batch(12, aborting), batch(13, other), batch(14, 9)}}},
		}
		var seen []int64
		next, err := committed("t", part, 10, func(m Message) error { seen = append(seen, m.Offset); return nil })
		if err != nil || next != 15 || !slices.Equal(seen, c.seen) {
			t.Errorf("%s: saw %v, next is %d, %v", name, seen, next, err)
		}
	}
}
