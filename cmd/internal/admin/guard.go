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

// guard keeps the commands of the admin port from strangers, and where that is wished what it shows, too.
type guard struct {
	token   secret.Secret // not set: they are allowed from loopback only
	all     bool          // it is asked for reading as well
	log     zerolog.Logger
	failure atomic.Value // text: why the token could not be read, as the log has it; "" where it could
}

// permitting lets a request that changes something pass from loopback, or with the token. Browsers are kept from making
// one for a page of somebody else, which may reach loopback where its user forwards the port.
func (g *guard) permitting(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case g.allows(r):
			next.ServeHTTP(rw, r)
		case !g.token.IsSet():
			http.Error(rw, "only from loopback: set ADMIN_TOKEN (or ADMIN_TOKEN_FILE) to allow it from elsewhere with that bearer token", http.StatusForbidden)
		default:
			unauthorized(rw)
		}
	}))
}

// reading lets a request that changes nothing pass, with ADMIN_PROTECT=all only from loopback, or with the token.
func (g *guard) reading(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if g.all && !g.allows(r) {
			unauthorized(rw)
			return
		}
		next(rw, r)
	})
}

// probed answers a probe, which has no token: whoever may not read is not told why it failed.
func (g *guard) probed(ask func(*http.Request) error) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		err := ask(r)
		if err != nil && g.all && !g.allows(r) {
			err = errUntold
		}
		answer(rw, err)
	})
}

var errUntold = errors.New("no; ask with the bearer token of ADMIN_TOKEN for the reason")

// allows reports whether the request comes from loopback or has the token.
func (g *guard) allows(r *http.Request) bool { return fromLoopback(r) || g.hasToken(r) }

func unauthorized(rw http.ResponseWriter) {
	rw.Header().Set("www-authenticate", "Bearer")
	http.Error(rw, "the bearer token is missing or is not that of ADMIN_TOKEN", http.StatusUnauthorized)
}

// fromLoopback reports whether the request comes from this host and was meant for it: not passed on by a proxy that stands
// beside the worker, as a mesh puts one there (Istio's comes from 127.0.0.6), and not by a browser to which a stranger's
// name means loopback.
func fromLoopback(r *http.Request) bool {
	for name := range r.Header {
		if passedOn(name) {
			return false
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && ours[from.Addr().Unmap()] && namesLoopback(r.Host)
}

// ours are the addresses from which this host asks itself.
var ours = map[netip.Addr]bool{netip.MustParseAddr("127.0.0.1"): true, netip.IPv6Loopback(): true}

// passedOn reports whether a header is one that proxies add.
func passedOn(header string) bool {
	switch header {
	case "Forwarded", "Via", "X-Real-Ip":
		return true
	}
	return strings.HasPrefix(header, "X-Forwarded-") || strings.HasPrefix(header, "X-Envoy-")
}

// namesLoopback reports whether a Host header is an address of loopback, or localhost.
func namesLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// hasToken reports whether the request has the token. Hashes are compared, so that the time it takes does not reveal even a length.
func (g *guard) hasToken(r *http.Request) bool {
	if !g.token.IsSet() {
		return false
	}
	want, err := g.token.Read()
	if g.tokenRead(err); err != nil {
		return false
	}
	scheme, got, _ := strings.Cut(r.Header.Get("authorization"), " ")
	a, b := sha256.Sum256([]byte(strings.TrimSpace(got))), sha256.Sum256([]byte(want))
	return strings.EqualFold(scheme, "bearer") && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// tokenRead logs when it changes how reading the token ends: requests without one must not fill the log.
func (g *guard) tokenRead(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch was, _ := g.failure.Swap(text).(string); {
	case was == text:
	case err != nil:
		g.log.Error().Err(err).Msg("the token of the admin port cannot be read: nobody gets in with one")
	default:
		g.log.Info().Msg("the token of the admin port can be read again")
	}
}
