package awsiam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/producer"
)

var _ producer.Mechanism = (*Login)(nil)

const (
	region = "eu-central-1"
	broker = "b-1.demo.abc123.c2.kafka.eu-central-1.amazonaws.com"
)

// alone leaves nothing of this machine's to the chain.
func alone(t *testing.T, env map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none} {
		t.Setenv(name, value)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// said is what a login sends to a broker.
func said(t *testing.T, l *Login, host string) []byte {
	t.Helper()
	m, err := l.Login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Name() != Mechanism {
		t.Errorf("mechanism %s", m.Name())
	}
	_, login, err := m.Start(sasl.WithMetadata(t.Context(), &sasl.Metadata{Host: host, Port: 9098}))
	if err != nil {
		t.Fatal(err)
	}
	return login
}

// TestSignature: a broker that knows the secret takes the login, and none that differs in anything.
func TestSignature(t *testing.T) {
	for _, token := range []string{"", "a/session+token="} {
		alone(t, map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": exampleSecret, "AWS_SESSION_TOKEN": token})
		login := said(t, new(Login).In(region), broker)
		if err := verify(login, broker, region, "AKIAIOSFODNN7EXAMPLE", exampleSecret, token, time.Now()); err != nil {
			t.Errorf("token %q: %v\n%s", token, err, login)
		}
		if strings.Contains(string(login), exampleSecret) {
			t.Error("the secret is sent")
		}
		for what, err := range map[string]error{
			"another host":   verify(login, "b-2"+broker[3:], region, "AKIAIOSFODNN7EXAMPLE", exampleSecret, token, time.Now()),
			"another region": verify(login, broker, "us-east-1", "AKIAIOSFODNN7EXAMPLE", exampleSecret, token, time.Now()),
			"another secret": verify(login, broker, region, "AKIAIOSFODNN7EXAMPLE", exampleSecret+"x", token, time.Now()),
			"another token":  verify(login, broker, region, "AKIAIOSFODNN7EXAMPLE", exampleSecret, token+"x", time.Now()),
			"an hour later":  verify(login, broker, region, "AKIAIOSFODNN7EXAMPLE", exampleSecret, token, time.Now().Add(time.Hour)),
			"another action": verify([]byte(strings.Replace(string(login), "Connect", "WriteData", 1)), broker, region, "AKIAIOSFODNN7EXAMPLE", exampleSecret, token, time.Now()),
		} {
			if err == nil {
				t.Errorf("token %q, %s: taken", token, what)
			}
		}
	}
}

// provider stands for AWS's STS: each answer has other credentials, good for so long.
type provider struct {
	life time.Duration
	n    atomic.Int64
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("Action") != "AssumeRoleWithWebIdentity" || r.FormValue("WebIdentityToken") != "projected" {
		http.Error(w, "?", http.StatusBadRequest)
		return
	}
	n := p.n.Add(1)
	fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
		<AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>secret-%[1]d</SecretAccessKey><SessionToken>session-%[1]d</SessionToken><Expiration>%s</Expiration>
		</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, n, time.Now().Add(p.life).UTC().Format(time.RFC3339))
}

// TestSessionsAreRenewed: the credentials of a service account's role (EKS) are replaced a minute ahead of their end, and not before.
func TestSessionsAreRenewed(t *testing.T) {
	for life, want := range map[time.Duration]int64{time.Hour: 1, ahead - time.Second: 3} {
		sts := &provider{life: life}
		server := httptest.NewServer(sts)
		token := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(token, []byte("projected"), 0o600); err != nil {
			t.Fatal(err)
		}
		alone(t, map[string]string{"AWS_ENDPOINT_URL_STS": server.URL, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/convstream", "AWS_WEB_IDENTITY_TOKEN_FILE": token})
		l, seen := new(Login).In(region), map[string]bool{}
		for range 3 {
			c, err := l.Credentials(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen[c] = true
		}
		server.Close()
		if sts.n.Load() != want || int64(len(seen)) != want {
			t.Errorf("good for %v: asked %d times, %d different credentials, want %d", life, sts.n.Load(), len(seen), want)
		}
	}
}

// TestNoCredentials: where there are none, and where what should know them is silent, one line says so, in time.
func TestNoCredentials(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, env := range map[string]map[string]string{
		"none":   {},
		"silent": {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://" + silent.Addr().String()},
	} {
		alone(t, env)
		began := time.Now()
		_, err := new(Login).In(region).Login(t.Context())
		if took := time.Since(began); took > 2*patience {
			t.Errorf("%s: after %v", name, took)
		}
		if err == nil || !strings.Contains(err.Error(), "KAFKA_SASL_MECHANISM=AWS_MSK_IAM: no AWS credentials: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOutputOfAProcess: what a credential_process writes holds the credentials, and the SDK quotes it where it is not JSON alone.
func TestOutputOfAProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	process := "[default]\ncredential_process = echo note: {\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"hushhush\"}\n"
	if err := os.WriteFile(path, []byte(process), 0o600); err != nil {
		t.Fatal(err)
	}
	alone(t, map[string]string{"AWS_CONFIG_FILE": path})
	_, err := new(Login).In(region).Login(t.Context())
	if err == nil || !strings.Contains(err.Error(), "credential_process") || strings.Contains(err.Error(), "hushhush") {
		t.Errorf("%v, want one that names the credential_process and quotes nothing of it", err)
	}
}

// iamBroker is a broker that verifies logins.
type iamBroker struct {
	*kfake.Cluster
	Host string        // by which clients know it
	Life time.Duration // of a session; 0: for ever

	mu     sync.Mutex
	known  map[string]known // by access key
	logins int
	last   string // access key of the last that was taken
}

// known is what belongs to an access key.
type known struct{ secret, token string }

// Knows replaces all credentials that it takes.
func (b *iamBroker) Knows(key, secret, token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known = map[string]known{key: {secret, token}}
}

// Last is the access key of the last login that was taken.
func (b *iamBroker) Last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// take verifies a login.
func (b *iamBroker) take(login []byte) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logins++
	for key, k := range b.known {
		if err = verify(login, b.Host, region, key, k.secret, k.token, time.Now()); err == nil {
			b.last = key
			return nil
		}
	}
	return err
}

func newIAMBroker(t *testing.T, options ...kfake.Opt) *iamBroker {
	t.Helper()
	cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &iamBroker{Cluster: cluster, Host: "127.0.0.1"}
	b.Knows("AKIAIOSFODNN7EXAMPLE", exampleSecret, "")
	cluster.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		res := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		res.SupportedMechanisms = []string{Mechanism}
		return res, nil, true
	})
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		res := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		res.SessionLifetimeMillis = b.Life.Milliseconds()
		if err := b.take(req.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes); err != nil {
			res.ErrorCode, res.ErrorMessage = 58, kmsg.StringPtr(err.Error())
		}
		res.SASLAuthBytes = []byte(`{"version":"2020_10_22","request-id":"one"}`)
		return res, nil, true
	})
	return b
}

// TestLogin: through the worker's own connections; a refusal is one line without a secret, and a profile's file is read again.
func TestLogin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	profile := func(secret string) {
		t.Helper()
		text := "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = " + secret + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	profile("not-this-one")
	alone(t, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file})
	b, l := newIAMBroker(t), new(Login).In(region)
	ask := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		_, err := producer.Topics(ctx, producer.Cluster{Brokers: b.ListenAddrs(), ClientID: "test", SASL: l}, "")
		return err
	}
	e, ok := errors.AsType[*producer.Error](ask(time.Second))
	if !ok || e.Category != producer.Login || !strings.Contains(e.Error(), "refuses the AWS credentials with AWS_MSK_IAM") ||
		!strings.Contains(e.Hint, "KAFKA_AWS_REGION") || strings.Contains(e.Error(), "not-this-one") {
		t.Errorf("refused: %v", e)
	}
	profile(exampleSecret)
	// The last try of before may have read the file as it was: then one more is refused, and the next one reads it.
	if err := ask(time.Minute); err != nil {
		t.Errorf("with the right secret in the file: %v", err)
	}
	if b.logins < 2 {
		t.Errorf("%d logins", b.logins)
	}
}

func TestRegionOf(t *testing.T) {
	for address, want := range map[string]string{
		broker + ":9098": region,
		"boot-abc123.c1.kafka-serverless.us-east-1.amazonaws.com:9098": "us-east-1",
		"b-2.x.y.c2.kafka.us-gov-west-1.amazonaws.com:9098":            "us-gov-west-1",
		"b-2.x.y.c2.kafka.cn-north-1.amazonaws.com.cn:9098":            "cn-north-1",
		"kafka.example:9098": "",
		"b-1.kafka.eu-central-1.amazonaws.com.evil.example:9098": "",
		"10.0.0.1": "",
	} {
		if got := RegionOf(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

// TestGrant: every permission that the worker needs has an action of IAM.
func TestGrant(t *testing.T) {
	for resource, operations := range map[string][]string{"topic": {"Create", "DescribeConfigs", "Read", "Write"}, "group": {"Read"}, "transactional-id": {"Write"}} {
		if got := new(Login).Grant(resource, operations); strings.Count(got, "kafka-cluster:") != len(operations) || strings.Contains(got, "kafka-cluster: ") {
			t.Errorf("%s %v: %s", resource, operations, got)
		}
	}
}
