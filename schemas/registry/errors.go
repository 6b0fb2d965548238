package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/convstream/convstream/poller/smartassist/httpproxy"
)

// Category is the category of an error, for metrics and the status.
type Category string

// The categories of errors.
const (
	Away    Category = "registry"        // it does not answer, or with an error of its own
	Strange Category = "registry_answer" // the answer is not one of a registry: the address is wrong
	Login   Category = "registry_login"  // the login is refused, cannot be read, or lacks a permission
	Schema  Category = "registry_schema" // it does not have the schema, or refuses it
)

// Error is an error of a registry.
type Error struct {
	Category Category
	// Final reports that retrying is useless. Other errors end by themselves, or when an operator corrects the cause.
	Final bool
	What  string // what was tried, and the error
	Hint  string // what to do; "" if there is nothing to do but wait
	Err   error  // the cause; may be nil
}

// Error returns the error and the hint.
func (e *Error) Error() string {
	text := "schema registry: " + e.What
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap returns the error of the network or the client.
func (e *Error) Unwrap() error { return e.Err }

// secretError is an error of reading a secret or a certificate.
type secretError struct{ error }

// Unwrap returns the cause.
func (e *secretError) Unwrap() error { return e.error }

const (
	hintURL           = "set SCHEMA_REGISTRY_URL to the base of Confluent's API (Apicurio serves it under /apis/ccompat/v7)"
	hintNetwork       = "check SCHEMA_REGISTRY_URL, the proxy and the firewall"
	hintOtherRegistry = "the record was written with the ids of another registry: set SCHEMA_REGISTRY_URL to that one"
	hintNoLogin       = "if it requires a login, set SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD, or SCHEMA_REGISTRY_TOKEN, or SCHEMA_REGISTRY_OAUTH_TOKEN_URL"
	// hintCertificate is for a server that closes the connection in the handshake or directly after it.
	hintCertificate = "if it requires a client certificate, set SCHEMA_REGISTRY_CERT_FILE and SCHEMA_REGISTRY_KEY_FILE to a valid one of an authority that it trusts; files are read again"
	hintPermission  = ", or allow the client to read and write the subjects (with SCHEMA_REGISTRY_REGISTER=false only to read them); it is retried"
)

// explain turns an error of the client into an Error; doing is what was tried.
func (r *Registry) explain(doing string, err error) *Error {
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok {
		e := r.throughProxy(r.refused(answer), answer.StatusCode)
		e.What, e.Err = doing+": "+e.What, err
		return e
	}
	e := r.noAnswer(err)
	e.What, e.Err = doing+": "+e.What, err
	return e
}

// refused explains an error answer.
func (r *Registry) refused(a *sr.ResponseError) *Error {
	says := fmt.Sprintf("status %d: %s", a.StatusCode, printable(r.redacted(a.Error())))
	switch {
	case a.StatusCode == http.StatusUnauthorized, a.StatusCode == http.StatusForbidden: // some registries do not distinguish them
		hint := hintNoLogin
		if r.cfg.Login != nil {
			hint = r.cfg.Login.refused()
		}
		return &Error{Category: Login, What: says, Hint: hint + hintPermission}
	case a.ErrorCode == sr.ErrOperationNotPermitted.Code: // read-only, for a while
		return &Error{Category: Schema, What: says, Hint: "allow the registry to register schemas again, or set SCHEMA_REGISTRY_REGISTER=false and register the schema yourself"}
	case a.StatusCode == http.StatusConflict, a.StatusCode == http.StatusUnprocessableEntity: // final if it refuses a schema, see notRegistered
		return &Error{Category: Schema, What: says}
	case a.StatusCode == http.StatusProxyAuthRequired: // a registry is none
		return &Error{Category: Away, What: says, Hint: proxyHint(a.StatusCode)}
	case a.StatusCode < 400:
		return &Error{Category: Strange, What: says, Hint: "redirects are not followed: set SCHEMA_REGISTRY_URL to the target"}
	case a.StatusCode < 500 && a.StatusCode != http.StatusTooManyRequests && a.StatusCode != http.StatusRequestTimeout:
		return &Error{Category: Strange, What: says, Hint: hintURL}
	}
	return &Error{Category: Away, What: says}
}

// throughProxy adds to the hint that the answer may be a proxy's.
func (r *Registry) throughProxy(e *Error, status int) *Error {
	at, err := url.Parse(r.cfg.URL)
	now, wrong := r.transport.current()
	if err == nil && wrong == nil && status != http.StatusProxyAuthRequired && httpproxy.MayAnswer(now, at) {
		e.Hint = strings.TrimPrefix(e.Hint+"; "+httpproxy.MayHaveAnswered, "; ")
	}
	return e
}

func proxyHint(status int) string { return httpproxy.Hint(status, "SCHEMA_REGISTRY_URL") }

// redacted returns an answer without the secrets of the login, which some proxies repeat.
func (r *Registry) redacted(text string) string {
	sent := r.sent.Load()
	if sent == nil {
		return text
	}
	for _, secret := range *sent {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	return text
}

// noAnswer explains why there was no answer, or none of a registry.
func (r *Registry) noAnswer(err error) *Error {
	var (
		secret  *secretError
		proxy   *httpproxy.Refusal
		dns     *net.DNSError
		name    x509.HostnameError
		expired x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		noTLS   tls.RecordHeaderError
		large   *http.MaxBytesError
		timeout interface{ Timeout() bool }
		op      *net.OpError
	)
	switch {
	case errors.As(err, &secret):
		return &Error{Category: Login, What: secret.Error(), Hint: "correct it; it is retried, and files are read again"}
	case errors.As(err, &proxy):
		return &Error{Category: Away, What: proxy.Error(), Hint: proxyHint(proxy.Status)}
	case errors.As(err, &large):
		return &Error{Category: Strange, What: fmt.Sprintf("the answer has more than %d bytes", large.Limit), Hint: hintURL}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &Error{Category: Away, What: fmt.Sprintf("no whole answer within %v", requestTimeout), Hint: hintNetwork}
	case errors.As(err, &dns):
		return &Error{Category: Away, What: "host " + dns.Name + " was not found", Hint: "check SCHEMA_REGISTRY_URL, the proxy and the name server"}
	case errors.As(err, &name):
		return &Error{Category: Away, What: "its certificate is not for " + name.Host, Hint: "set SCHEMA_REGISTRY_URL to a name that the certificate has"}
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return &Error{Category: Away, What: "its certificate is valid from " + instant(expired.Cert.NotBefore) + " to " + instant(expired.Cert.NotAfter), Hint: "renew it; if it is valid, correct this machine's clock"}
	case errors.As(err, &verify):
		return &Error{Category: Away, What: "its certificate is not trusted", Hint: "if a private authority signed it, set SCHEMA_REGISTRY_CA_FILE to the certificate of that authority"}
	case errors.As(err, &op) && op.Op == "remote error":
		return &Error{Category: Login, What: "it refuses the TLS handshake: " + op.Err.Error(), Hint: hintCertificate}
	case errors.As(err, &op) && op.Op != "dial" && r.secured():
		// With TLS 1.3 the server may refuse a certificate after the client's handshake: then the request fails on a closed connection.
		return &Error{Category: Away, What: "it closed the connection: " + op.Err.Error(), Hint: hintCertificate + "; otherwise check the proxy and the firewall"}
	case errors.As(err, &noTLS), errors.Is(err, http.ErrSchemeMismatch):
		return &Error{Category: Away, What: "it does not answer with TLS", Hint: "check scheme and port of SCHEMA_REGISTRY_URL"}
	case errors.As(err, &op):
		return &Error{Category: Away, What: "no connection: " + op.Err.Error(), Hint: hintNetwork}
	case strings.Contains(err.Error(), "unable to decode"):
		return &Error{Category: Strange, What: "the answer is not one of a registry", Hint: hintURL}
	}
	e := &Error{Category: Away, What: "the connection was closed without an answer"}
	if r.secured() {
		e.Hint = hintCertificate
	}
	return e
}

// secured reports whether connections use TLS.
func (r *Registry) secured() bool { return strings.HasPrefix(r.cfg.URL, "https:") }

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// longestReason is the length after which a registry's answer is cut: it may contain whole schemas.
const longestReason = 1500

func printable(text string) string {
	text = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text[:min(len(text), longestReason)]), "")
	return strings.Join(strings.Fields(text), " ")
}

// missing reports whether err says that the registry does not have the subject or schema. A 404 without an error code of the API does not
// come from a registry: the path is wrong.
func missing(err error) bool {
	a, ok := errors.AsType[*sr.ResponseError](err)
	return ok && a.StatusCode == http.StatusNotFound && a.ErrorCode/100 == http.StatusNotFound
}
