package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/proof/lan"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/producer/authority"
)

const (
	accountID = "65269fe0dd9c622245c10000"
	token     = "a.to.ken"
	prefix    = "conversations."
)

// plan is a world in which all is well, but for what a test changes.
type plan struct {
	env      map[string]string
	service  simulator.Config
	answer   http.HandlerFunc // of the service instead; nil: the simulator's
	brokers  int
	kafka    []kfake.Opt
	listen   func(net.Listener) net.Listener // how brokers listen; nil: as they are
	topics   map[string]map[string]string    // settings by short name; those that are not in it do not exist
	parts    map[string]int32                // partitions, else 1
	schema   *srfake.Registry
	registry func(method, path string) (status int, body string) // its answer instead; status 0: its own
	prepare  func(*world)
	others   []string // ids of accounts that the service takes for accountID

	mayDescribe bool        // we may describe the cluster, and so see ACLs
	denials     []kfake.ACL // DENY ACLs of ours
}

func wellPlanned() *plan {
	p := &plan{
		env: map[string]string{
			"SMARTASSIST_URL": "http://127.0.0.1:8181", "SMARTASSIST_ACCOUNT_ID": accountID, "SMARTASSIST_JWT": token,
			"KAFKA_BROKERS": "localhost:9092", "SCHEMA_REGISTRY_URL": "http://localhost:8081",
		},
		service: simulator.Config{Seed: 1, AccountID: accountID, JWT: token, History: 48 * time.Hour, PerMinute: 1},
		brokers: 3, topics: map[string]map[string]string{}, parts: map[string]int32{},
		schema: srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatFullTransitive)),
	}
	for _, name := range []string{"voice", "rtm", "agentassist", "other", "progress", "dead-letter"} {
		p.topics[name] = map[string]string{"min.insync.replicas": "2", "retention.ms": "1209600000"}
	}
	p.topics["dead-letter"]["max.message.bytes"] = "10485760"
	p.topics["state"] = map[string]string{"min.insync.replicas": "2", "cleanup.policy": "compact"}
	return p
}

// world is what came of a plan.
type world struct {
	*plan
	t       *testing.T
	network lan.Network
	cluster *kfake.Cluster
	asked   map[string]int // requests to the service, by the path, which has the account
	closes  []func()
}

// inWorld runs the test in a bubble of virtual time.
func inWorld(t *testing.T, change func(*plan), test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := wellPlanned()
		change(p)
		w := &world{plan: p, t: t, asked: map[string]int{}}
		var mu sync.Mutex
		service, err := simulator.New(p.service)
		w.must(err)
		defer w.serve(8181, func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			w.asked[r.URL.Path]++
			mu.Unlock()
			for _, id := range p.others { // all accounts are like the one
				r.URL.Path = strings.Replace(r.URL.Path, id, accountID, 1)
				if r.Header.Get("accountId") == id {
					r.Header.Set("accountId", accountID)
				}
			}
			if p.answer != nil {
				p.answer(rw, r)
				return
			}
			service.ServeHTTP(rw, r)
		})()
		defer w.serve(8081, w.asRegistry)()
		w.startKafka()
		defer w.cluster.Close()
		defer func() {
			for _, closes := range w.closes {
				closes()
			}
		}()
		if p.prepare != nil {
			p.prepare(w)
		}
		test(w)
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) serve(port int, h http.HandlerFunc) (end func()) {
	l, err := w.network.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	w.must(err)
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	return func() { _ = server.Close() }
}

func (w *world) asRegistry(rw http.ResponseWriter, r *http.Request) {
	if w.registry != nil {
		if status, body := w.registry(r.Method, r.URL.Path); status > 0 {
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
			return
		}
	}
	w.schema.Handler().ServeHTTP(rw, r)
}

func (w *world) startKafka() {
	var ports []int
	for i := range w.brokers {
		ports = append(ports, 9092+i)
	}
	listen := func(network, address string) (net.Listener, error) {
		l, err := w.network.Listen(network, address)
		if err == nil && w.listen != nil {
			l = w.listen(l)
		}
		return l, err
	}
	var err error
	w.cluster, err = kfake.NewCluster(append(w.kafka, kfake.NumBrokers(w.brokers), kfake.Ports(ports...), kfake.ListenFn(listen))...)
	w.must(err)
	for name, settings := range w.topics {
		w.must(w.cluster.CreateTopic(prefix+name, max(1, w.parts[name]), settings))
	}
}

// check returns the report, or why there is none.
func (w *world) check() (Report, error) { return w.checkWithin(w.t.Context()) }

