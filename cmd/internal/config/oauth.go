package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/convstream/convstream/cmd/internal/oauth"
)

// OAuth gets tokens with the credentials of a client. Copies of a Config share it: it holds a token.
type OAuth struct {
	oauth.Client
	CAFile string // path of PEM certificates trusted besides the system's; "" for none
}

// client is an OAuth with its settings, which are the same wherever it logs in.
type client struct {
	*OAuth
	to string // what the tokens are for: "the brokers"
}

// clientOf makes the client whose settings begin with prefix, unless there is one.
func clientOf(prefix, to string, into **OAuth) client {
	if *into == nil {
		o := &OAuth{}
		o.Prefix, o.Authorities = prefix, func() (*x509.CertPool, error) { return Authorities(o.CAFile) }
		*into = o
	}
	return client{*into, to}
}

func (c client) settings() []*setting {
	secret := passwordOf(c.Prefix+"CLIENT_SECRET", &c.Secret)
	return []*setting{
		{name: c.Prefix + "TOKEN_URL", value: plain(&c.TokenURL), check: c.check,
			doc: "token endpoint of an OAuth 2.0 or OpenID Connect provider, `https://...`; plain http only to loopback: the worker gets its tokens for " + c.to +
				" there, with the grant `client_credentials`, a new one when half the life of the last is over. `HTTPS_PROXY` and `NO_PROXY` as usual"},
		{name: c.Prefix + "CLIENT_ID", value: plain(&c.ID),
			doc: "the client as the provider knows it"},
		{name: c.Prefix + "CLIENT_SECRET", value: secret.direct(),
			doc: "the secret that belongs to the client"},
		{name: c.Prefix + "CLIENT_SECRET_FILE", value: secret.path(),
			doc: "a file that holds the client's secret instead; read again when it changes or is refused"},
		{name: c.Prefix + "SCOPE", value: plain(&c.Scope),
			doc: "scopes to ask the provider for, separated by spaces"},
		{name: c.Prefix + "CA_FILE", value: certificates(&c.CAFile),
			doc: "PEM certificates to trust for the token endpoint besides the system's; read again for each token"},
	}
}

// set returns the name of a setting that is set; "" where none is.
func (c client) set() string {
	switch {
	case c.TokenURL != "":
		return c.Prefix + "TOKEN_URL"
	case c.ID != "":
		return c.Prefix + "CLIENT_ID"
	case c.Secret.IsSet():
		return c.Secret.Variable()
	case c.Scope != "":
		return c.Prefix + "SCOPE"
	case c.CAFile != "":
		return c.Prefix + "CA_FILE"
	}
	return ""
}

// check sees to it that the client is whole. Of the URL it quotes nothing: people put credentials into URLs.
func (c client) check(p *problems) {
	if c.set() == "" {
		return
	}
	name := c.Prefix + "TOKEN_URL"
	p.require(c.TokenURL != "", name, "required with %s", c.set())
	p.require(c.ID != "", c.Prefix+"CLIENT_ID", "required with %s", name)
	p.require(c.Secret.IsSet(), c.Prefix+"CLIENT_SECRET", "required with %s (or %[2]sCLIENT_SECRET_FILE)", name, c.Prefix)
	if !p.ok(name) {
		return
	}
	u, err := url.Parse(c.TokenURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || !portOK(u.Port(), true) || u.Fragment != "" {
		p.add(name, "expected a URL like https://host/path")
		return
	}
	p.require(u.User == nil, name, "has a user or password in it; expected them in %sCLIENT_ID and %[1]sCLIENT_SECRET", c.Prefix)
	p.require(u.Scheme == "https" || loopback(u.Hostname()), name, "plain http shows the client's secret and the tokens to everybody on the way; expected https")
}

// extensions reads name=value pairs that are sent with a token, as RFC 7628 has them.
func extensions(s string) (map[string]string, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, item := range items {
		name, value, _ := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		_, twice := out[name]
		switch {
		case !extensionName.MatchString(name) || name == "auth" || value == "" || strings.ContainsFunc(value, notVisible):
			return nil, fmt.Errorf("%s is not name=value; expected letters, other than auth, and a value without white space", quote(item))
		case twice:
			return nil, errors.New(name + " stands there twice")
		}
		out[name] = value
	}
	return out, nil
}

var extensionName = regexp.MustCompile(`^[A-Za-z]+$`)
