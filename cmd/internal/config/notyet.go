package config

import (
	"strings"

	"github.com/sethvargo/go-envconfig"
)

// notYet names the settings that are settled but that this release cannot honour, with the one value, if any, that says
// what it does anyway. Setting one to anything else is refused, because ignoring it would do the opposite of what was
// asked for. A release that supports one makes a row of settings of its line.
var notYet = []struct{ name, allowed string }{
	{"KAFKA_TLS", "off"},
	{"KAFKA_TLS_CA_FILE", ""},
	{"KAFKA_TLS_CERT_FILE", ""},
	{"KAFKA_TLS_KEY_FILE", ""},
	{"KAFKA_TLS_SERVER_NAME", ""},
	{"KAFKA_SASL_MECHANISM", ""},
	{"KAFKA_SASL_USERNAME", ""},
	{"KAFKA_SASL_PASSWORD", ""},
	{"KAFKA_SASL_PASSWORD_FILE", ""},
}

// refuseNotYet never quotes the value: some of these are secrets.
func refuseNotYet(p *problems, env envconfig.Lookuper) {
	for _, s := range notYet {
		v, set := env.Lookup(s.name)
		switch {
		case !set || s.allowed != "" && strings.EqualFold(v, s.allowed):
		case s.allowed != "":
			p.add(s.name, "not yet supported by this release; leave it unset or %s", s.allowed)
		default:
			p.add(s.name, "not yet supported by this release; leave it unset")
		}
	}
}
