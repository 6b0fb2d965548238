package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// guard protects the commands of the admin port, and with ADMIN_PROTECT=all also what it shows.
type guard struct {
	token   secret.Secret // if it is not set, only loopback is allowed
	all     bool          // reading requires it, too
	log     zerolog.Logger
	failure atomic.Value // string: the logged error of reading the token; "" if there was none
}

// permitting passes on a request that changes something if it comes from loopback or has the token. It refuses cross-origin requests of
// browsers: where a user forwards the port, any page could reach loopback.
func (g *guard) permitting(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case g.allows(r):
			next.ServeHTTP(rw, r)
		case !g.token.IsSet():
			http.Error(rw, "allowed from loopback only; set ADMIN_TOKEN or ADMIN_TOKEN_FILE to allow it with that bearer token", http.StatusForbidden)
		default:
			unauthorized(rw)
		}
	}))
}

// reading passes on a request that changes nothing; with ADMIN_PROTECT=all only from loopback or with the token.
func (g *guard) reading(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if g.all && !g.allows(r) {
			unauthorized(rw)
			return
		}
		next(rw, r)
	})
}

// probed handles a probe, which has no token: without one, the reason of a failure is not shown if reading requires it.
func (g *guard) probed(ask func(*http.Request) error) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		err := ask(r)
		if err != nil && g.all && !g.allows(r) {
			err = errReasonHidden
		}
		answer(rw, err)
	})
}

var errReasonHidden = errors.New("failed; the reason is shown with the bearer token of ADMIN_TOKEN")

// allows reports whether the request comes from loopback or has the token.
func (g *guard) allows(r *http.Request) bool { return fromLoopback(r) || g.hasToken(r) }

func unauthorized(rw http.ResponseWriter) {
	rw.Header().Set("www-authenticate", "Bearer")
	http.Error(rw, "the bearer token is missing or is not ADMIN_TOKEN", http.StatusUnauthorized)
}

// fromLoopback reports whether the request comes from this host and was meant for it: it was not forwarded by a sidecar proxy
// (Istio's connects from 127.0.0.6), nor sent by a browser for which a foreign host name resolves to loopback.
func fromLoopback(r *http.Request) bool {
	for name := range r.Header {
		if isForwarding(name) {
			return false
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && loopback[from.Addr().Unmap()] && namesLoopback(r.Host)
}

// loopback are the addresses from which a host connects to itself.
var loopback = map[netip.Addr]bool{netip.MustParseAddr("127.0.0.1"): true, netip.IPv6Loopback(): true}

// isForwarding reports whether a header is one that proxies add.
func isForwarding(header string) bool {
	switch header {
	case "Forwarded", "Via", "X-Real-Ip":
		return true
	}
	return strings.HasPrefix(header, "X-Forwarded-") || strings.HasPrefix(header, "X-Envoy-")
}

// namesLoopback reports whether a Host header is a loopback address or localhost.
func namesLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// hasToken reports whether the request has the token. It compares hashes, so that its duration does not reveal even the length.
func (g *guard) hasToken(r *http.Request) bool {
	if !g.token.IsSet() {
		return false
	}
	want, err := g.token.Read()
	if g.logFailure(err); err != nil {
		return false
	}
	scheme, got, _ := strings.Cut(r.Header.Get("authorization"), " ")
	a, b := sha256.Sum256([]byte(strings.TrimSpace(got))), sha256.Sum256([]byte(want))
	return strings.EqualFold(scheme, "bearer") && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// logFailure logs the error of reading the token if it has changed: requests must not fill the log.
func (g *guard) logFailure(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch was, _ := g.failure.Swap(text).(string); {
	case was == text:
	case err != nil:
		g.log.Error().Err(err).Msg("ADMIN_TOKEN_FILE cannot be read; requests with a token are refused")
	default:
		g.log.Info().Msg("ADMIN_TOKEN_FILE can be read again")
	}
}
