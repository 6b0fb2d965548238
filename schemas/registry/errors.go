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

// Category is a bounded classification of errors, for metrics and the status.
type Category string

// The categories of errors.
const (
	Away    Category = "registry"        // it does not answer, or cannot
	Strange Category = "registry_answer" // it does not answer as a registry does: the address is wrong
	Login   Category = "registry_login"  // the login is not accepted or cannot be read, or may not do what is asked
	Schema  Category = "registry_schema" // it does not have the schema, or does not take it
)

// Error is what went wrong with a registry.
type Error struct {
	Category Category
	// Final: trying again changes nothing. All else may be over by itself, or once somebody has corrected it.
	Final bool
	What  string // what was wanted, and how it ended
	Hint  string // what to do; "" where there is nothing but to wait
	Err   error  // nil where What says all
}

// Error is one sentence, and the hint.
func (e *Error) Error() string {
	text := "schema registry: " + e.What
	if e.Hint != "" {
		text += ". " + e.Hint
	}
	return text
}

// Unwrap is the error of the network or the client.
func (e *Error) Unwrap() error { return e.Err }

// secretError says that a secret, or a certificate, cannot be read or had.
type secretError struct{ error }

// Unwrap is the reason.
func (e *secretError) Unwrap() error { return e.error }

const (
	hintURL     = "Is SCHEMA_REGISTRY_URL the base of Confluent's API? (Apicurio serves it under /apis/ccompat/v7)"
	hintNoLogin = "If it wants a login, set SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD, or SCHEMA_REGISTRY_TOKEN, or SCHEMA_REGISTRY_OAUTH_TOKEN_URL"
	// hintCertificate is for who ends the connection during the handshake, or at once after it.
	hintCertificate = "If it wants a client certificate, set SCHEMA_REGISTRY_CERT_FILE and SCHEMA_REGISTRY_KEY_FILE to one that is valid and of an authority that it trusts; files are read again"
	hintRights      = ", or give the client the right to read and write the subjects, with SCHEMA_REGISTRY_REGISTER=false only to read them; it is tried again by itself"
)

// explain turns an error of the client into one of ours; doing is what was wanted.
func (r *Registry) explain(doing string, err error) *Error {
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok {
		e := r.throughProxy(r.refused(answer), answer.StatusCode)
		e.What, e.Err = doing+": "+e.What, err
		return e
	}
	e := r.unheard(err)
	e.What, e.Err = doing+": "+e.What, err
	return e
}

// refused explains an answer.
func (r *Registry) refused(a *sr.ResponseError) *Error {
	says := fmt.Sprintf("status %d: %s", a.StatusCode, printable(r.redacted(a.Error())))
	switch {
	case a.StatusCode == http.StatusUnauthorized, a.StatusCode == http.StatusForbidden: // some know no difference
		hint := hintNoLogin
		if r.cfg.Login != nil {
			hint = r.cfg.Login.refused()
		}
		return &Error{Category: Login, What: says, Hint: hint + hintRights}
	case a.ErrorCode == sr.ErrOperationNotPermitted.Code: // read-only, for a while
		return &Error{Category: Schema, What: says, Hint: "Let the registry take schemas again, or set SCHEMA_REGISTRY_REGISTER=false and register the schema yourself"}
	case a.StatusCode == http.StatusConflict, a.StatusCode == http.StatusUnprocessableEntity: // final where a schema is not taken, see notTaken
		return &Error{Category: Schema, What: says}
	case a.StatusCode == http.StatusProxyAuthRequired: // a registry is none
		return &Error{Category: Away, What: says, Hint: proxyHint(a.StatusCode)}
	case a.StatusCode < 400:
		return &Error{Category: Strange, What: says, Hint: "Redirects are not followed: set SCHEMA_REGISTRY_URL to where it leads"}
	case a.StatusCode < 500 && a.StatusCode != http.StatusTooManyRequests && a.StatusCode != http.StatusRequestTimeout:
		return &Error{Category: Strange, What: says, Hint: hintURL}
	}
	return &Error{Category: Away, What: says}
}

