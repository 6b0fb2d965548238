package worker

import (
	"sync/atomic"
	"time"
)

// heartbeat shows other goroutines that the session's goroutine makes progress. Code that waits does so for a bounded time, and calls
// beat before and after.
type heartbeat struct{ last atomic.Int64 } // Unix nanoseconds

func (h *heartbeat) beat() { h.last.Store(time.Now().UnixNano()) }

// silence returns the time since the last beat.
func (h *heartbeat) silence() time.Duration { return time.Since(time.Unix(0, h.last.Load())) }
