//go:build !race

package fleet

import "time"

// How long simulated times are, and how many random worlds there are; see race_test.go.
const (
	raceDetector = false
	day          = 8 * time.Hour    // a day and a half of it is 12 hours of work: see aDay
	life         = 25 * time.Minute // of one of several workers, one after the other
	worlds       = 2
)
