package worker

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/poller/smartassist"
)

// AdminToken is ADMIN_TOKEN, or what its file holds now; nil where neither is set.
func AdminToken(cfg *config.Config) *smartassist.Secret {
	return secret("ADMIN_TOKEN", cfg.AdminToken, cfg.AdminTokenFile)
}

// permitting lets a request that changes something pass from loopback, or with the token. Browsers are kept from making
// one for a page of somebody else, which may reach loopback where its user forwards the port.
func (w *Worker) permitting(next http.HandlerFunc) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case fromLoopback(r), w.bears(r):
			next(rw, r)
		case w.adminToken == nil:
			http.Error(rw, "only from loopback: set ADMIN_TOKEN (or ADMIN_TOKEN_FILE) to allow it from elsewhere with that bearer token", http.StatusForbidden)
		default:
			rw.Header().Set("www-authenticate", "Bearer")
			http.Error(rw, "the bearer token is missing or is not that of ADMIN_TOKEN", http.StatusUnauthorized)
		}
	}))
}

// fromLoopback tells that the request comes from this host and was meant for it: not passed on by a proxy that stands
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

// passedOn tells that a header is one that proxies add.
func passedOn(header string) bool {
	switch header {
	case "Forwarded", "Via", "X-Real-Ip":
		return true
	}
	return strings.HasPrefix(header, "X-Forwarded-") || strings.HasPrefix(header, "X-Envoy-")
}

// namesLoopback tells that a Host header is an address of loopback, or localhost.
func namesLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// bears tells that the request has the token. Hashes are compared, so that time tells not even a length.
func (w *Worker) bears(r *http.Request) bool {
	if w.adminToken == nil {
		return false
	}
	want, err := w.adminToken.Read()
	if w.tokenRead(err); err != nil {
		return false
	}
	scheme, got, _ := strings.Cut(r.Header.Get("authorization"), " ")
	a, b := sha256.Sum256([]byte(strings.TrimSpace(got))), sha256.Sum256([]byte(want))
	return strings.EqualFold(scheme, "bearer") && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// tokenRead logs when it changes how reading the token ends: whoever asks without one must not fill the log.
func (w *Worker) tokenRead(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch was := w.tokenTrouble.Swap(text); {
	case was == text:
	case err != nil:
		w.log.Error().Err(err).Msg("the token of the admin port cannot be read: nobody gets in with one")
	default:
		w.log.Info().Msg("the token of the admin port can be read again")
	}
}
