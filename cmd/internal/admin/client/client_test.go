package client

import (
	"net/http"
	"testing"
)

// TestNoProxy: a proxy would read the token.
func TestNoProxy(t *testing.T) {
	if direct().Transport.(*http.Transport).Proxy != nil {
		t.Error("requests to the admin port go through a proxy")
	}
}
