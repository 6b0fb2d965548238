package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"
)

// ExpiresSoon is how much of a certificate's life must be left to say nothing of it.
const ExpiresSoon = 30 * 24 * time.Hour

// keyFile is the path of a key. Somebody will put the key itself there, so it is quoted only where such a file exists.
func keyFile(into *string) value {
	v := plain(into)
	v.show = func(text string) string {
		if _, err := os.Stat(text); text != "" && err != nil {
			return "[no such file]"
		}
		return text
	}
	return v
}

func (k *Kafka) checkTLS(p *problems) {
	p.require(k.TLS || k.CAFile == "" && k.CertFile == "" && k.KeyFile == "" && k.ServerName == "", "KAFKA_TLS", "required to be on with the other settings of TLS")
}

// keyPair is a certificate with its key, and what their settings are called.
type keyPair struct {
	certName, keyName string
	certFile, keyFile *string
}

func (k *Kafka) pair() keyPair {
	return keyPair{certName: "KAFKA_TLS_CERT_FILE", keyName: "KAFKA_TLS_KEY_FILE", certFile: &k.CertFile, keyFile: &k.KeyFile}
}

// check names the file to look at. Its errors do not contain the key's path.
func (k keyPair) check(p *problems) {
	if *k.certFile == "" && *k.keyFile == "" {
		return
	}
	p.require(*k.certFile != "", k.certName, "required with %s", k.keyName)
	p.require(*k.keyFile != "", k.keyName, "required with %s", k.certName)
	if !p.ok(k.certName, k.keyName) {
		return
	}
	chain, leaf, err := certificateIn(*k.certFile)
	if err == nil && time.Now().After(leaf.NotAfter) {
		err = fmt.Errorf("expired on %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if err != nil {
		p.add(k.certName, "%s: %v; expected a file with a PEM certificate that is valid", quote(*k.certFile), err)
	}
	key, err := readable(*k.keyFile, largestFile)
	if err == nil && p.ok(k.certName) {
		_, err = tls.X509KeyPair(chain, key)
	}
	if err != nil {
		p.add(k.keyName, "%v; expected the path of a file with the PEM key of %s", err, k.certName)
	}
}

// expiry is a warning of a certificate that is about to expire; "" where there is none.
func (k keyPair) expiry() string {
	if *k.certFile == "" {
		return ""
	}
	_, leaf, err := certificateIn(*k.certFile)
	if err != nil || time.Until(leaf.NotAfter) >= ExpiresSoon {
		return ""
	}
	return k.certName + ": the certificate expires on " + leaf.NotAfter.UTC().Format(time.RFC3339)
}

// certificateIn returns the content of a file and the first certificate in it.
func certificateIn(path string) (content []byte, leaf *x509.Certificate, err error) {
	if content, err = readable(path, largestFile); err != nil {
		return nil, nil, err
	}
	for rest := content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, nil, errors.New("no certificate in it")
		}
		if block.Type == "CERTIFICATE" {
			leaf, err = x509.ParseCertificate(block.Bytes)
			return content, leaf, err
		}
	}
}

// Certificate is the one that is shown to brokers; nil for none.
func (k *Kafka) Certificate() (*x509.Certificate, error) {
	if k.CertFile == "" {
		return nil, nil
	}
	_, leaf, err := certificateIn(k.CertFile)
	return leaf, err
}

// shown reports whether what is sent to the brokers can be read by others.
func (k *Kafka) shown() bool {
	return !k.TLS && slices.ContainsFunc(k.Brokers, func(b string) bool {
		host, _, err := net.SplitHostPort(b)
		return err == nil && !loopback(host)
	})
}

// Warnings returns what is allowed but may not be meant, a line for each, naming the setting. A process logs them once, when it starts.
func (p *Process) Warnings() []string {
	var warnings []string
	if p.Kafka.Mechanism != "" && p.Kafka.shown() {
		warnings = append(warnings, "KAFKA_TLS is off: others on the way to the brokers can read what is published, guess at the password and take the connection over")
	}
	for _, k := range []keyPair{p.Kafka.pair(), p.Registry.pair()} {
		if text := k.expiry(); text != "" {
			warnings = append(warnings, text)
		}
	}
	return warnings
}
