package check

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/producer/authority"
	"github.com/convstream/convstream/schemas"
)

var update = flag.Bool("update", false, "write the golden file instead of comparing with it")

// wrong is a thing that is wrong.
type wrong struct {
	name   string
	change func(*testing.T, *plan)
}

func serverTLS(t *testing.T, p authority.Pair) *tls.Config {
	own, err := p.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{own}}
}

const day = 24 * time.Hour

// worlds are all that is tried, the first with nothing that is wrong.
var worlds = []wrong{
	{"nothing is wrong", func(*testing.T, *plan) {}},
	{"a first start: no topics yet", func(_ *testing.T, p *plan) { p.topics = nil; p.env["SCHEMA_REGISTRY_URL"] = "" }},
	{"TLS, and nothing is wrong", func(t *testing.T, p *plan) { p.secure(t, 90*day, 90*day, "localhost") }},
	{"ACLs, and nothing is wrong", func(_ *testing.T, p *plan) { p.without() }},

	{"settings", func(_ *testing.T, p *plan) {
		p.set("POLL_INTERVAL", "30", "KAFKA_BROKERS", "kafka", "SMARTASSIST_JWT", "")
	}},

	{"service: login refused", func(_ *testing.T, p *plan) { p.set("SMARTASSIST_JWT", "another.to.ken") }},
	{"service: nothing listens", func(_ *testing.T, p *plan) { p.set("SMARTASSIST_URL", "http://127.0.0.1:8182") }},
	{"service: a web page", func(_ *testing.T, p *plan) {
		p.answer = func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "<html>Log in</html>") }
	}},
	{"service: throttled", func(_ *testing.T, p *plan) {
		p.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusTooManyRequests) }
	}},
	{"service: silent", func(_ *testing.T, p *plan) { p.answer = silent }},
	{"service: one of two accounts is refused", func(t *testing.T, p *plan) {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"eu": "SMARTASSIST_ACCOUNT_ID=" + accountID + "\nSMARTASSIST_JWT=" + token, "us": "SMARTASSIST_ACCOUNT_ID=us-1\nSMARTASSIST_JWT=another.to.ken",
		} {
			if err := os.WriteFile(filepath.Join(dir, name+".env"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p.set("ACCOUNTS_DIR", dir, "SMARTASSIST_ACCOUNT_ID", "", "SMARTASSIST_JWT", "")
	}},
	{"service: 200 accounts, most of them refused", func(t *testing.T, p *plan) { p.accounts(t, 200, 150) }},
	{"service: 30 accounts, one of them refused, and too much for the budget of the others", func(t *testing.T, p *plan) {
		p.accounts(t, 30, 1)
		p.service.PerMinute = 30
		p.set("SMARTASSIST_REQUESTS_PER_MINUTE", "6")
	}},
	{"service: its clock is ahead", func(_ *testing.T, p *plan) { p.service.Skew = 5 * time.Minute }},
	{"service: no rows", func(_ *testing.T, p *plan) { p.service.History, p.service.PerMinute = 0, 0 }},
	{"service: too small a budget for REREAD", func(_ *testing.T, p *plan) {
		p.service.PerMinute = 30
		p.set("SMARTASSIST_REQUESTS_PER_MINUTE", "6")
	}},
	{"service: too small a budget for anything", func(_ *testing.T, p *plan) { p.set("SMARTASSIST_REQUESTS_PER_MINUTE", "1") }},

	{"brokers: nothing listens", func(_ *testing.T, p *plan) { p.set("KAFKA_BROKERS", "localhost:9192,localhost:9193") }},
	{"brokers: one of two is down", func(_ *testing.T, p *plan) { p.set("KAFKA_BROKERS", "localhost:9092,localhost:9193") }},
	{"brokers: another server's port", func(_ *testing.T, p *plan) { p.set("KAFKA_BROKERS", "localhost:8081") }},
	{"brokers: advertised where nobody reaches them", func(_ *testing.T, p *plan) {
		p.brokers, p.listen = 1, func(l net.Listener) net.Listener { return elsewhere{l} }
		p.lowerMinInSync("1")
	}},
	{"brokers: TLS that we do not speak", func(t *testing.T, p *plan) {
		p.secure(t, 90*day, 90*day, "localhost")
		for name := range p.env {
			if strings.HasPrefix(name, "KAFKA_TLS") {
				delete(p.env, name)
			}
		}
	}},
	{"brokers: an unknown authority", func(t *testing.T, p *plan) {
		p.secure(t, 90*day, 90*day, "localhost")
		p.set("KAFKA_TLS_CA_FILE", "")
	}},
	{"brokers: a certificate for another name", func(t *testing.T, p *plan) { p.secure(t, 90*day, 90*day, "broker-1.internal") }},
	{"brokers: certificates that expire soon", func(t *testing.T, p *plan) { p.secure(t, 10*day+time.Hour, 20*day+time.Hour, "localhost") }},
	{"brokers: wrong password", func(_ *testing.T, p *plan) { p.without(); p.set("KAFKA_SASL_PASSWORD", "hunter2") }},
	{"brokers: a mechanism that is not offered", func(_ *testing.T, p *plan) { p.without(); p.set("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512") }},
	{"brokers: older than any that was tried", func(_ *testing.T, p *plan) { p.kafka = append(p.kafka, kfake.MaxVersions(kversion.V2_7_0())) }},
	{"brokers: as old as the oldest that was tried", func(_ *testing.T, p *plan) { p.kafka = append(p.kafka, kfake.MaxVersions(kversion.V2_8_0())) }},

	{"topics: a partition without a leader", func(_ *testing.T, p *plan) { p.parts["voice"] = 6; p.prepare = (*world).leaderless }},
	{"topics: not there, and not to be created", func(_ *testing.T, p *plan) { delete(p.topics, "rtm"); p.set("TOPIC_CREATE", "false") }},
	{"topics: state is not compacted", func(_ *testing.T, p *plan) { p.topics["state"]["cleanup.policy"] = "delete" }},
	{"topics: progress has three partitions", func(_ *testing.T, p *plan) { p.parts["progress"] = 3 }},
	{"topics: one replica", func(_ *testing.T, p *plan) { p.brokers = 1; p.lowerMinInSync("1") }},
	{"topics: min.insync.replicas 1", func(_ *testing.T, p *plan) { p.topics["voice"]["min.insync.replicas"] = "1" }},
	{"topics: min.insync.replicas above the replicas", func(_ *testing.T, p *plan) { p.topics["voice"]["min.insync.replicas"] = "4" }},
	{"topics: compacted", func(_ *testing.T, p *plan) { p.topics["voice"]["cleanup.policy"] = "compact" }},
	{"topics: kept for a day", func(_ *testing.T, p *plan) { p.topics["voice"]["retention.ms"] = "86400000" }},
	{"topics: small records only", func(_ *testing.T, p *plan) {
		p.topics["voice"]["max.message.bytes"], p.topics["dead-letter"]["max.message.bytes"] = "100000", "4096"
	}},
	{"topics: unclean leader election", func(_ *testing.T, p *plan) { p.topics["other"]["unclean.leader.election.enable"] = "true" }},

	{"permissions: Create, with topics missing", func(_ *testing.T, p *plan) { delete(p.topics, "rtm"); p.without("topic Create") }},
	{"permissions: Create, with all topics there", func(_ *testing.T, p *plan) { p.without("topic Create") }},
	{"permissions: Write on topics", func(_ *testing.T, p *plan) { p.without("topic Write") }},
	{"permissions: Read on topics", func(_ *testing.T, p *plan) { p.without("topic Read") }},
	{"permissions: DescribeConfigs on topics", func(_ *testing.T, p *plan) { p.without("topic DescribeConfigs") }},
	{"permissions: nothing on topics", func(_ *testing.T, p *plan) {
		p.without("topic Create", "topic Write", "topic Read", "topic DescribeConfigs")
	}},
	{"permissions: Write on the transactional id", func(_ *testing.T, p *plan) { p.without("transactional id Write") }},
	{"permissions: Write on the transactional ids of 30 accounts", func(t *testing.T, p *plan) { p.accounts(t, 30, 0); p.without("transactional id Write") }},
	{"permissions: Read on the group", func(_ *testing.T, p *plan) { p.without("group Read") }},

	{"permissions: Write on a topic, by a DENY that may be seen", func(_ *testing.T, p *plan) { p.mayDescribe = true; p.deny("topic Write", "voice") }},
	{"permissions: everything on all topics, by a DENY that may be seen", func(_ *testing.T, p *plan) { p.mayDescribe = true; p.deny("topic", "") }},
	{"permissions: Read on the group, by a DENY that may not be seen", func(_ *testing.T, p *plan) { p.deny("group Read", "") }},

	{"transactions: transaction.max.timeout.ms is short", func(_ *testing.T, p *plan) {
		p.kafka = append(p.kafka, kfake.BrokerConfigs(map[string]string{"transaction.max.timeout.ms": "10000"}))
	}},
	{"transactions: no coordinator", func(_ *testing.T, p *plan) { p.prepare = (*world).withoutCoordinators }},
	{"group: something else uses it", func(_ *testing.T, p *plan) { p.prepare = (*world).foreignMember }},

	{"registry: nothing listens", func(_ *testing.T, p *plan) { p.set("SCHEMA_REGISTRY_URL", "http://localhost:8082") }},
	{"registry: another server", func(_ *testing.T, p *plan) { p.registry = always(http.StatusNotFound, "404 page not found") }},
	{"registry: login refused", func(_ *testing.T, p *plan) {
		p.registry = always(http.StatusUnauthorized, `{"error_code":401,"message":"Unauthorized"}`)
	}},
	{"registry: to be looked up, and not there", func(_ *testing.T, p *plan) { p.set("SCHEMA_REGISTRY_REGISTER", "false") }},
	{"registry: not compatible", func(_ *testing.T, p *plan) {
		p.registry = func(_, path string) (int, string) {
			if strings.HasPrefix(path, "/compatibility/subjects/conversations.voice-value/") {
				return http.StatusOK, `{"is_compatible":false,"messages":["reader field botId has no default"]}`
			}
			return 0, ""
		}
	}},
	{"registry: another's schema", func(_ *testing.T, p *plan) {
		p.schema.SeedSchema("conversations.voice-value", 1, 1, sr.Schema{Schema: `{"type":"record","name":"Call","namespace":"acme","fields":[]}`})
	}},
	{"registry: no compatibility", func(_ *testing.T, p *plan) {
		p.schema = srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatNone))
		for i, topic := range []string{"agentassist", "other", "progress", "rtm", "voice"} {
			schema := schemas.Conversation
			if topic == "progress" {
				schema = schemas.Progress
			}
			p.schema.SeedSchema(prefix+topic+"-value", 1, i+1, sr.Schema{Schema: schema.Text})
		}
		p.set("SCHEMA_REGISTRY_REGISTER", "false")
	}},
}

