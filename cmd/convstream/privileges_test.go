package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/cmd/internal/proof/scenario"
)

// documentedACLs are those that deploy/CONFIGURATION.md has commands for, of the default prefix, for another one.
func documentedACLs(t *testing.T, prefix, principal string) (acls []kraft.ACL) {
	t.Helper()
	page, err := os.ReadFile("../../deploy/CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if options, ok := strings.CutPrefix(strings.TrimSpace(line), "$acls "); ok {
			acls = append(acls, aclsOf(t, strings.Fields(options), prefix, principal)...)
		}
	}
	if len(acls) == 0 {
		t.Fatal("no command that gives an ACL")
	}
	return acls
}

// aclsOf are what kafka-acls.sh would add.
func aclsOf(t *testing.T, options []string, prefix, principal string) (acls []kraft.ACL) {
	t.Helper()
	a := kraft.ACL{Principal: principal, Pattern: kmsg.ACLResourcePatternTypeLiteral}
	var operations []kmsg.ACLOperation
	for i := 0; i+1 < len(options); i += 2 {
		var err error
		switch value := options[i+1]; options[i] {
		case "--resource-pattern-type":
			a.Pattern, err = kmsg.ParseACLResourcePatternType(value)
		case "--operation":
			var o kmsg.ACLOperation
			o, err = kmsg.ParseACLOperation(value)
			operations = append(operations, o)
		default:
			a.Resource, err = kmsg.ParseACLResourceType(strings.TrimPrefix(options[i], "--"))
			a.Name = strings.Replace(value, "conversations.", prefix, 1)
		}
		if err != nil {
			t.Fatalf("%v: %v", options, err)
		}
	}
	for _, o := range operations {
		a.Operation = o
		acls = append(acls, a)
	}
	return acls
}

// lacks is what becomes of a worker without one of the ACLs.
type lacks struct {
	says   string // before the name of the resource
	midway bool   // a worker that works notices at once
}

// lacking holds each ACL of the documents, by what it is for.
var lacking = map[string]lacks{
	"TOPIC CREATE":           {says: "the principal needs Create on topic "},
	"TOPIC DESCRIBE_CONFIGS": {says: "the principal needs DescribeConfigs on topic "},
	"TOPIC READ":             {says: "the principal needs Read on topic "},
	"TOPIC WRITE":            {says: "the principal needs Write on topic ", midway: true},
	"TRANSACTIONAL_ID WRITE": {says: "the principal needs Write on transactional id ", midway: true},
	"GROUP READ":             {says: "the principal needs Read on group ", midway: true},
}

// TestKafkaPrivileges: the ACLs of the documents are enough, and none of them is one too many. Without one a worker says which, in
// one line with the command that gives it, as does convstream check, and works as soon as it is given. Taken away while workers work, and given back, nothing
// is lost or comes twice.
func TestKafkaPrivileges(t *testing.T) {
	t.Parallel() // after those that break brokers
	startKafka(t)
	seed, began := seedOf(t), time.Now()
	y := &tally{}
	known := 0
	t.Run("without", func(t *testing.T) {
		for i, a := range documentedACLs(t, "", "") {
			name := fmt.Sprint(a.Resource, " ", a.Operation)
			l, ok := lacking[name]
			if !ok {
				t.Errorf("an ACL that this test does not know: %s", name)
				continue
			}
			known++
			t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				w := newSecuredWorld(t, "privileges", scramListener, seed+uint64(i))
				w.scramUser("SCRAM-SHA-512")
				w.playWithout(y, i, l)
			})
		}
	})
	if known != len(lacking) {
		t.Errorf("%d ACLs in the documents, want %d", known, len(lacking))
	}
	t.Logf("SUMMARY seed %d: %d ACLs, each missing at the start, and taken away and given back while two replicas work; %d revisions in %d commits: lost %d, twice %d; in %v",
		seed, known, y.revisions, y.commits, y.lost, y.twice, time.Since(began).Round(time.Second))
}

// playWithout is the story of the ACL with this number.
func (w *securedWorld) playWithout(y *tally, i int, l lacks) {
	w.t.Helper()
	acls := documentedACLs(w.t, w.prefix, w.principal)
	one, others := acls[i], slices.Delete(slices.Clone(acls), i, i+1)
	w.do(func(ctx context.Context) error { return w.kafka.Allow(ctx, others...) })
	first := w.begin()
	w.awaitNamed(l, one, first, 0)
	w.checkNames(one)
	w.do(func(ctx context.Context) error { return w.kafka.Allow(ctx, one) })
	w.awaitRole(scenario.Active, first)
	w.AwaitCommits(1)
	second := w.begin()
	w.awaitRole(scenario.Standby, second)
	before := len(first.stderr.String())
	w.do(func(ctx context.Context) error { return w.kafka.Revoke(ctx, one) })
	if l.midway {
		w.awaitNamed(l, one, first, before)
	} else {
		w.AwaitCommits(2)
	}
	w.do(func(ctx context.Context) error { return w.kafka.Allow(ctx, one) })
	w.AwaitCommits(2)
	for _, p := range []*realWorker{first, second} {
		w.awaitAtWork(p)
	}
	y.judge(w.realWorld, first)
	second.Drain()
}

// checkNames holds that convstream check fails, and has a command that gives the ACL.
func (w *securedWorld) checkNames(a kraft.ACL) {
	w.t.Helper()
	code, stdout, stderr := convstream(w.t, w.env, "check")
	resource, operation := words(a.Resource.String(), "-"), words(a.Operation.String(), "")
	named := func(line string) bool {
		return strings.Contains(line, "kafka-acls.sh") && strings.Contains(strings.ToLower(line), "--operation "+operation) && strings.Contains(line, "--"+resource+" ")
	}
	if code != exitFailed || !slices.ContainsFunc(strings.Split(stdout, "\n"), named) {
		w.t.Errorf("check: exit %d, and no command that allows %s on a %s\n%s%s", code, operation, resource, stdout, stderr)
	}
}

// words are those of a name like DESCRIBE_CONFIGS, in small letters.
func words(name, between string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", between)
}

// awaitNamed waits until the worker has named the ACL, and the command that gives it, in one line after so much output.
func (w *securedWorld) awaitNamed(l lacks, a kraft.ACL, p *realWorker, old int) {
	w.t.Helper()
	began := time.Now()
	need := l.says + a.Name
	command := fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --command-config admin.properties --add --allow-principal %s", strings.Split(w.env["KAFKA_BROKERS"], ",")[0], a.Principal)
	for ; time.Since(began) < patient; time.Sleep(50 * time.Millisecond) {
		for line := range strings.Lines(p.stderr.String()[old:]) {
			if strings.Contains(line, need) && strings.Contains(line, command) {
				w.t.Logf("%v later: %s", time.Since(began).Round(time.Millisecond), line)
				return
			}
		}
	}
	w.t.Errorf("no line with %q and %q within %v\n%s", need, command, patient, p.stderr.String()[old:])
}

// awaitAtWork waits until the worker is active or stands by.
func (w *securedWorld) awaitAtWork(p *realWorker) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < 2*patient; time.Sleep(50 * time.Millisecond) {
		if s := p.status(); s.Ready && (s.Role == scenario.Active || s.Role == scenario.Standby) {
			return
		}
	}
	w.t.Errorf("a worker neither works nor stands by within %v\n%s", 2*patient, p.stderr)
}
