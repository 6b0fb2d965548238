package config

import (
	"net"
	"strings"
)

// Kafka tells how to reach the cluster.
type Kafka struct {
	Brokers     []string // host:port
	Compression string   // none, gzip, snappy, lz4 or zstd
}

func (k *Kafka) settings() []*setting {
	return []*setting{
		{name: "KAFKA_BROKERS", unset: "required", value: of(&k.Brokers, list), check: k.checkBrokers,
			doc: "`host:port,...` of one or more brokers to begin with"},
		{name: "KAFKA_COMPRESSION", preset: "zstd", value: choice(&k.Compression, "none", "gzip", "snappy", "lz4", "zstd"),
			doc: "`none`, `gzip`, `snappy`, `lz4` or `zstd`"},
	}
}

func (k *Kafka) checkBrokers(p *problems) {
	p.require(len(k.Brokers) > 0, "KAFKA_BROKERS", "required; expected host:port,...")
	for _, b := range k.Brokers {
		host, port, err := net.SplitHostPort(b)
		p.require(err == nil && host != "" && !strings.ContainsAny(host, "/@ \t") && portOK(port, false),
			"KAFKA_BROKERS", "%s is not a host:port", quote(b))
	}
}
