package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/cmd/internal/proof/scenario"
	"github.com/convstream/convstream/producer/authority"
)

// The secured listeners of the cluster. Each has an authority of its own, so that one can be replaced without the others.
const (
	mutualListener = "MUTUAL" // certificates on both sides
	plainListener  = "PLAIN"  // offers PLAIN
	scramListener  = "SCRAM"  // offers SCRAM, both, and OAUTHBEARER
)

// sessionLife is how long brokers let a session of SCRAM-SHA-256 live. Longer than twice what a worker takes to look at it.
const sessionLife = 25 * time.Second

const plainUser, firstPassword = "plain-user", "Wintergarten 1"

// keys are the certificates of a listener: its authority, and files that the brokers read.
type keys struct {
	dir  string
	made int // files
	ca   *authority.Authority
	pair authority.Pair // the brokers'
}

func newKeys(dir string) (*keys, error) {
	k := &keys{dir: dir}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		k.ca, err = authority.New("the first authority")
	}
	if err == nil {
		err = k.renew()
	}
	return k, err
}

// renew makes another certificate for the brokers.
func (k *keys) renew() (err error) {
	k.pair, err = k.ca.Issue(time.Hour, "localhost", "127.0.0.1")
	return err
}

// settings are what brokers must be told to read, in files that were not there before: they may have read the others already.
func (k *keys) settings(trusted ...[]byte) (map[string]string, error) {
	k.made++
	store, trust := filepath.Join(k.dir, fmt.Sprintf("store-%d.pem", k.made)), filepath.Join(k.dir, fmt.Sprintf("trust-%d.pem", k.made))
	err := os.WriteFile(store, slices.Concat(k.pair.Key, k.pair.Cert), 0o600)
	if err == nil {
		err = os.WriteFile(trust, slices.Concat(trusted...), 0o600)
	}
	return map[string]string{
		"ssl.keystore.type": "PEM", "ssl.keystore.location": store, "ssl.truststore.type": "PEM", "ssl.truststore.location": trust,
	}, err
}

// secured adds the secured listeners to a cluster that is to be, and what they need.
func secured(c *kraft.Config, dir string) (err error) {
	if c.Secured, kafka.keys, err = securedListeners(dir); err != nil {
		return err
	}
	if kafka.issuer, err = newIssuer(); err != nil {
		return err
	}
	c.Settings, c.System = kafka.issuer.brokers()
	maps.Copy(c.Settings, kraft.Authorizer())
	return nil
}

