// Package httpproxy has HTTP clients go through the proxy of the environment, and names what it refuses: as the proxy's, not as that of
// whatever is asked. It imports nothing of this module.
package httpproxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Use has a transport go through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name. Where that does not connect it with a
// host, the error is a *Refusal.
func Use(t *http.Transport) {
	t.Proxy = http.ProxyFromEnvironment
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
		if res.StatusCode == http.StatusOK {
			return nil
		}
		return &Refusal{proxy.Host, res.StatusCode}
	}
}

// Check finds a setting that is not a URL before a request does: that error would quote the setting, which may hold a password. A
// target that is not a URL is not its affair.
func Check(target string) error {
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return nil
	}
	if _, err := http.ProxyFromEnvironment(req); err != nil {
		return errors.New("HTTPS_PROXY (or HTTP_PROXY) is not the address of a proxy")
	}
	return nil
}

// MayAnswer reports whether a proxy could answer in the place of whoever is asked there: over https it cannot.
func MayAnswer(t *http.Transport, at *url.URL) bool {
	if t.Proxy == nil || at.Scheme != "http" {
		return false
	}
	proxy, err := t.Proxy(&http.Request{URL: at})
	return err == nil && proxy != nil
}

// MayHaveAnswered is to be added to a hint where MayAnswer.
const MayHaveAnswered = "it may be the proxy of HTTP_PROXY that answers"

// Refusal is a proxy's refusal to connect us with a host.
type Refusal struct {
	Host   string // of the proxy, with its port; no login
	Status int
}

// Error names the proxy and its status.
func (e *Refusal) Error() string { return fmt.Sprintf("proxy %s answers status %d", e.Host, e.Status) }

// Hint returns what can be done about a proxy's status; setting has the URL that was asked.
func Hint(status int, setting string) string {
	switch {
	case status == http.StatusProxyAuthRequired:
		return "put the proxy's login into HTTPS_PROXY (for plain http HTTP_PROXY), as http://user:password@host:port"
	case status == http.StatusForbidden:
		return "the proxy lets nobody through to the host of " + setting + ": ask who runs it, or put the host into NO_PROXY"
	case status >= 500:
		return "the proxy does not reach the host of " + setting + ": ask who runs it, or put the host into NO_PROXY"
	}
	return "look at HTTPS_PROXY: is it the address of a proxy?"
}
