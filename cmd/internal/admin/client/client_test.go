package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// TestNoProxy: a proxy would read the token.
func TestNoProxy(t *testing.T) {
	if direct().Transport.(*http.Transport).Proxy != nil {
		t.Error("requests to the admin port go through a proxy")
	}
}

// TestTokenIsNotTold: what refuses the token and repeats it is quoted without it, wherever the answer is cut.
func TestTokenIsNotTold(t *testing.T) {
	const token = "hush-hush-hush-hush"
	for _, before := range []int{0, longestReason - len(token)/2, longestReason} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, strings.Repeat("-", before)+r.Header.Get("Authorization")+" may not")
		}))
		_, err := Client{URL: server.URL, Token: secret.Value("ADMIN_TOKEN", token)}.Get(t.Context(), "/status")
		server.Close()
		if err == nil || strings.Contains(err.Error(), "hush") || before == 0 && !strings.Contains(err.Error(), "answers 403: Bearer [redacted] may not") {
			t.Errorf("after %d bytes: %v", before, err)
		}
	}
}