// securedListeners are the listeners, and the keys of each.
func securedListeners(dir string) (list []kraft.Listener, held map[string]*keys, err error) {
	held = map[string]*keys{}
	for _, name := range []string{mutualListener, plainListener, scramListener} {
		k, err := newKeys(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, err
		}
		settings, err := k.settings(k.ca.PEM)
		if err != nil {
			return nil, nil, err
		}
		l := kraft.Listener{Name: name, Protocol: "SASL_SSL", Settings: settings}
		switch name {
		case mutualListener:
			l.Protocol, settings["ssl.client.auth"] = "SSL", "required"
		case plainListener:
			settings["sasl.enabled.mechanisms"] = "PLAIN"
			settings["plain.sasl.jaas.config"] = plainUsers(firstPassword)
		case scramListener:
			settings["sasl.enabled.mechanisms"] = "SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
			settings["oauthbearer.sasl.jaas.config"] = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
			settings["oauthbearer.sasl.server.callback.handler.class"] = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
			for _, m := range []string{"scram-sha-256", "scram-sha-512"} {
				settings[m+".sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
			}
			settings["scram-sha-256.connections.max.reauth.ms"] = fmt.Sprint(sessionLife.Milliseconds())
		}
		list, held[name] = append(list, l), k
	}
	return list, held, nil
}

// plainUsers is what a listener with PLAIN knows. It is read when a broker starts.
func plainUsers(password string) string {
	return fmt.Sprintf(`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, plainUser, password)
}

// mount is a folder of files as Kubernetes mounts a Secret: links into another folder, which is replaced as a whole.
type mount struct {
	t    *testing.T
	dir  string
	made int
	has  map[string][]byte
}

func newMount(t *testing.T) *mount {
	t.Helper()
	return &mount{t: t, dir: t.TempDir(), has: map[string][]byte{}}
}

func (m *mount) path(name string) string { return filepath.Join(m.dir, name) }

// put replaces some of the files, all at once.
func (m *mount) put(files map[string][]byte) {
	m.t.Helper()
	maps.Copy(m.has, files)
	m.made++
	data, link, young := fmt.Sprintf("..%d", m.made), m.path("..data"), m.path("..young")
	errs := []error{os.Mkdir(m.path(data), 0o700)}
	for name, content := range m.has {
		errs = append(errs, os.WriteFile(filepath.Join(m.path(data), name), content, 0o600))
	}
	errs = append(errs, os.Symlink(data, young), os.Rename(young, link))
	for name := range files {
		if _, err := os.Lstat(m.path(name)); err != nil {
			errs = append(errs, os.Symlink(filepath.Join("..data", name), m.path(name)))
		}
	}
	for _, err := range errs {
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// securedWorld is a world whose workers come in through a secured listener, directly, and may do there what the documents say
// that they need.
type securedWorld struct {
	*realWorld
	listener  string
	keys      *keys
	mount     *mount
	principal string
	workers   []*realWorker // all there have been
}

const (
	caFile, certFile, keyFile, passwordFile = "ca.crt", "tls.crt", "tls.key", "password"
)

// newSecuredWorld is one without a login yet, and without a permission.
func newSecuredWorld(t *testing.T, name, listener string, seed uint64) *securedWorld {
	t.Helper()
	cluster := startKafka(t)
	w := &securedWorld{
		realWorld: &realWorld{
			kafka: cluster, seen: newTransactions(), prefix: fmt.Sprintf("%s-%d.", name, realWorlds.Add(1)), dice: rand.New(rand.NewPCG(seed, 42)),
		},
		listener: listener, keys: kafka.keys[listener], mount: newMount(t),
	}
	w.world = newWorldOn(t, cluster.BrokersOf(listener), w.prefix, realService(seed), realSettings())
	w.brokers = cluster.Brokers() // the judge has a way of its own
	w.mount.put(map[string][]byte{caFile: w.keys.ca.PEM})
	maps.Copy(w.env, map[string]string{"LEASE_TIMEOUT": "6s", "KAFKA_TLS": "on", "KAFKA_TLS_CA_FILE": w.mount.path(caFile)})
	return w
}

// showsCertificate has workers show a certificate, and has brokers know them by it.
func (w *securedWorld) showsCertificate() {
	w.t.Helper()
	w.principal = "User:CN=" + w.name()
	w.certified(w.keys.ca)
	w.env["KAFKA_TLS_CERT_FILE"], w.env["KAFKA_TLS_KEY_FILE"] = w.mount.path(certFile), w.mount.path(keyFile)
}

// name is the world's, without what brokers would read as a part of a name.
func (w *securedWorld) name() string { return strings.TrimSuffix(w.prefix, ".") }

// certified makes the worker's certificate anew.
func (w *securedWorld) certified(by *authority.Authority) {
	w.t.Helper()
	pair, err := by.Issue(time.Hour, w.name())
	w.must(err)
	w.mount.put(map[string][]byte{certFile: pair.Cert, keyFile: pair.Key})
}

// logsIn has workers log in as the user.
func (w *securedWorld) logsIn(mechanism, user string) {
	w.t.Helper()
	w.principal = "User:" + user
	w.mount.put(map[string][]byte{passwordFile: []byte(firstPassword + "\n")})
	maps.Copy(w.env, map[string]string{
		"KAFKA_SASL_MECHANISM": mechanism, "KAFKA_SASL_USERNAME": user, "KAFKA_SASL_PASSWORD_FILE": w.mount.path(passwordFile),
	})
}

// scramUser makes a user of the world's own, and has workers log in as that.
func (w *securedWorld) scramUser(mechanism string) {
	w.t.Helper()
	w.do(func(ctx context.Context) error { return w.kafka.SetPassword(ctx, w.name(), firstPassword) })
	w.logsIn(mechanism, w.name())
}

// getsTokens has workers get tokens as a client of the world's own.
func (w *securedWorld) getsTokens() {
	w.t.Helper()
	w.principal = "User:" + w.name()
	kafka.issuer.knows(w.name(), firstPassword)
	w.mount.put(map[string][]byte{passwordFile: []byte(firstPassword)})
	maps.Copy(w.env, map[string]string{
		"KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SASL_OAUTH_TOKEN_URL": kafka.issuer.URL + tokenPath,
		"KAFKA_SASL_OAUTH_CLIENT_ID": w.name(), "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE": w.mount.path(passwordFile),
	})
}

// allowed gives the principal what the documents say that it needs.
func (w *securedWorld) allowed() {
	w.t.Helper()
	acls := documentedACLs(w.t, w.prefix, w.principal)
	w.do(func(ctx context.Context) error { return w.kafka.Allow(ctx, acls...) })
}

// brokersUse has the brokers of the listener show the present certificate, and trust these authorities.
func (w *securedWorld) brokersUse(trusted ...[]byte) {
	w.t.Helper()
	settings, err := w.keys.settings(trusted...)
	w.must(err)
	w.do(func(ctx context.Context) error { return w.kafka.Alter(ctx, w.listener, settings) })
}

// pair starts two workers, and returns which of them works.
func (w *securedWorld) pair() (active, standby *realWorker) {
	w.t.Helper()
	a, b := w.begin(), w.begin()
	if active, standby = w.awaitRole(scenario.Active, a, b), a; active == a {
		standby = b
	}
	w.awaitRole(scenario.Standby, standby)
	w.AwaitCommits(2)
	return active, standby
}

func (w *securedWorld) begin() *realWorker {
	w.t.Helper()
	p := w.Start("", nil).(*realWorker)
	w.workers = append(w.workers, p)
	return p
}

// changeOver kills the active worker with another taking over, and then updates as a Deployment does.
func (w *securedWorld) changeOver(active, standby *realWorker) (now, other *realWorker) {
	w.t.Helper()
	time.Sleep(time.Duration(w.dice.Int64N(int64(realPoll)))) // anywhere between two polls
	active.Kill()
	active, standby = w.awaitRole(scenario.Active, standby), w.begin()
	w.awaitRole(scenario.Standby, standby)
	w.AwaitCommits(1)
	young := w.begin()
	w.awaitRole(scenario.Standby, young)
	active.Drain()
	if now, other = w.awaitRole(scenario.Active, standby, young), young; now == young {
		other = standby
	}
	w.AwaitCommits(1)
	return now, other
}
