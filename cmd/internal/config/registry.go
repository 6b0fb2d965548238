package config

import (
	"strings"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Registry tells how to reach the schema registry.
type Registry struct {
	URL      string        // base of Confluent's API, without a slash at its end; "" for no registry
	Username string        // "" for no login
	Password secret.Secret // with a user
	CAFile   string        // path of PEM certificates trusted besides the system's; "" for none
	Register bool          // register schemas that are not there; else only look them up
}

func (r *Registry) settings() []*setting {
	password := passwordOf("SCHEMA_REGISTRY_PASSWORD", &r.Password)
	return []*setting{
		{name: "SCHEMA_REGISTRY_URL", unset: "none", value: base(&r.URL), check: r.checkURL,
			doc: "base URL of a schema registry with Confluent's API (Apicurio serves it under `/apis/ccompat/v7`): values are then in its wire format; without one in Avro's single-object encoding"},
		{name: "SCHEMA_REGISTRY_USERNAME", value: plain(&r.Username), check: r.checkUsername,
			doc: "login to the registry, if it wants one"},
		{name: "SCHEMA_REGISTRY_PASSWORD", value: password.direct(), check: r.checkPassword,
			doc: "the password that belongs to the user"},
		{name: "SCHEMA_REGISTRY_PASSWORD_FILE", value: password.path(),
			doc: "a file that holds the password instead; read again when it changes or a login is refused"},
		{name: "SCHEMA_REGISTRY_CA_FILE", value: certificates(&r.CAFile),
			doc: "PEM certificates to trust for the registry besides the system's"},
		{name: "SCHEMA_REGISTRY_REGISTER", preset: "true", value: of(&r.Register, boolean),
			doc: "register the schemas that are not there, and set the subjects' compatibility; `false` only looks them up"},
	}
}

// checkURL takes plain http: within a cluster that is how registries are reached.
func (r *Registry) checkURL(p *problems) {
	const name = "SCHEMA_REGISTRY_URL"
	if r.URL != "" {
		baseURL(p, name, r.URL, "expected them in SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD (or SCHEMA_REGISTRY_PASSWORD_FILE)")
	}
	p.require(r.URL != "" || r.Username == "" && !r.Password.IsSet() && r.CAFile == "", name, "required with the other settings of the registry")
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
