package poller

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkSeen is what a recovery does with the memory: to put so many entries into it, one after the other. The time for each
// must not grow with their number.
func BenchmarkSeen(b *testing.B) {
	for _, n := range []int{1_000_000, 4_000_000, 8_000_000} {
		b.Run(fmt.Sprint(n/1_000_000, " million"), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var s *Seen
			for b.Loop() {
				s = &Seen{}
				change := make([]Remembered, 1)
				for i := range n {
					change[0].Key = someKey(i)
					s.Apply(change)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/entry")
			runtime.KeepAlive(s)
		})
	}
}

func someKey(i int) Key {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	return Key(sum[:len(Key{})])
}

// TestSeenGrows: entries are found, in order and once, whatever number of shards there is.
func TestSeenGrows(t *testing.T) {
	const n = 5 * mostInShard
	var s Seen
	for i := range n {
		e := Entry{revision: int32(i)}
		s.Apply([]Remembered{{Key: someKey(i), Entry: e}})
		if i%3 == 0 {
			s.Apply([]Remembered{{Key: someKey(i / 2), Forget: true}})
			s.Apply([]Remembered{{Key: someKey(i / 2), Entry: Entry{revision: int32(i / 2)}}})
		}
	}
	if s.Len() != n || len(s.shards) != 8 {
		t.Errorf("%d entries in %d shards", s.Len(), len(s.shards))
	}
	for i := range n {
		if e, ok := s.lookup(someKey(i)); !ok || e.revision != int32(i) {
			t.Fatalf("entry %d: %v %v", i, e, ok)
		}
	}
	last, count := Key{}, 0
	for _, shard := range s.shards {
		for _, e := range shard {
			if string(e.key[:]) <= string(last[:]) {
				t.Fatal("out of order")
			}
			last = e.key
			count++
		}
	}
	if count != n {
		t.Errorf("%d entries", count)
	}
}
