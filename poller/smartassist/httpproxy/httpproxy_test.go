package httpproxy

import (
	"strings"
	"testing"
)

// TestHint: each status has its own, and all name what to set or whom to ask.
func TestHint(t *testing.T) {
	for status, want := range map[int]string{
		407: "put the proxy's login into HTTPS_PROXY", 403: "NO_PROXY", 502: "ask who runs it", 503: "ask who runs it", 400: "look at HTTPS_PROXY", 302: "look at HTTPS_PROXY",
	} {
		if got := Hint(status, "X_URL"); !strings.Contains(got, want) {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}
