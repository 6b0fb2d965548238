//go:build race

package worker

import "time"

// Under the race detector, which makes everything ten times slower, a simulated day is shorter: the same cases, fewer rounds.
const (
	raceDetector = true
	day          = 6 * time.Hour
)
