package worker

import (
	"sync/atomic"
	"time"
)

// heartbeat is kept going by the goroutine that works; any other may ask whether it still is. Whoever waits for others does so
// for a bounded time and beats before and after.
type heartbeat struct{ last atomic.Int64 } // Unix nanoseconds

func (h *heartbeat) beat() { h.last.Store(time.Now().UnixNano()) }

// silence is how long ago it beat last.
func (h *heartbeat) silence() time.Duration { return time.Since(time.Unix(0, h.last.Load())) }
