//go:build !race

package worker

import "time"

const (
	raceDetector = false
	day          = 24 * time.Hour
)