func always(status int, body string) func(string, string) (int, string) {
	return func(string, string) (int, string) { return status, body }
}

// silent is a service that reads a request and never answers it.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that who asks has gone
	<-r.Context().Done()
}

func (p *plan) lowerMinInSync(to string) {
	for _, settings := range p.topics {
		settings["min.insync.replicas"] = to
	}
}

// elsewhere is a listener that says it listens on another port.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 9999} }

// TestWorlds holds what is said of each world against the golden file. What is well is left out of all but the first.
func TestWorlds(t *testing.T) {
	var all strings.Builder
	for _, w := range worlds {
		fmt.Fprintf(&all, "== %s\n%s\n", w.name, said(t, w, w.name != worlds[0].name))
	}
	path := filepath.Join("testdata", "worlds.golden")
	if *update {
		if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := all.String(); got != string(want) {
		t.Errorf("it says something else than %s (-update writes it):\n%s", path, firstDifference(got, string(want)))
	}
}

// said is what is said of a world.
func said(t *testing.T, w wrong, onlyWrong bool) (text string) {
	t.Run(w.name, func(t *testing.T) {
		inWorld(t, func(p *plan) { w.change(t, p) }, func(world *world) {
			began := time.Now()
			text = world.text()
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %v", took)
			}
			if lines := strings.Count(text, "\n"); lines > 100 {
				t.Errorf("%d lines for people", lines)
			}
			for path, n := range world.asked {
				if n > mostPages {
					t.Errorf("%d requests to %s, want at most %d", n, path, mostPages)
				}
			}
			for _, secret := range []string{token, "another.to.ken", "hunter2", "pass word"} {
				if strings.Contains(text, secret) {
					t.Errorf("it says a secret: %s", text)
				}
			}
		})
	})
	if onlyWrong {
		var kept []string
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "ok ") {
				kept = append(kept, line)
			}
		}
		text = strings.Join(kept, "")
	}
	return text
}

