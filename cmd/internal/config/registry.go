package config

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/convstream/convstream/cmd/internal/oauth"
	"github.com/convstream/convstream/poller/smartassist/secret"
	"github.com/convstream/convstream/schemas/registry"
)

// Registry tells how to reach the schema registry.
type Registry struct {
	URL      string        // base of Confluent's API, without a slash at its end; "" for no registry
	Username string        // one way to log in of three
	Password secret.Secret // with a user
	Token    secret.Secret // another way
	OAuth    *OAuth        // the third; copies share it
	// Extensions, with a token, are for Confluent Cloud; nil elsewhere.
	Extensions map[string]string
	CAFile     string // path of PEM certificates trusted besides the system's; "" for none
	CertFile   string // paths of a PEM certificate and its key that are shown to the registry; "" for none
	KeyFile    string
	Register   bool // register schemas that are not there; else only look them up
}

func (r *Registry) settings() []*setting {
	password, token := passwordOf("SCHEMA_REGISTRY_PASSWORD", &r.Password), tokenOf("SCHEMA_REGISTRY_TOKEN", &r.Token)
	return slices.Concat([]*setting{
		{name: "SCHEMA_REGISTRY_URL", unset: "none", value: base(&r.URL), check: r.checkURL,
			doc: "base URL of a schema registry with Confluent's API (Apicurio serves it under `/apis/ccompat/v7`): values are then in its wire format; without one in Avro's single-object encoding"},
		{name: "SCHEMA_REGISTRY_USERNAME", value: plain(&r.Username), check: r.checkUsername,
			doc: "login to the registry, one way of three: a user. Every login wants `https`, except on loopback"},
		{name: "SCHEMA_REGISTRY_PASSWORD", value: password.direct(), check: r.checkPassword,
			doc: "the password that belongs to the user"},
		{name: "SCHEMA_REGISTRY_PASSWORD_FILE", value: password.path(),
			doc: "a file that holds the password instead; read again when it changes or a login is refused"},
		{name: "SCHEMA_REGISTRY_TOKEN", value: token.direct(), check: r.checkLogin,
			doc: "login to the registry, another way: a ready token, sent as `Bearer`"},
		{name: "SCHEMA_REGISTRY_TOKEN_FILE", value: token.path(),
			doc: "a file that holds the token instead, which something else keeps valid; read again when it changes or a login is refused"},
	}, r.oauth().settings(), []*setting{
		{name: "SCHEMA_REGISTRY_OAUTH_EXTENSIONS", value: of(&r.Extensions, extensions), check: r.checkExtensions,
			doc: "Confluent Cloud wants `logicalCluster=lsrc-...,identityPoolId=pool-...` with a token"},
		{name: "SCHEMA_REGISTRY_CA_FILE", value: certificates(&r.CAFile),
			doc: "PEM certificates to trust for the registry besides the system's"},
		{name: "SCHEMA_REGISTRY_CERT_FILE", value: plain(&r.CertFile), check: r.pair().check,
			doc: "PEM certificate to show to a registry that asks for one, with those between it and its authority. This file and the two beside it are read again for new connections"},
		{name: "SCHEMA_REGISTRY_KEY_FILE", value: keyFile(&r.KeyFile),
			doc: "PEM key that belongs to the certificate, not encrypted"},
		{name: "SCHEMA_REGISTRY_REGISTER", preset: "true", value: of(&r.Register, boolean),
			doc: "register the schemas that are not there, and set the subjects' compatibility; `false` only looks them up"},
	})
}

// oauth is the client that gets the tokens for the registry.
func (r *Registry) oauth() client {
	return clientOf("SCHEMA_REGISTRY_OAUTH_", "the registry", &r.OAuth)
}

func (r *Registry) pair() keyPair {
	return keyPair{certName: "SCHEMA_REGISTRY_CERT_FILE", keyName: "SCHEMA_REGISTRY_KEY_FILE", certFile: &r.CertFile, keyFile: &r.KeyFile}
}

// checkURL takes plain http where nothing secret is sent: within a cluster that is how registries are reached.
func (r *Registry) checkURL(p *problems) {
	const name = "SCHEMA_REGISTRY_URL"
	login := r.loginSet()
	if r.URL == "" {
		p.require(login == "" && r.CAFile == "" && r.CertFile == "" && r.KeyFile == "" && r.Extensions == nil, name, "required with the other settings of the registry")
		return
	}
	u := baseURL(p, name, r.URL, "expected them in SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD (or SCHEMA_REGISTRY_PASSWORD_FILE)")
	p.require(u == nil || !shows(u) || login == "", name, "plain http shows the login to everybody on the way; expected https, or no %s", login)
}