// throughProxy adds to what is said of an answer that it may be a proxy's.
func (r *Registry) throughProxy(e *Error, status int) *Error {
	at, err := url.Parse(r.cfg.URL)
	now, wrong := r.transport.current()
	if err == nil && wrong == nil && status != http.StatusProxyAuthRequired && httpproxy.MayAnswer(now, at) {
		e.Hint = strings.TrimPrefix(e.Hint+"; "+httpproxy.MayHaveAnswered, "; ")
	}
	return e
}

// proxyHint is a sentence.
func proxyHint(status int) string {
	text := httpproxy.Hint(status, "SCHEMA_REGISTRY_URL")
	return strings.ToUpper(text[:1]) + text[1:]
}

// redacted is an answer without the login, which some proxies repeat.
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

// unheard explains why there was no answer, or none of a registry.
func (r *Registry) unheard(err error) *Error {
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
		return &Error{Category: Login, What: secret.Error(), Hint: "It is tried again by itself; files are read again"}
	case errors.As(err, &proxy):
		return &Error{Category: Away, What: proxy.Error(), Hint: proxyHint(proxy.Status)}
	case errors.As(err, &large):
		return &Error{Category: Strange, What: fmt.Sprintf("an answer of more than %d bytes", large.Limit), Hint: hintURL}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &Error{Category: Away, What: fmt.Sprintf("no whole answer within %v", requestTimeout)}
	case errors.As(err, &dns):
		return &Error{Category: Away, What: "host " + dns.Name + " was not found", Hint: "Look at SCHEMA_REGISTRY_URL, the proxy and the name server"}
	case errors.As(err, &name):
		return &Error{Category: Away, What: "its certificate is not for " + name.Host, Hint: "Set SCHEMA_REGISTRY_URL to a name that the certificate has"}
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return &Error{Category: Away, What: "its certificate is valid from " + instant(expired.Cert.NotBefore) + " to " + instant(expired.Cert.NotAfter), Hint: "Renew it; if it is valid, put this machine's clock right"}
	case errors.As(err, &verify):
		return &Error{Category: Away, What: "its certificate is not trusted", Hint: "If a private authority signed it, name that in SCHEMA_REGISTRY_CA_FILE"}
	case errors.As(err, &op) && op.Op == "remote error":
		return &Error{Category: Login, What: "it refuses us in the TLS handshake: " + op.Err.Error(), Hint: hintCertificate}
	case errors.As(err, &op) && op.Op != "dial" && r.secured():
		// With TLS 1.3 a certificate is refused when the handshake is over for us: the request may meet a connection that is closed.
		return &Error{Category: Away, What: "it closed the connection: " + op.Err.Error(), Hint: hintCertificate + "; else look at the proxy and the firewall"}
	case errors.As(err, &noTLS), errors.Is(err, http.ErrSchemeMismatch):
		return &Error{Category: Away, What: "it does not speak TLS with us", Hint: "Look at SCHEMA_REGISTRY_URL: scheme and port"}
	case errors.As(err, &op):
		return &Error{Category: Away, What: "no connection: " + op.Err.Error(), Hint: "Look at SCHEMA_REGISTRY_URL, the proxy and the firewall"}
	case strings.Contains(err.Error(), "unable to decode"):
		return &Error{Category: Strange, What: "an answer that is none of a registry", Hint: hintURL}
	}
	e := &Error{Category: Away, What: "the connection ended before an answer came"}
	if r.secured() {
		e.Hint = hintCertificate
	}
	return e
}

// secured reports whether the registry is asked with TLS.
func (r *Registry) secured() bool { return strings.HasPrefix(r.cfg.URL, "https:") }

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// longestReason bounds what is shown of a registry's answer: it may hold whole schemas.
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

// missing tells that the registry answered that something is not there. A 404 without one of its codes is no answer of
// a registry: the path is wrong.
func missing(err error) bool {
	a, ok := errors.AsType[*sr.ResponseError](err)
	return ok && a.StatusCode == http.StatusNotFound && a.ErrorCode/100 == http.StatusNotFound
}
