package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"runtime"
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

var millions = flag.Int("millions", 1, "millions of remembered conversations that BenchmarkRecovery recovers, of all accounts together")

// BenchmarkRecovery is a start with a million remembered conversations, or -millions: reading their records from the broker,
// and making the memory of them. One account has them all, or forty share them and the topic. It reports what one costs: time,
// and the heap that stays taken.
func BenchmarkRecovery(b *testing.B) {
	for _, accounts := range []int{1, 40} {
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) { benchmarkRecovery(b, accounts, *millions*1_000_000/accounts) })
	}
}

func benchmarkRecovery(b *testing.B, accounts, entries int) {
	cluster := kfake.MustCluster(kfake.NumBrokers(1))
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	workers := make([]*Worker, accounts)
	for i := range workers {
		workers[i] = remembering(b, ctx, cluster.ListenAddrs()[0], i, accounts > 1, entries)
		defer workers[i].producer.Close()
	}
	var memories []*memory
	for b.Loop() {
		memories = make([]*memory, accounts)
		for i, w := range workers {
			m := w.newMemory()
			if err := m.catchUp(ctx); err != nil || m.state.Seen.Len() != entries {
				b.Fatalf("%d entries, %v", m.state.Seen.Len(), err)
			}
			memories[i] = m
		}
	}
	with := heap()
	runtime.KeepAlive(memories)
	memories = nil
	taken := with - heap() // and not what the broker, which is in this process, came to hold meanwhile
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*accounts*entries), "ns/entry")
	b.ReportMetric(float64(taken)/float64(accounts*entries), "B/entry")
}

// heap returns what is in use of it.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// remembering returns the worker of an account of so many remembered conversations, whose state is in the topic.
func remembering(b *testing.B, ctx context.Context, broker string, account int, many bool, entries int) *Worker {
	const each = 5_000
	id := fmt.Sprintf("65269fe0dd9c622245c1%04d", account)
	env := map[string]string{
		"SMARTASSIST_URL": "https://example.com", "SMARTASSIST_ACCOUNT_ID": id, "SMARTASSIST_JWT": "a.to.ken",
		"KAFKA_BROKERS": broker, "KAFKA_COMPRESSION": "none",
	}
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if err != nil {
		b.Fatal(err)
	}
	if many {
		cfg.AccountsDir = "accounts" // decides how many partitions the topic of the state has
	}
	w, err := New(cfg, zerolog.Nop(), Host{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join((&session{worker: w}).ensureTopics(ctx), w.producer.Acquire(ctx)); err != nil {
		b.Fatal(err)
	}
	for from := 0; from < entries; from += each {
		if err := w.producer.Commit(ctx, stateRecords(id, from, min(each, entries-from)), nil); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

// stateRecords are those of so many conversations.
func stateRecords(account string, from, n int) []producer.Record {
	rows := make([]smartassist.Row, n)
	for i := range rows {
		id := binary.BigEndian.AppendUint64(nil, uint64(from+i))
		rows[i] = smartassist.Row{ConversationID: string(id), SessionID: string(id), Kind: smartassist.Contact, Raw: []byte("{}")}
	}
	state := poller.State{Account: account}
	draft := state.Seen.Draft()
	draft.Judge(rows, poller.Deduplication{Mode: poller.ByRevision}, time.Now(), time.Now())
	var out []producer.Record
	for _, r := range state.Records(poller.Ledger{Sequence: 1}, draft.Changes) {
		out = append(out, producer.Record{
			Topic: encoder.Topics{Prefix: "conversations."}.State(), Key: r.Key, Value: r.Value, PartitionKey: []byte(account),
		})
	}
	return out
}
