package fleet

import "testing"

// long leaves a test out that takes more than some seconds where -short is given.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out by -short")
	}
}
