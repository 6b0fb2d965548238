package config

import (
	"net"
	"strings"

	"github.com/convstream/convstream/cmd/internal/awsiam"
	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Kafka tells how to reach the cluster.
type Kafka struct {
	Brokers     []string // host:port
	Compression string   // none, gzip, snappy, lz4 or zstd

	TLS        bool
	CAFile     string // path of PEM certificates trusted besides the system's; "" for none
	CertFile   string // paths of a PEM certificate and its key that are shown to brokers; "" for none
	KeyFile    string
	ServerName string // in the brokers' certificates; "" is the host of each broker

	Mechanism string        // of SASL, in capitals; "" for no login
	Username  string        // for PLAIN and SCRAM
	Password  secret.Secret // for PLAIN and SCRAM
	// For OAUTHBEARER: a file with a ready token, or a client that gets tokens, which copies of this share.
	TokenFile  secret.Secret
	OAuth      *OAuth
	Extensions map[string]string // for OAUTHBEARER; nil for none
	// For AWS_MSK_IAM: the region, "" where the brokers' names hold it, and the login, which copies of this share.
	AWSRegion string
	AWS       *awsiam.Login
}

func (k *Kafka) settings() []*setting {
	password := passwordOf("KAFKA_SASL_PASSWORD", &k.Password)
	token := passwordOf("KAFKA_SASL_OAUTH_TOKEN", &k.TokenFile)
	rows := []*setting{
		{name: "KAFKA_BROKERS", unset: "required", value: of(&k.Brokers, list), check: k.checkBrokers,
			doc: "`host:port,...` of one or more brokers to begin with"},
		{name: "KAFKA_COMPRESSION", preset: "zstd", value: choice(&k.Compression, "none", "gzip", "snappy", "lz4", "zstd"),
			doc: "`none`, `gzip`, `snappy`, `lz4` or `zstd`"},
		{name: "KAFKA_TLS", preset: "off", value: of(&k.TLS, onOff), check: k.checkTLS,
			doc: "`on`: connections are secured with TLS 1.2 or later. The files below are read again for each connection; when one changes, connections are made anew within a minute"},
		{name: "KAFKA_TLS_CA_FILE", value: certificates(&k.CAFile),
			doc: "PEM certificates to trust for the brokers besides the system's"},
		{name: "KAFKA_TLS_CERT_FILE", value: plain(&k.CertFile), check: k.pair().check,
			doc: "PEM certificate to show to brokers that ask for one, with those between it and its authority"},
		{name: "KAFKA_TLS_KEY_FILE", value: keyFile(&k.KeyFile),
			doc: "PEM key that belongs to the certificate, not encrypted"},
		{name: "KAFKA_TLS_SERVER_NAME", unset: "each broker's host", value: plain(&k.ServerName),
			doc: "the name that the brokers' certificates have, where it is not the host of their addresses"},
		{name: "KAFKA_SASL_MECHANISM", unset: "no login", value: of(&k.Mechanism, func(s string) (string, error) { return strings.ToUpper(s), nil }), check: k.checkLogin,
			doc: "login to the brokers: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512` with a user, `OAUTHBEARER` with a token, `AWS_MSK_IAM` with AWS credentials. `PLAIN` and `OAUTHBEARER` beyond loopback only with TLS, `AWS_MSK_IAM` only with TLS"},
		{name: "KAFKA_SASL_USERNAME", value: plain(&k.Username),
			doc: "the user that logs in"},
		{name: "KAFKA_SASL_PASSWORD", value: password.direct(),
			doc: "the password that belongs to the user"},
		{name: "KAFKA_SASL_PASSWORD_FILE", value: password.path(),
			doc: "a file that holds the password instead; read again for each connection; when it changes, connections are made anew within a minute"},
		{name: "KAFKA_SASL_OAUTH_TOKEN_FILE", value: token.path(),
			doc: "for `OAUTHBEARER`: a file with a token that something else keeps valid, such as a projected token of a service account; read again for each connection; when it changes, connections are made anew within a minute"},
	}
	rows = append(rows, k.oauth().settings()...)
	if k.AWS == nil {
		k.AWS = &awsiam.Login{}
	}
	return append(rows,
		&setting{name: "KAFKA_SASL_OAUTH_EXTENSIONS", value: of(&k.Extensions, extensions),
			doc: "`name=value,...` sent with the token: Confluent Cloud wants `logicalCluster=lkc-...,identityPoolId=pool-...`"},
		&setting{name: "KAFKA_AWS_REGION", unset: "from the brokers' names", value: of(&k.AWSRegion, region),
			doc: "for `AWS_MSK_IAM`: the region of the cluster, where the names in `KAFKA_BROKERS` are not those that MSK gives. Credentials are found as AWS's tools find them"})
}

func (k *Kafka) checkBrokers(p *problems) {
	p.require(len(k.Brokers) > 0, "KAFKA_BROKERS", "required; expected host:port,...")
	for _, b := range k.Brokers {
		host, port, err := net.SplitHostPort(b)
		p.require(err == nil && host != "" && !strings.ContainsAny(host, "/@ \t") && portOK(port, false),
			"KAFKA_BROKERS", "%s is not a host:port", quote(b))
	}
}