func (w *world) checkWithin(ctx context.Context) (Report, error) {
	lookup := func(name string) (string, bool) { v, ok := w.env[name]; return v, ok }
	process, accounts, err := config.LoadAll(lookup, nil)
	if err != nil {
		return Report{}, err
	}
	return Run(ctx, Config{Process: process, Accounts: accounts, Network: worker.Network{Dial: w.dial}}), nil
}

// dial is that of the network, whose errors are as those of real ones.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := w.network.DialContext(ctx, network, address)
	if err != nil && ctx.Err() == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return conn, err
}

// text is what a person sees of it.
func (w *world) text() string {
	r, err := w.check()
	if err != nil {
		return err.Error() + "\n"
	}
	var out bytes.Buffer
	w.must(r.Text(&out))
	return out.String()
}

func (p *plan) set(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		p.env[pairs[i]] = pairs[i+1]
	}
}

// secure gives the brokers a certificate, and us the authority that signed it and a certificate of our own.
func (p *plan) secure(t *testing.T, valid, ownValid time.Duration, host string) {
	ca, err := authority.New("the authority")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		p.set("KAFKA_TLS_"+name+"_FILE", filepath.Join(dir, name))
	}
	servers, err := ca.Issue(valid, host)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ca.Issue(ownValid, "worker")
	if err != nil {
		t.Fatal(err)
	}
	write("CA", ca.PEM)
	write("CERT", own.Cert)
	write("KEY", own.Key)
	p.set("KAFKA_TLS", "on")
	p.kafka = append(p.kafka, kfake.TLS(serverTLS(t, servers)))
}

// permissions are the table in deploy/CONFIGURATION.md.
var permissions = map[string]kfake.ACL{}

func init() {
	topic := kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: prefix, Pattern: kmsg.ACLResourcePatternTypePrefixed, Allow: true}
	for name, op := range map[string]kmsg.ACLOperation{
		"Create": kmsg.ACLOperationCreate, "DescribeConfigs": kmsg.ACLOperationDescribeConfigs,
		"Read": kmsg.ACLOperationRead, "Write": kmsg.ACLOperationWrite,
	} {
		topic.Operation = op
		permissions["topic "+name] = topic
	}
	permissions["transactional id Write"] = kfake.ACL{
		Resource: kmsg.ACLResourceTypeTransactionalId, Name: prefix + "convstream.", Pattern: kmsg.ACLResourcePatternTypePrefixed, Operation: kmsg.ACLOperationWrite, Allow: true,
	}
	permissions["group Read"] = kfake.ACL{
		Resource: kmsg.ACLResourceTypeGroup, Name: prefix + "convstream-lease", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true,
	}
}

// without gives us all permissions but some.
func (p *plan) without(some ...string) {
	acls := maps.Clone(permissions)
	for _, name := range some {
		delete(acls, name)
	}
	all := []kfake.ACL{}
	for _, a := range acls {
		all = append(all, a)
	}
	if p.mayDescribe {
		all = append(all, kfake.ACL{Resource: kmsg.ACLResourceTypeCluster, Name: "kafka-cluster", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationDescribe, Allow: true})
	}
	all = append(all, p.denials...)
	p.kafka = append(p.kafka, kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "worker", "pass word", all...))
	p.set("KAFKA_SASL_MECHANISM", "PLAIN", "KAFKA_SASL_USERNAME", "worker", "KAFKA_SASL_PASSWORD", "pass word")
}

// deny gives us all permissions, and a DENY for one of them, or for all operations of its kind: on one topic, or on what the permission
// is for.
func (p *plan) deny(permission, topic string) {
	d, one := permissions[permission]
	if !one {
		d = permissions[permission+" Read"]
		d.Operation = kmsg.ACLOperationAll
	}
	if d.Allow = false; topic != "" {
		d.Name, d.Pattern = prefix+topic, kmsg.ACLResourcePatternTypeLiteral
	}
	p.denials = append(p.denials, d)
	p.without()
}

// accounts are so many, the logins of the last of which are refused.
func (p *plan) accounts(t *testing.T, n, refused int) {
	dir := t.TempDir()
	for i := range n {
		id, login := fmt.Sprintf("account-%03d", i), token
		if i >= n-refused {
			login = "another.to.ken"
		}
		if err := os.WriteFile(filepath.Join(dir, id+".env"), []byte("SMARTASSIST_ACCOUNT_ID="+id+"\nSMARTASSIST_JWT="+login), 0o600); err != nil {
			t.Fatal(err)
		}
		p.others = append(p.others, id)
	}
	p.set("ACCOUNTS_DIR", dir, "SMARTASSIST_ACCOUNT_ID", "", "SMARTASSIST_JWT", "")
}
