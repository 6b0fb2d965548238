package producer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// TLS configures encryption. Its files are read again for each connection, because they are replaced while the process runs.
type TLS struct {
	CAFile            string // PEM certificates that are trusted besides the system's; "" for none
	CertFile, KeyFile string // PEM, the client certificate; "" for none
	ServerName        string // in the brokers' certificates; "" means the host of each broker's address
}

// config reads the files. Its errors name the setting.
func (t *TLS) config(address string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if c.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		c.ServerName = host
	}
	var err error
	if c.RootCAs, err = t.rootCAs(); err != nil {
		return nil, fmt.Errorf("KAFKA_TLS_CA_FILE: %w", err)
	}
	if t.CertFile != "" {
		own, err := t.clientCertificate()
		if err != nil {
			return nil, fmt.Errorf("KAFKA_TLS_CERT_FILE, KAFKA_TLS_KEY_FILE: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

// clientCertificate reads the client certificate.
func (t *TLS) clientCertificate() (tls.Certificate, error) {
	return tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
}

func (t *TLS) rootCAs() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	content, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // the system has none
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, errors.New("the file has no certificate")
	}
	return pool, nil
}

// handshake makes conn a TLS connection. asked reports whether the broker has asked for a certificate and got none; it may be called
// at any time.
func (t *TLS) handshake(ctx context.Context, conn net.Conn, address string) (secured net.Conn, asked func() bool, err error) {
	cfg, err := t.config(address)
	if err != nil {
		return nil, nil, &peerError{address: address, category: Encryption, text: "was not reached: " + err.Error(), hint: "correct the file; it is read again", err: err}
	}
	var without bool
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if len(cfg.Certificates) == 0 {
			without = true
			return &tls.Certificate{}, nil
		}
		return &cfg.Certificates[0], nil // even if the broker does not name its authority: the broker's error says what is wrong
	}
	asked = func() bool { return without }
	c := tls.Client(conn, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, nil, explainTLS(address, err, without)
	}
	return c, asked, nil
}

// explainTLS returns an error of a TLS connection as what it means, with the setting to check. In TLS 1.3 the broker verifies our
// certificate after the handshake.
func explainTLS(address string, err error, asked bool) error {
	e := &peerError{address: address, category: Encryption, err: err}
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		noTLS     tls.RecordHeaderError
		remote    *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		e.text, e.hint = "has a certificate signed by an unknown authority", "set KAFKA_TLS_CA_FILE to the certificate of that authority"
	case errors.As(err, &name):
		e.text, e.hint = fmt.Sprintf("has a certificate for %s, not for %s", namesOf(name.Certificate), name.Host), "set KAFKA_TLS_SERVER_NAME to a name that the certificate has"
	case errors.As(err, &invalid):
		e.text, e.hint = "has a certificate that is not valid: "+validity(invalid), "renew the broker's certificate; if it is valid, correct this machine's clock"
	case errors.As(err, &noTLS):
		e.text, e.hint = "does not speak TLS", "set KAFKA_TLS=off, or check the port in KAFKA_BROKERS"
	case errors.As(err, &remote) && remote.Op == "remote error":
		e.text, e.hint = explainAlert(remote.Err.Error(), asked)
	case hungUp(err) && asked:
		e.text, e.hint = explainAlert("certificate required", asked)
	case hungUp(err):
		e.text, e.hint = "closed the connection in the TLS handshake", "a listener without TLS does so: set KAFKA_TLS=off, or check the port in KAFKA_BROKERS"
	case errors.Is(err, context.DeadlineExceeded):
		e.text, e.hint = "does not answer in the TLS handshake", "set KAFKA_TLS=off if the listener is without TLS, or check the port in KAFKA_BROKERS"
	default:
		return err
	}
	return e
}

// explainAlert returns what a TLS alert of the broker means, by its text: its type is not exported.
func explainAlert(alert string, asked bool) (text, hint string) {
	ours := slices.ContainsFunc([]string{"certificate", "handshake failure", "access denied"}, func(part string) bool { return strings.Contains(alert, part) })
	switch {
	case asked && ours:
		return "wants a client certificate", "set KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE"
	case strings.Contains(alert, "certificate"):
		return "refuses the client certificate: " + alert, "check KAFKA_TLS_CERT_FILE: it has expired, or the broker does not trust its authority"
	}
	return "refuses TLS: " + alert, "the brokers' logs say why"
}

// hungUp reports whether the peer closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

func namesOf(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name"
	}
	const enough = 10
	if len(names) > enough {
		names = append(names[:enough], "...")
	}
	return strings.Join(names, ", ")
}

func validity(e x509.CertificateInvalidError) string {
	if e.Reason != x509.Expired {
		return e.Error()
	}
	return fmt.Sprintf("it is valid from %s to %s", e.Cert.NotBefore.UTC().Format(time.RFC3339), e.Cert.NotAfter.UTC().Format(time.RFC3339))
}
