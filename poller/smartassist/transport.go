package smartassist

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/convstream/convstream/poller/smartassist/httpproxy"
)

// urlSetting has the address of the service.
const urlSetting = "SMARTASSIST_URL"

const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
	// headTimeout is how long the service may think about a request, pauseTimeout how long a pause in its
	// answer may be: one that hangs is then asked again long before Timeout, which a slow one may need.
	headTimeout  = 20 * time.Second
	pauseTimeout = 10 * time.Second
	// idleTimeout is shorter than the keep-alive of common servers (Node: 5 s), so that we, not they,
	// close a connection between two requests.
	idleTimeout = 4 * time.Second
)

// newTransport makes the transport: HTTP/1.1, one connection kept for a burst of
// requests.
//
// net/http repeats a request by itself when a kept connection turns out dead. It
// must not do so here, since a repeated request is one that the budget did not
// grant. A POST is repeated only if nothing of it was written, or if it is marked
// as idempotent with an Idempotency-Key; so it is not marked. HTTP/2 would repeat
// what the server says it did not process, and has nothing to offer for one
// request at a time.
func newTransport(cfg Config) (*http.Transport, error) {
	t := &http.Transport{
		DialContext:            cfg.Dial,
		Protocols:              new(http.Protocols),
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headTimeout,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    1,
		MaxResponseHeaderBytes: 64 << 10,
	}
	t.Protocols.SetHTTP1(true)
	if cfg.Dial == nil {
		t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
		httpproxy.Use(t)
		if err := httpproxy.Check(cfg.URL); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// transportError returns the error for a request without an answer. Texts of net/http that may quote
// the other side are replaced. connected is whether there was a connection.
func (c *Client) transportError(err error, connected bool) *Error {
	var (
		dns      *net.DNSError
		op       *net.OpError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		noTLS    tls.RecordHeaderError
		alert    tls.AlertError
		proxy    *httpproxy.Refusal
		category = CategoryConnection
		text     = "answer is not HTTP"
		hint     string
	)
	switch {
	case errors.As(err, &proxy):
		category, text, hint = CategoryConnect, proxy.Error(), httpproxy.Hint(proxy.Status, urlSetting)
	case isTimeout(err) && !connected:
		category, text = CategoryTimeout, "no connection to "+c.endpoint.Host+" in time"
		hint = "look at SMARTASSIST_URL, the proxy and the firewall"
	case isTimeout(err):
		category, text = CategoryTimeout, fmt.Sprintf("no answer from %s within %v", c.endpoint.Host, min(headTimeout, c.cfg.Timeout))
	case errors.As(err, &dns):
		category, text = CategoryDNS, "host "+dns.Name+" was not found"
		hint = "look at SMARTASSIST_URL, the proxy and the name server"
	case errors.As(err, &name):
		category, text = CategoryTLS, "certificate of "+c.endpoint.Host+" is not for that name"
		hint = "set SMARTASSIST_URL to a name that the certificate has"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		category, text = CategoryTLS, fmt.Sprintf("certificate of %s is valid from %s to %s", c.endpoint.Host, day(invalid.Cert.NotBefore), day(invalid.Cert.NotAfter))
		hint = "tell the service's people; if it is valid, put this machine's clock right"
	case errors.As(err, &verify):
		category, text = CategoryTLS, "certificate of "+c.endpoint.Host+" is not trusted"
		hint = "if a private authority signed it, name that in SMARTASSIST_CA_FILE"
	case errors.As(err, &noTLS), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch):
		category, text = CategoryTLS, c.endpoint.Host+" does not speak TLS with us"
		hint = "look at SMARTASSIST_URL: scheme and port"
	case errors.As(err, &op) && op.Op == "proxyconnect":
		category, text = CategoryConnect, "no connection to the proxy"+reason(op)
		hint = "look at HTTPS_PROXY (for plain http HTTP_PROXY): is it the address of a proxy?"
	case errors.As(err, &op) && op.Op == "dial":
		category, text = CategoryConnect, "no connection to "+c.endpoint.Host+reason(op)
		hint = "look at SMARTASSIST_URL, the proxy and the firewall"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), strings.Contains(err.Error(), "server closed idle connection"):
		text = "connection ended before an answer came"
		hint = "if that goes on, look at SMARTASSIST_URL: scheme and port"
	default:
		hint = "look at SMARTASSIST_URL: scheme and port"
	}
	return &Error{Kind: Temporary, Category: category, Hint: hint, NoConnection: !connected, Err: &maskedError{text, err}}
}

// bodyTimeout returns the error for an answer that began and did not end.
func (c *Client) bodyTimeout(err error, n int) *Error {
	text := fmt.Sprintf("no whole answer from %s within %v, but %d bytes", c.endpoint.Host, c.cfg.Timeout, n)
	if errors.Is(err, errPaused) {
		text = fmt.Sprintf("answer from %s stopped after %d bytes, for %v", c.endpoint.Host, n, pauseTimeout)
	}
	return &Error{Kind: Temporary, Category: CategoryTimeout, Err: &maskedError{text, err}}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// reason returns the operating system's word for why a dial did not work.
func reason(op *net.OpError) string {
	var errno syscall.Errno
	if errors.As(op, &errno) {
		return ": " + errno.Error()
	}
	return ""
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
