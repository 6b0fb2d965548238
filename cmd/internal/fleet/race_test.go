//go:build race

package fleet

import "time"

// The race detector makes everything ten times slower. It finds what goroutines do to each other, which is the same in
// every hour of a day and under every reading of the documents: one goroutine reads, whatever the answers look like.
// So it is given every kind of fault, start and stop, but shorter times between them, one random world for each test,
// and one reading for each way to read a window. What the tests say about the topics, they say without it.
const (
	raceDetector = true
	day          = 2 * time.Hour
	life         = 8 * time.Minute
	worlds       = 1
)
