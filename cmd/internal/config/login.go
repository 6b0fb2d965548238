package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/convstream/convstream/cmd/internal/awsiam"
	"github.com/convstream/convstream/cmd/internal/oauth"
	"github.com/convstream/convstream/producer"
)

// login is a way to log in to the brokers, with the settings that belong to it.
type login struct {
	mechanisms []string
	settings   string        // the least that it needs, in words
	set        func() string // the name of a setting of its own that is set; "" where none is
	check      func(*problems)
	make       func() producer.Mechanism
}

// logins are all ways to log in, in the order in which people are told of them.
func (k *Kafka) logins() []login {
	return []login{
		{mechanisms: []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}, settings: "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
			set: k.userSet, check: k.checkUser, make: func() producer.Mechanism {
				return producer.UserPassword{Mechanism: k.Mechanism, Username: k.Username, Password: k.Password}
			}},
		{mechanisms: []string{"OAUTHBEARER"}, settings: "KAFKA_SASL_OAUTH_TOKEN_FILE or KAFKA_SASL_OAUTH_TOKEN_URL",
			set: k.bearerSet, check: k.checkBearer, make: k.bearer},
		{mechanisms: []string{awsiam.Mechanism}, settings: "KAFKA_AWS_REGION",
			set: k.awsSet, check: k.checkAWS, make: func() producer.Mechanism { return k.AWS.In(k.region()) }},
	}
}

// login is the one that is set; nil where there is none of that name.
func (k *Kafka) login() *login {
	logins := k.logins()
	i := slices.IndexFunc(logins, func(l login) bool { return slices.Contains(l.mechanisms, k.Mechanism) })
	if i < 0 {
		return nil
	}
	return &logins[i]
}

// checkLogin sees to it that what a mechanism needs is set, and nothing of another.
func (k *Kafka) checkLogin(p *problems) {
	const name = "KAFKA_SASL_MECHANISM"
	var known []string
	for _, l := range k.logins() {
		known = append(known, l.mechanisms...)
	}
	mine := k.login()
	switch {
	case k.Mechanism != "" && mine == nil:
		p.add(name, "%s is not known; expected %s", quote(k.Mechanism), strings.Join(known, ", "))
		return
	case mine != nil:
		mine.check(p)
	}
	for _, l := range k.logins() {
		switch set := l.set(); {
		case set == "", slices.Contains(l.mechanisms, k.Mechanism):
		case k.Mechanism == "":
			p.add(name, "required with %s; expected %s", l.settings, strings.Join(l.mechanisms, ", "))
		default:
			p.add(set, "is for KAFKA_SASL_MECHANISM=%s, not for %s; leave it unset", strings.Join(l.mechanisms, ", "), k.Mechanism)
		}
	}
}

// unshown refuses a mechanism that sends a secret as it is over connections that others can read.
func (k *Kafka) unshown(p *problems, secret, others string) {
	p.require(!k.shown(), "KAFKA_SASL_MECHANISM", "%s without TLS shows the %s to everybody on the way; expected KAFKA_TLS=on%s", k.Mechanism, secret, others)
}

func (k *Kafka) userSet() string {
	switch {
	case k.Username != "":
		return "KAFKA_SASL_USERNAME"
	case k.Password.IsSet():
		return k.Password.Variable()
	}
	return ""
}

func (k *Kafka) checkUser(p *problems) {
	p.require(k.Username != "", "KAFKA_SASL_USERNAME", "required with KAFKA_SASL_MECHANISM=%s", k.Mechanism)
	p.require(k.Password.IsSet(), "KAFKA_SASL_PASSWORD", "required with KAFKA_SASL_MECHANISM=%s (or KAFKA_SASL_PASSWORD_FILE)", k.Mechanism)
	if k.Mechanism == "PLAIN" {
		k.unshown(p, "password", ", or SCRAM-SHA-256 or SCRAM-SHA-512")
	}
}

func (k *Kafka) bearerSet() string {
	switch {
	case k.TokenFile.IsSet():
		return k.TokenFile.Variable()
	case k.Extensions != nil:
		return "KAFKA_SASL_OAUTH_EXTENSIONS"
	}
	return k.oauth().set()
}

func (k *Kafka) checkBearer(p *problems) {
	const name = "KAFKA_SASL_OAUTH_TOKEN_FILE"
	file, set := k.TokenFile.IsSet(), k.oauth().set()
	p.require(file || set != "", name, "there is no token; expected this, or KAFKA_SASL_OAUTH_TOKEN_URL, KAFKA_SASL_OAUTH_CLIENT_ID and KAFKA_SASL_OAUTH_CLIENT_SECRET (or KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE)")
	p.require(!file || set == "", name, "is set, and so is %s; expected one way to a token", set)
	k.unshown(p, "token", "")
}

func (k *Kafka) awsSet() string {
	if k.AWSRegion != "" {
		return "KAFKA_AWS_REGION"
	}
	return ""
}

func (k *Kafka) checkAWS(p *problems) {
	p.require(k.TLS, "KAFKA_TLS", "required to be on with KAFKA_SASL_MECHANISM=%s", k.Mechanism)
	p.require(k.region() != "" || !p.ok("KAFKA_BROKERS", "KAFKA_AWS_REGION"), "KAFKA_AWS_REGION", "required with KAFKA_SASL_MECHANISM=%s where the names in KAFKA_BROKERS do not hold it", k.Mechanism)
}

// region is the one that is set, or else the one that the brokers' names hold.
func (k *Kafka) region() string {
	region := k.AWSRegion
	for _, b := range k.Brokers {
		region = cmp.Or(region, awsiam.RegionOf(b))
	}
	return region
}

// region reads the name of one.
func region(s string) (string, error) {
	if !regionName.MatchString(s) {
		return "", fmt.Errorf("%s is not the name of a region; expected one like eu-central-1", quote(s))
	}
	return s, nil
}

var regionName = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)

// oauth is the client that gets the tokens for OAUTHBEARER.
func (k *Kafka) oauth() client { return clientOf("KAFKA_SASL_OAUTH_", "the brokers", &k.OAuth) }

func (k *Kafka) bearer() producer.Mechanism {
	if k.TokenFile.IsSet() {
		return producer.Bearer{Token: oauth.Ready{Secret: k.TokenFile}, Extensions: k.Extensions, Watched: true}
	}
	return producer.Bearer{Token: &k.oauth().Client, Extensions: k.Extensions}
}
