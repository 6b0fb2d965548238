package oauth

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/oauth2"

	"github.com/convstream/convstream/poller/smartassist/httpproxy"
)

// exchange is the transport for one request to the endpoint, and records what kind of answer came. It does not reuse connections:
// requests are minutes apart, and the certificates may have changed.
type exchange struct {
	*http.Transport
	status int
	kind   string // the answer's media type
}

func (c *Client) exchange() (*exchange, error) {
	var authorities *x509.CertPool
	if c.Authorities != nil {
		var err error
		if authorities, err = c.Authorities(); err != nil {
			return nil, fmt.Errorf("%sCA_FILE: %w", c.Prefix, err)
		}
	}
	x := &exchange{Transport: &http.Transport{
		DialContext: c.Dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities},
		MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true,
	}}
	if c.Dial == nil {
		httpproxy.Use(x.Transport)
	}
	return x, nil
}

// in returns a context that makes golang.org/x/oauth2 use the exchange. Redirects are not followed: they would send the
// secret to another host.
func (x *exchange) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport: x, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
}

// RoundTrip implements http.RoundTripper.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := x.Transport.RoundTrip(req)
	if err == nil {
		kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
		x.status, x.kind = res.StatusCode, strings.TrimSpace(kind)
	}
	return res, err
}

const whichURL = "expected the token_endpoint that the provider's /.well-known/openid-configuration names"

// explain returns why there is no token, with the setting to correct. It does not wrap err: errors of the library contain the whole
// answer, those of the network the URL.
func (c *Client) explain(err error, x *exchange) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return c.refused(refused.ErrorCode, x)
	}
	if x.status == 0 {
		return c.noAnswer(err)
	}
	switch {
	case strings.Contains(err.Error(), "missing access_token"):
		return c.about("TOKEN_URL", "the answer has no access_token; "+whichURL)
	case strings.Contains(err.Error(), "cannot parse"):
		return c.about("TOKEN_URL", "answers status %d with %s that is not a token; %s", x.status, mediaType(x.kind), whichURL)
	}
	return c.about("TOKEN_URL", "the answer was cut off; it is retried")
}

// errorCode is the form of an error code in RFC 6749; nothing else of an answer is shown.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// refused explains an error answer.
func (c *Client) refused(code string, x *exchange) error {
	answer := fmt.Sprintf("answers status %d", x.status)
	if errorCode.MatchString(code) {
		answer += " " + code
	}
	switch {
	case code == "invalid_client", code == "" && x.status == http.StatusUnauthorized:
		c.Secret.Reload()
		return c.about("CLIENT_SECRET", "the endpoint %s; correct it, or %sCLIENT_ID: files are read again", answer, c.Prefix)
	case code == "invalid_scope":
		return c.about("SCOPE", "the endpoint %s; expected scopes that the provider grants this client, separated by spaces", answer)
	case code == "unauthorized_client", code == "unsupported_grant_type", code == "access_denied":
		return c.about("CLIENT_ID", "the endpoint %s; allow this client the client_credentials grant at the provider", answer)
	case x.status/100 == 3:
		return c.about("TOKEN_URL", "%s; redirects are not followed: set it to the target", answer)
	case x.status >= 500, x.status == http.StatusTooManyRequests, x.status == http.StatusRequestTimeout:
		return c.about("TOKEN_URL", "%s; it is retried", answer)
	case x.status == http.StatusProxyAuthRequired:
		return c.about("TOKEN_URL", "%s; %s", answer, httpproxy.Hint(x.status, c.Prefix+"TOKEN_URL"))
	case code != "":
		return c.about("TOKEN_URL", "%s; the provider's logs say why", answer)
	}
	return c.about("TOKEN_URL", "%s with %s, not as a token endpoint does; %s", answer, mediaType(x.kind), whichURL)
}

// noAnswer explains why there is no answer.
func (c *Client) noAnswer(err error) error {
	var (
		proxy   *httpproxy.Refusal
		dns     *net.DNSError
		verify  *tls.CertificateVerificationError
		noTLS   tls.RecordHeaderError
		alert   tls.AlertError
		errno   syscall.Errno
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &proxy):
		return c.about("TOKEN_URL", "%v; %s", proxy, httpproxy.Hint(proxy.Status, c.Prefix+"TOKEN_URL"))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return c.about("TOKEN_URL", "no whole answer within %v; check it, the proxy and the firewall", timeLimit)
	case errors.As(err, &dns):
		return c.about("TOKEN_URL", "its host was not found; check it, the proxy and the name server")
	case errors.As(err, &verify):
		return c.about("CA_FILE", "the certificate of the endpoint is not trusted; set it to the certificate of its authority, and check the host in %sTOKEN_URL", c.Prefix)
	case errors.As(err, &noTLS), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch):
		return c.about("TOKEN_URL", "the TLS handshake failed; check scheme and port")
	case errors.As(err, &errno):
		return c.about("TOKEN_URL", "no connection: %v; check it, the proxy and the firewall", errno)
	}
	return c.about("TOKEN_URL", "the connection was closed without an HTTP answer; check it, its port and the proxy")
}

// about returns an error about a setting.
func (c *Client) about(setting, format string, args ...any) error {
	return fmt.Errorf("%s%s: %s", c.Prefix, setting, fmt.Sprintf(format, args...))
}

// mediaType returns a media type that is safe to show.
func mediaType(kind string) string {
	const enough = 40
	if len(kind) > enough || strings.ContainsFunc(kind, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "an invalid Content-Type"
	}
	return cmp.Or(kind, "no Content-Type")
}
