package producer

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestTopicSettings: -1 and what is longer than a time.Duration are no limit, and a setting that is not known or not a number is the
// default.
func TestTopicSettings(t *testing.T) {
	const forever = time.Duration(math.MaxInt64)
	for _, c := range []struct {
		name, value       string
		retention, maxAge time.Duration
		maxBytes          int
	}{
		{"", "", 0, forever, defaultMaxMessageBytes},
		{retentionMillis, "86400000", 24 * time.Hour, forever, defaultMaxMessageBytes},
		{retentionMillis, "-1", forever, forever, defaultMaxMessageBytes},
		{retentionMillis, "9223372036854775807", forever, forever, defaultMaxMessageBytes},
		{retentionMillis, "9223372036854", 9223372036854 * time.Millisecond, forever, defaultMaxMessageBytes},
		{retentionMillis, "9223372036855", forever, forever, defaultMaxMessageBytes},
		{retentionMillis, "0", 0, forever, defaultMaxMessageBytes},
		{retentionMillis, "a day", 0, forever, defaultMaxMessageBytes},
		{maxAgeMillis, "1000", 0, time.Second, defaultMaxMessageBytes},
		{maxAgeMillisOld, "1000", 0, time.Second, defaultMaxMessageBytes},
		{maxMessageBytes, "2048", 0, forever, 2048},
		{maxMessageBytes, "0", 0, forever, defaultMaxMessageBytes},
		{maxMessageBytes, "-1", 0, forever, defaultMaxMessageBytes},
		{maxMessageBytes, "many", 0, forever, defaultMaxMessageBytes},
	} {
		s := topicSettings{values: map[string]string{c.name: c.value}}
		if s.retention() != c.retention || s.maxAge() != c.maxAge || s.maxBytes() != c.maxBytes {
			t.Errorf("%s=%s: retention %v, age %v, %d bytes", c.name, c.value, s.retention(), s.maxAge(), s.maxBytes())
		}
	}
	both := topicSettings{values: map[string]string{maxAgeMillis: "5000", maxAgeMillisOld: "1000"}}
	if both.maxAge() != time.Second {
		t.Errorf("of two limits of the age %v counts", both.maxAge())
	}
}

// TestInspectTopics: it returns what has become of the topics, and keeps what was known when something is wrong with one of them.
func TestInspectTopics(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		if !p.Compacts(state) || p.Compacts(voice) || p.Partitions(voice) != 6 {
			t.Fatalf("state compacts %t, voice %t; %d partitions", p.Compacts(state), p.Compacts(voice), p.Partitions(voice))
		}
		r := p.NewReader(state, 0)
		if err := p.Commit(t.Context(), nil, closeWith("1")); err != nil {
			t.Fatal(err)
		}
		wrong := slices.Clone(topics)
		wrong[0].Required = map[string]string{"cleanup.policy": "compact"}
		e, ok := errors.AsType[*Error](p.InspectTopics(t.Context(), wrong[:1]))
		if !ok || e.Category != Settings || e.Op != "topic "+voice {
			t.Errorf("a topic with another cleanup.policy: %v", e)
		}
		if p.MaxMessageBytes(state) != defaultMaxMessageBytes || p.Partitions(state) != 1 {
			t.Errorf("after an error %d bytes, %d partitions of %s", p.MaxMessageBytes(state), p.Partitions(state), state)
		}
		if err := p.InspectTopics(t.Context(), topics); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := r.CatchUp(t.Context(), func(m Message) error { got = append(got, string(m.Value)); return nil }); err != nil || !slices.Equal(got, []string{"1"}) {
			t.Errorf("a Reader from before reads %v, %v", got, err)
		}
	})
}

// TestRefusedError: each of Kafka's four refusals has its remedy, and neither the error nor the remedy is for another one.
func TestRefusedError(t *testing.T) {
	for code, c := range map[kafka.Error]struct {
		size, time bool
		remedy     string
	}{
		kafka.MessageSizeTooLarge: {size: true, remedy: "raise max.message.bytes of topic t"},
		kafka.RecordListTooLarge:  {size: true, remedy: "raise max.message.bytes of topic t"},
		kafka.InvalidTimestamp:    {time: true, remedy: "compare the clocks of the brokers and of this machine, and see message.timestamp.before.max.ms and message.timestamp.after.max.ms of topic t"},
		kafka.InvalidRecord:       {remedy: "the brokers' logs say why; cleanup.policy of topic t is one cause: compaction refuses records without a key"},
	} {
		e := &RefusedError{Topic: "t", Partition: 3, Records: []int{1, 2}, Err: code}
		if e.Size() != c.size || e.Time() != c.time || e.Remedy() != c.remedy {
			t.Errorf("%v: size %t, time %t, %q", code, e.Size(), e.Time(), e.Remedy())
		}
		if classify(code).category != Refused || !errors.Is(e, code) {
			t.Errorf("%v: category %s", code, classify(code).category)
		}
	}
	closing := &RefusedError{Topic: "t", Err: kafka.InvalidRecord}
	if want := "t-0 refused one of 1 records: " + kafka.InvalidRecord.Error(); closing.Error() != want {
		t.Errorf("%q, want %q", closing, want)
	}
}

// TestRefusedRecords: those that the broker names, in order, and all of the batch where it names none; other errors stay as they are.
func TestRefusedRecords(t *testing.T) {
	b := &batch{partition: partition{"t", 0}, records: []int{4, 7, 9}}
	for _, c := range []struct {
		named map[int]error
		want  []int
	}{
		{nil, []int{4, 7, 9}},
		{map[int]error{2: nil, 0: nil}, []int{4, 9}},
		{map[int]error{-1: nil, 1: nil, 3: nil}, []int{7}},
	} {
		err := b.refusedRecords(&kafka.ProduceResponse{Error: kafka.InvalidRecord, RecordErrors: c.named})
		if r, ok := errors.AsType[*RefusedError](err); !ok || !slices.Equal(r.Records, c.want) || !errors.Is(err, kafka.InvalidRecord) {
			t.Errorf("%v: %+v, want %v", c.named, err, c.want)
		}
	}
	if err := b.refusedRecords(&kafka.ProduceResponse{Error: kafka.NotEnoughReplicas}); err != kafka.NotEnoughReplicas {
		t.Errorf("an error that is no refusal became %v", err)
	}
}

// TestExplain: "fenced" after the transaction timeout is the broker's own doing, before it is another worker.
func TestExplain(t *testing.T) {
	const timeout = time.Minute
	for age, want := range map[time.Duration]Category{0: Fenced, timeout - time.Second: Fenced, timeout: Timeout} {
		tx := &transaction{producer: &Producer{cfg: Config{TransactionTimeout: timeout}}, began: time.Now().Add(-age)}
		err := tx.explain(failure("commit transaction", kafka.InvalidProducerEpoch))
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Category != want || e.Op != "commit transaction" || errors.Is(err, ErrFenced) != (want == Fenced) {
			t.Errorf("after %v: %v, want category %s", age, err, want)
		}
	}
}
