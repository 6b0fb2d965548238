package consumers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
)

// testStreams counts conversations for each queue, and joins those of voice with a topic that the Java producer wrote.
func testStreams(t *testing.T, w *world, tr *truth) {
	s := w.s
	s.createTopic(t, "example.tickets", partitions)
	s.createTopic(t, "example.queue-counts", 1)
	s.createTopic(t, "example.voice-tickets", 1)
	env := s.env("TOPIC_PREFIX="+w.prefix, "STATE_DIR="+t.TempDir())
	streams := s.java(t, "streams", "QueueCounts", program{env: env})
	joined := writeTickets(t, w, tr, env)
	queues := queueCounts(t, tr)
	within(t, deadline, "Kafka Streams has counted and joined everything", func(ctx context.Context) error {
		select {
		case <-streams.ended:
			t.Fatalf("it has ended\n%s", tail(streams.stdout.String()+streams.stderr.String()))
		default:
		}
		if have := s.newestValues(ctx, t, "example.queue-counts", number); !maps.Equal(have, queues) {
			return errors.New("counts differ")
		}
		if have := s.newestValues(ctx, t, "example.voice-tickets", text); !maps.Equal(have, joined) {
			return fmt.Errorf("%d joined, want %d", len(have), len(joined))
		}
		return nil
	})
	queues.check(t, "Kafka Streams, conversations of each queue", s.newestValues(t.Context(), t, "example.queue-counts", number))
	joined.check(t, "Kafka Streams, voice joined with tickets", s.newestValues(t.Context(), t, "example.voice-tickets", text))
}

// writeTickets writes one for three of four conversations of voice, some with the Java producer and some with librdkafka
// told to partition as that does, and gives what the join should show.
func writeTickets(t *testing.T, w *world, tr *truth, env []string) table {
	t.Helper()
	newest := map[string]place{} // of voice alone
	revisions := map[string]int32{}
	for at, r := range tr.records {
		if c := conversation(r.value); at.topic == w.prefix+"voice" && c.Revision > revisions[c.ID] {
			newest[c.ID], revisions[c.ID] = at, c.Revision
		}
	}
	var java, librdkafka strings.Builder
	out := table{}
	for i, id := range slices.Sorted(maps.Keys(newest)) {
		if i%4 == 3 {
			continue
		}
		input := &java
		if i%4 == 2 {
			input = &librdkafka
		}
		fmt.Fprintf(input, "%s ticket-%d\n", id, i)
		status := rowOf(t, tr.rows[newest[id]]).text("finalStatus")
		out[id] = fmt.Sprintf("%d %s ticket-%d", revisions[id], status, i)
	}
	w.s.java(t, "streams", "WriteTickets", program{env: env, stdin: java.String()}).output(t, deadline)
	kcat := []string{"kcat", "-b", w.s.brokers(), "-P", "-t", "example.tickets", "-K", " ", "-X", "partitioner=murmur2_random"}
	start(t, program{args: kcat, stdin: librdkafka.String()}).output(t, deadline)
	return out
}

func queueCounts(t *testing.T, tr *truth) table {
	out := counts{}
	for _, raw := range tr.newestRows() {
		for _, d := range rowOf(t, raw).objects("destinations") {
			if queue := d.text("queueId"); queue != "" {
				out.add(queue, 1)
				break
			}
		}
	}
	return out.table()
}

func number(value []byte) string { return fmt.Sprint(binary.BigEndian.Uint64(value)) }
func text(value []byte) string   { return string(value) }

// newestValues is the last value of each key, of those that have one.
func (s *services) newestValues(ctx context.Context, t *testing.T, topic string, read func([]byte) string) table {
	t.Helper()
	records, err := verify.Consume(ctx, s.kafka.Brokers(), nil, []string{topic})
	if err != nil {
		return nil
	}
	out := table{}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return int(a.Offset - b.Offset) })
	for _, r := range records {
		if r.Value == nil {
			delete(out, string(r.Key))
		} else {
			out[string(r.Key)] = read(r.Value)
		}
	}
	return out
}
