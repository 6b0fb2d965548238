package config

import "github.com/sethvargo/go-envconfig"

// notYet names the settings that are settled but that this release cannot honour. Setting one is refused, because ignoring it
// would do the opposite of what was asked for. A release that supports one makes a row of settings of its line.
var notYet = []string{
	"KAFKA_AWS_REGION",
}

// refuseNotYet never quotes the value: some of these are secrets.
func refuseNotYet(p *problems, env envconfig.Lookuper) {
	for _, name := range notYet {
		if _, set := env.Lookup(name); set {
			p.add(name, "not yet supported by this release; leave it unset")
		}
	}
}