// TestPages: what an offset counts is learned as the worker learns it.
func TestPages(t *testing.T) {
	for says, pages := range map[string]bool{"offset counts rows": false, "offset counts pages": true} {
		inWorld(t, func(p *plan) { p.service.Switches.OffsetCountsPages = pages }, func(w *world) {
			if text := w.text(); !strings.Contains(text, says) {
				t.Errorf("want %q:\n%s", says, text)
			}
		})
	}
}

// TestJSON has every line, and says whether anything failed.
func TestJSON(t *testing.T) {
	for _, denied := range []bool{false, true} {
		change := func(p *plan) {
			if denied {
				p.without("topic Write")
			}
		}
		inWorld(t, change, func(w *world) {
			report, err := w.check()
			w.must(err)
			var out bytes.Buffer
			w.must(report.JSON(&out))
			var got struct {
				OK     bool
				Failed int
				Checks []Line
			}
			w.must(json.Unmarshal(out.Bytes(), &got))
			if got.OK == denied || got.Failed > 0 != denied || !slices.Equal(got.Checks, report.Lines) {
				t.Errorf("denied: %t, got %s", denied, out.String())
			}
		})
	}
}

// TestInterrupted ends at once, whatever does not answer.
func TestInterrupted(t *testing.T) {
	nobodyAnswers := func(p *plan) {
		p.answer = silent
		p.set("KAFKA_BROKERS", "localhost:8081", "SCHEMA_REGISTRY_URL", "http://localhost:9092")
	}
	inWorld(t, nobodyAnswers, func(w *world) {
		ctx, interrupt := context.WithTimeout(w.t.Context(), 3*time.Second)
		defer interrupt()
		began := time.Now()
		_, err := w.checkWithin(ctx)
		w.must(err)
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("it took %v, interrupted after 3s", took)
		}
	})
}

func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: %s\n   want: %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}