// shows reports whether others can read what is sent there.
func shows(u *url.URL) bool { return u.Scheme != "https" && !loopback(u.Hostname()) }

// loginSet returns the name of a setting of the login that is set; "" where there is no login.
func (r *Registry) loginSet() string {
	switch {
	case r.Username != "" || r.Password.IsSet():
		return "SCHEMA_REGISTRY_USERNAME"
	case r.Token.IsSet():
		return r.Token.Variable()
	}
	return r.oauth().set()
}

// checkLogin sees to it that there is one way to log in.
func (r *Registry) checkLogin(p *problems) {
	user, token, other := r.Username != "" || r.Password.IsSet(), r.Token.IsSet(), r.oauth().set()
	p.require(!user || !token && other == "", "SCHEMA_REGISTRY_USERNAME", "there are two ways to log in; expected a user, or SCHEMA_REGISTRY_TOKEN, or SCHEMA_REGISTRY_OAUTH_TOKEN_URL")
	p.require(!token || other == "", "SCHEMA_REGISTRY_TOKEN", "is set, and so is %s; expected one way to a token", other)
}

// checkRegister: who says not to register has a registry, and forgot to say where. Only an environment says so; where a
// Config is built by hand, false is what nobody set.
func (r *Registry) checkRegister(p *problems) {
	p.require(r.URL != "" || r.Register || !p.ok("SCHEMA_REGISTRY_REGISTER"), "SCHEMA_REGISTRY_URL", "required with SCHEMA_REGISTRY_REGISTER=false")
}

func (r *Registry) checkUsername(p *problems) {
	const name = "SCHEMA_REGISTRY_USERNAME"
	p.require(!r.Password.IsSet() || r.Username != "", name, "required with SCHEMA_REGISTRY_PASSWORD")
	p.require(!strings.ContainsFunc(r.Username, func(c rune) bool { return c == ':' || c < ' ' }), name,
		"contains a colon or a control character, which a login of HTTP cannot have")
}

func (r *Registry) checkPassword(p *problems) {
	const name = "SCHEMA_REGISTRY_PASSWORD"
	p.require(r.Password.IsSet() || r.Username == "", name, "required with SCHEMA_REGISTRY_USERNAME (or SCHEMA_REGISTRY_PASSWORD_FILE)")
}

// The extensions that a registry knows.
const (
	extensionCluster = "logicalCluster"
	extensionPool    = "identityPoolId"
)

func (r *Registry) checkExtensions(p *problems) {
	const name = "SCHEMA_REGISTRY_OAUTH_EXTENSIONS"
	for _, e := range slices.Sorted(maps.Keys(r.Extensions)) {
		p.require(e == extensionCluster || e == extensionPool, name, "%s is not known; expected %s and %s", quote(e), extensionCluster, extensionPool)
	}
	p.require(r.Extensions == nil || r.Token.IsSet() || r.oauth().set() != "", name, "required with it: SCHEMA_REGISTRY_TOKEN (or SCHEMA_REGISTRY_TOKEN_FILE) or SCHEMA_REGISTRY_OAUTH_TOKEN_URL")
}

// Login is how to log in to the registry; nil where there is no login.
func (r *Registry) Login() registry.Credentials {
	bearer := registry.Bearer{Cluster: r.Extensions[extensionCluster], Pool: r.Extensions[extensionPool]}
	switch {
	case r.Username != "":
		return registry.Basic{Username: r.Username, Password: r.Password}
	case r.Token.IsSet():
		bearer.Token, bearer.Hint = oauth.Ready{Secret: r.Token}, "Set "+r.Token.Variable()+" to a token that the registry takes"
		return bearer
	case r.oauth().set() != "":
		bearer.Token, bearer.Hint = &r.oauth().Client, "Let the provider at SCHEMA_REGISTRY_OAUTH_TOKEN_URL give SCHEMA_REGISTRY_OAUTH_CLIENT_ID tokens that the registry takes (SCHEMA_REGISTRY_OAUTH_SCOPE, SCHEMA_REGISTRY_OAUTH_EXTENSIONS)"
		return bearer
	}
	return nil
}

// TLS reads the files with which connections to the registry are made.
func (r *Registry) TLS() (*tls.Config, error) {
	c := &tls.Config{}
	var err error
	if c.RootCAs, err = Authorities(r.CAFile); err != nil {
		return nil, fmt.Errorf("SCHEMA_REGISTRY_CA_FILE: %w", err)
	}
	if r.CertFile != "" {
		own, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("SCHEMA_REGISTRY_CERT_FILE, SCHEMA_REGISTRY_KEY_FILE: %w", withoutPath(err))
		}
		// Not only where it is of an authority that the registry names: the registry says what is wrong with it.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return c, nil
}
