package producer

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

func benchmarkCommit(b *testing.B, n int) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	p := onSockets(b, cluster, "zstd")
	defer p.Close()
	records := make([]Record, n)
	bytesOfAll := 0
	for i := range records {
		row := fmt.Appendf(nil, "{\"conversationId\":\"%d\",\"status\":\"closed\",\"agent\":\"agent-%d\"}", i*7919, i%13)
		records[i] = Record{Topic: voice, Key: fmt.Appendf(nil, "c-%d", i), Value: bytes.Repeat(row, 10)}
		bytesOfAll += len(records[i].Value)
	}
	b.SetBytes(int64(bytesOfAll))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Commit(b.Context(), records, closeWith("s")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommit100 commits 100 records of 600 bytes over 6 partitions, and one of state.
func BenchmarkCommit100(b *testing.B) { benchmarkCommit(b, 100) }

// BenchmarkCommit1000 commits 1,000 of them.
func BenchmarkCommit1000(b *testing.B) { benchmarkCommit(b, 1000) }

// BenchmarkRecover reads 100,000 small records; an operation is one record.
func BenchmarkRecover(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	p := onSockets(b, cluster, "zstd")
	defer p.Close()
	const all = 100_000
	for i := range 100 {
		if err := p.Commit(b.Context(), rows(state, fmt.Sprint(i), all/100), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		err := p.NewReader(state, 0).CatchUp(b.Context(), func(Message) error { n++; return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
