package consumers

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
)

// abort leaves an aborted record in every partition of the channel topics, of the same shape as the committed ones, and
// gives their number. What reads without isolation shows them.
func (w *world) abort() (aborted int) {
	w.t.Helper()
	var template *kgo.Record
	within(w.t, deadline, w.prefix+" has a conversation of a queue", func(ctx context.Context) error {
		records, err := verify.Consume(ctx, w.s.kafka.Brokers(), nil, w.topics.Conversations())
		if err != nil {
			return err
		}
		for _, r := range records {
			for _, d := range conversation(canonical(w.t, r.Value[w.header:])).Destinations {
				if d.QueueID != nil { // so that it would be counted
					template = r
					return nil
				}
			}
		}
		return errors.New("none of a queue yet")
	})
	client := w.s.client(w.t, kgo.TransactionalID(w.prefix+"aborted"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := client.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	for _, topic := range w.topics.Conversations() {
		for partition := range int32(partitions) {
			r := &kgo.Record{Topic: topic, Partition: partition, Key: []byte("aborted"), Value: template.Value, Headers: template.Headers}
			if err := client.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
				w.t.Fatal(err)
			}
			aborted++
		}
	}
	if err := client.EndTransaction(w.t.Context(), kgo.TryAbort); err != nil {
		w.t.Fatal(err)
	}
	return aborted
}
