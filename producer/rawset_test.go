package producer

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// TestSmallBatchesCostLittle: an answer with many small transactions takes about as much memory as its length, and all its records are
// read.
func TestSmallBatchesCostLittle(t *testing.T) {
	const commits = 1000
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for i := range commits {
			if err := p.Commit(context.Background(), []Record{{Topic: state, Key: fmt.Append(nil, i), Value: []byte("x")}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		before := held()
		answer, err := p.cluster.Load().fetch(context.Background(), []position{{partition: partition{state, 0}}}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if cost := held() - before; cost > 4<<20 { // kafka-go's own answer: 64 MiB and more
			t.Errorf("the answer holds %d KiB", cost>>10)
		}
		n := 0
		if _, err := committed(state, &answer.Topics[0].Partitions[0], 0, func(Message) error { n++; return nil }); err != nil || n != commits {
			t.Errorf("%d records, %v", n, err)
		}
	})
}

// held returns the size of the live heap.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
