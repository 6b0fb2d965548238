package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Service tells how to reach the service and what to ask it for.
type Service struct {
	URL          string // base URL of the service, without a slash at its end
	AccountID    string
	StreamID     string        // "" asks for all streams
	JWT          secret.Secret // either this or the pair of client id and secret is set
	ClientID     string
	ClientSecret secret.Secret

	RequestsPerMinute int
	PageLimit         int
	Channels          []string // nil: all
	Queues            []string // nil: all
	Bots              []string // nil: all
	Direction         string   // Inbound, Outbound or Both; "": as the service chooses
	SelectedFields    []string // nil: as the service chooses
	AllowHTTP         bool     // plain http to hosts other than loopback
	CAFile            string   // path of PEM certificates trusted besides the system's; "" for none
}

// mostRequests keeps out slips of the keyboard. The service's own number is documentedRequests, for the account; it grants
// more on request.
const (
	mostRequests       = 100_000
	documentedRequests = 60
)

func (s *Service) settings() []*setting {
	token, clientSecret := tokenOf("SMARTASSIST_JWT", &s.JWT), passwordOf("SMARTASSIST_CLIENT_SECRET", &s.ClientSecret)
	return []*setting{
		{name: "SMARTASSIST_URL", unset: "required", value: base(&s.URL), check: s.checkURL,
			doc: "base URL of the service, `https://...`; plain http only to loopback, or with `SMARTASSIST_ALLOW_HTTP=true`. `HTTPS_PROXY` and `NO_PROXY` as usual"},
		{name: "SMARTASSIST_ACCOUNT_ID", unset: "required", value: plain(&s.AccountID), check: s.checkAccountID,
			doc: "the account whose conversations are read"},
		{name: "SMARTASSIST_STREAM_ID", value: plain(&s.StreamID), check: s.checkStreamID,
			doc: "sent as `iId`"},
		{name: "SMARTASSIST_JWT", value: token.direct(), check: s.checkLogin,
			doc: "login, one way of two: a ready token"},
		{name: "SMARTASSIST_JWT_FILE", value: token.path(),
			doc: "a file that holds the token instead; read again when it changes or a login is refused"},
		{name: "SMARTASSIST_CLIENT_ID", value: plain(&s.ClientID),
			doc: "login, the other way: with this and the client secret the worker signs its own short-lived HS256 tokens"},
		{name: "SMARTASSIST_CLIENT_SECRET", value: clientSecret.direct(),
			doc: "the secret that belongs to the client id"},
		{name: "SMARTASSIST_CLIENT_SECRET_FILE", value: clientSecret.path(),
			doc: "a file that holds the client secret instead; read again when it changes or a login is refused"},
		{name: "SMARTASSIST_REQUESTS_PER_MINUTE", preset: "30", value: between(&s.RequestsPerMinute, number, 1, mostRequests),
			doc: "the whole request budget, live reading and re-reading together; 1 to 100000. Above 60 there is a warning at start: the documented quota is 60, the vendor raises it on request"},
		{name: "SMARTASSIST_PAGE_LIMIT", preset: "100", value: between(&s.PageLimit, number, 1, 100),
			doc: "rows asked for in one page; 1 to 100"},
		{name: "SMARTASSIST_CHANNELS", unset: "all", value: of(&s.Channels, list),
			doc: "comma-separated filter, passed to the service"},
		{name: "SMARTASSIST_QUEUES", unset: "all", value: of(&s.Queues, list),
			doc: "comma-separated filter, passed to the service"},
		{name: "SMARTASSIST_BOTS", unset: "all", value: of(&s.Bots, list),
			doc: "comma-separated ids of bots (`st-...`), a filter, passed to the service"},
		{name: "SMARTASSIST_DIRECTION", unset: "not sent", value: of(&s.Direction, direction),
			doc: "`Inbound`, `Outbound` or `Both`, passed to the service, which does not say what holds where it is not sent"},
		{name: "SMARTASSIST_SELECTED_FIELDS", value: of(&s.SelectedFields, list),
			doc: "comma-separated fields to ask for"},
		{name: "SMARTASSIST_ALLOW_HTTP", preset: "false", value: of(&s.AllowHTTP, boolean),
			doc: "`true` allows plain http to any host"},
		{name: "SMARTASSIST_CA_FILE", value: certificates(&s.CAFile),
			doc: "PEM certificates to trust for the service besides the system's"},
	}
}

// direction reads one as the service spells it.
func direction(s string) (string, error) {
	for _, d := range []string{"Inbound", "Outbound", "Both"} {
		if strings.EqualFold(s, d) {
			return d, nil
		}
	}
	return "", fmt.Errorf("%s is not known; expected Inbound, Outbound or Both", quote(s))
}

// checkURL quotes nothing of the URL: people put credentials into URLs.
func (s *Service) checkURL(p *problems) {
	const name = "SMARTASSIST_URL"
	p.require(s.URL != "", name, "required; expected https://host")
	u := baseURL(p, name, s.URL, "the login has its own settings")
	p.require(u == nil || u.Scheme == "https" || s.AllowHTTP || loopback(u.Hostname()), name,
		"plain http shows the login to everybody on the way; expected https, or SMARTASSIST_ALLOW_HTTP=true to allow it")
}

// baseURL checks a URL that paths are joined to, and quotes nothing of it. login says where a login belongs. It is nil for
// what is not a URL.
func baseURL(p *problems, name, value, login string) *url.URL {
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || !portOK(u.Port(), true) {
		p.add(name, "expected a URL like https://host or https://host:port/path")
		return nil
	}
	p.require(u.User == nil, name, "has a user or password in it; %s", login)
	p.require(u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery, name, "has a query or fragment; expected the base URL alone")
	return u
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// serviceID keeps out what would change the request path, a header, or a transactional id that ACLs name.
var serviceID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

func (s *Service) checkAccountID(p *problems) {
	const name = "SMARTASSIST_ACCOUNT_ID"
	p.require(s.AccountID != "", name, "required")
	p.require(serviceID.MatchString(s.AccountID), name, "%s is not an account id; expected up to 100 letters, digits, '_' and '-'", quote(s.AccountID))
}

func (s *Service) checkStreamID(p *problems) {
	p.require(s.StreamID == "" || serviceID.MatchString(s.StreamID), "SMARTASSIST_STREAM_ID",
		"%s is not a stream id; expected up to 100 letters, digits, '_' and '-'", quote(s.StreamID))
}

// checkLogin sees to it that exactly one way to log in is set, in full.
func (s *Service) checkLogin(p *problems) {
	token, secret := s.JWT.IsSet(), s.ClientSecret.IsSet()
	switch {
	case token && (secret || s.ClientID != ""):
		p.add("SMARTASSIST_JWT", "there are two ways to log in; expected either a token, or SMARTASSIST_CLIENT_ID and SMARTASSIST_CLIENT_SECRET")
	case token:
	case s.ClientID == "" && !secret:
		p.add("SMARTASSIST_JWT", "there is no login; expected SMARTASSIST_JWT, or SMARTASSIST_CLIENT_ID and SMARTASSIST_CLIENT_SECRET (each secret also as ..._FILE)")
	case s.ClientID == "":
		p.add("SMARTASSIST_CLIENT_ID", "required with SMARTASSIST_CLIENT_SECRET")
	case !secret:
		p.add("SMARTASSIST_CLIENT_SECRET", "required with SMARTASSIST_CLIENT_ID (or SMARTASSIST_CLIENT_SECRET_FILE)")
	}
}
