package fleet

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets garbage lie for longer: worlds in virtual time make much of it and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
