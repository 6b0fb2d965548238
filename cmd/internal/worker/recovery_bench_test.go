package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// BenchmarkRecovery is a start with a million remembered conversations: reading their records from the broker, and making
// the memory of them. It reports what one costs.
func BenchmarkRecovery(b *testing.B) {
	const entries, each = 1_000_000, 5_000
	cluster := kfake.MustCluster(kfake.NumBrokers(1))
	defer cluster.Close()
	env := map[string]string{
		"SMARTASSIST_URL": "https://example.com", "SMARTASSIST_ACCOUNT_ID": "65269fe0dd9c622245c10000", "SMARTASSIST_JWT": "a.to.ken",
		"KAFKA_BROKERS": cluster.ListenAddrs()[0], "KAFKA_COMPRESSION": "none",
	}
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if err != nil {
		b.Fatal(err)
	}
	w, err := New(cfg, zerolog.Nop(), Host{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.producer.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := errors.Join((&session{worker: w}).ensureTopics(ctx), w.producer.Acquire(ctx)); err != nil {
		b.Fatal(err)
	}
	for from := 0; from < entries; from += each {
		if err := w.producer.Commit(ctx, stateRecords(from, each), nil); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		m := w.newMemory()
		if err := m.catchUp(ctx); err != nil || m.state.Seen.Len() != entries {
			b.Fatalf("%d entries, %v", m.state.Seen.Len(), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/entries, "ns/entry")
}

// stateRecords are those of so many conversations.
func stateRecords(from, n int) []producer.Record {
	rows := make([]smartassist.Row, n)
	for i := range rows {
		id := binary.BigEndian.AppendUint64(nil, uint64(from+i))
		rows[i] = smartassist.Row{ConversationID: string(id), SessionID: string(id), Kind: smartassist.Contact, Raw: []byte("{}")}
	}
	state := poller.State{Account: "65269fe0dd9c622245c10000"}
	draft := state.Seen.Draft()
	draft.Judge(rows, poller.Deduplication{Mode: poller.ByRevision}, time.Now(), time.Now())
	var out []producer.Record
	for _, r := range state.Records(poller.Ledger{Sequence: 1}, draft.Changes) {
		out = append(out, producer.Record{Topic: encoder.Topics{Prefix: "conversations."}.State(), Key: r.Key, Value: r.Value})
	}
	return out
}
