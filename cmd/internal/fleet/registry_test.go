package fleet

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/poller/simulator"
)

var (
	registryWorld = simulator.Config{History: 10 * time.Minute, PerMinute: 2}
	withRegistry  = map[string]string{"START_FROM": "10m", "SCHEMA_REGISTRY_URL": "http://" + registryAddr}
)

// TestRegistry: the files' texts are registered under the topics' subjects, protected, every value names its topic's
// schema, and after the start the registry is asked for nothing and may be away.
func TestRegistry(t *testing.T) {
	t.Parallel()
	inWorld(t, registryWorld, withRegistry, func(w *world) {
		f := w.registry(srfake.WithGlobalCompat(sr.CompatNone))
		stop := w.start()
		time.Sleep(time.Minute)
		w.ready()
		w.registered(f)
		asked := f.requests()
		if n := w.series("convstream_registry_request_seconds_count", "outcome"); n["2xx"]+n["4xx"] != float64(asked) || n["2xx"] == 0 {
			t.Errorf("the metrics count %v requests, the registry had %d", n, asked)
		}
		for _, request := range f.asked[:min(len(f.asked), 6)] {
			t.Log(request)
		}
		time.Sleep(5 * time.Minute)
		w.wire.Cut(registryAddr)
		time.Sleep(10 * time.Minute)
		w.ready()
		w.must(stop())
		if n := f.requests(); n != asked {
			t.Errorf("%d requests, %d of them at the start", n, asked)
		}
		w.fresh(w.verify(w.complete))
		if framed, plain := w.framings(f); framed == 0 || plain != 0 {
			t.Errorf("%d values with ids, %d without", framed, plain)
		}
		rules := 0
		for i, request := range f.asked {
			if strings.HasPrefix(request, "PUT /config/conversations.") && strings.Contains(f.sent[i], `"FULL_TRANSITIVE"`) {
				rules++
			}
		}
		if rules != len(channelTopics) {
			t.Errorf("%d subjects of %d are protected", rules, len(channelTopics))
		}
		w.logged(`"level":"warn"`, 0)
	})
}

// TestRegistryAwayAtTheStart: not ready and tried again, told once; when it is back, work begins by itself.
func TestRegistryAwayAtTheStart(t *testing.T) {
	for name, fault := range map[string]struct {
		begin func(*world, *fakeRegistry)
		end   func(*world, *fakeRegistry)
		says  string
	}{
		"no connection": {func(w *world, _ *fakeRegistry) { w.wire.Cut(registryAddr) }, func(w *world, _ *fakeRegistry) { w.wire.Mend() }, "the connection was closed"},
		"hangs": {func(w *world, f *fakeRegistry) {
			f.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
		}, clear, "no whole answer"},
		"status 503":  {answers(503, `{"error_code":50003,"message":"forwarding failed"}`), clear, "status 503: forwarding failed"},
		"no registry": {answers(200, "<html>welcome</html>"), clear, "not one of a registry"},
		"elsewhere":   {answers(404, `{"error_code":404,"message":"HTTP 404 Not Found"}`), clear, "SCHEMA_REGISTRY_URL"},
		"moved":       {answers(302, ""), clear, "redirects are not followed"},
		"endless":     {answers(200, `"`+strings.Repeat("x", 5<<20)), clear, "more than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, registryWorld, withRegistry, func(w *world) {
				f := w.registry()
				fault.begin(w, f)
				stop := w.start()
				time.Sleep(3 * time.Minute)
				w.notReadyFor("schema registry: ", fault.says)
				if n := w.service.Stats().Requests; n > 0 {
					t.Errorf("%d requests to the service", n)
				}
				w.logged("nothing can be committed", 1)
				fault.end(w, f)
				time.Sleep(3 * time.Minute)
				w.ready()
				w.must(stop())
				w.logged("nothing can be committed", 1)
				w.logged("recovered; committing again", 1)
				w.fresh(w.verify(w.complete))
				w.registered(f)
			})
		})
	}
}

// answers makes the registry answer all alike.
func answers(status int, body string) func(*world, *fakeRegistry) {
	return func(_ *world, f *fakeRegistry) {
		f.Intercept(func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
			return true
		})
	}
}

func clear(_ *world, f *fakeRegistry) { f.ClearInterceptors() }

// TestRegistryRefusesTheSchema: the process ends with the registry's reasons, and published nothing.
func TestRegistryRefusesTheSchema(t *testing.T) {
	for status, code := range map[int]int{http.StatusConflict: 409, http.StatusUnprocessableEntity: 42201} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			inWorld(t, registryWorld, withRegistry, func(w *world) {
				f := w.registry()
				f.Intercept(func(rw http.ResponseWriter, r *http.Request) bool {
					if r.Method != http.MethodPost || r.URL.Path != "/subjects/conversations.rtm-value/versions" {
						return false
					}
					rw.WriteHeader(status)
					_ = json.NewEncoder(rw).Encode(map[string]any{"error_code": code, "message": "details: [{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field mood'}]"})
					return true
				})
				w.stopsOver("conversations.rtm-value", "READER_FIELD_MISSING_DEFAULT_VALUE", "mood", "TOPIC_PREFIX")
				if n := w.service.Stats().Requests; n > 0 {
					t.Errorf("%d requests to the service", n)
				}
			})
		})
	}
}

// TestOnlyLookedUp: with SCHEMA_REGISTRY_REGISTER=false nothing is written to the registry. A schema that is not there is
// waited for, and the message says which text belongs where; once it is there, work begins by itself.
func TestOnlyLookedUp(t *testing.T) {
	t.Parallel()
	inWorld(t, registryWorld, withRegistry, func(w *world) {
		w.env["SCHEMA_REGISTRY_REGISTER"] = "false"
		f := w.registry()
		stop := w.start()
		time.Sleep(5 * time.Minute)
		w.notReadyFor("subject conversations.agentassist-value", "schemas/conversation.avsc", "SCHEMA_REGISTRY_REGISTER=true")
		f.seed()
		time.Sleep(5 * time.Minute)
		w.ready()
		w.must(stop())
		w.fresh(w.verify(w.complete))
		if framed, plain := w.framings(f); framed == 0 || plain != 0 {
			t.Errorf("%d values with ids, %d without", framed, plain)
		}
		for _, request := range f.asked {
			if strings.HasPrefix(request, "PUT") || strings.HasSuffix(request, "/versions") && strings.HasPrefix(request, "POST") {
				t.Errorf("the registry was written to: %s", request)
			}
		}
	})
}

// TestRegistryLogin: a refused login is waited out, and a password file is read again. Neither password is seen anywhere.
func TestRegistryLogin(t *testing.T) {
	t.Parallel()
	const right, wrong = "rightpass-2", "wrongpass-1"
	inWorld(t, registryWorld, withRegistry, func(w *world) {
		file := filepath.Join(t.TempDir(), "password")
		w.must(os.WriteFile(file, []byte(wrong+"\n"), 0o600))
		w.env["SCHEMA_REGISTRY_USERNAME"], w.env["SCHEMA_REGISTRY_PASSWORD_FILE"] = "me", file
		f := w.registry(srfake.WithAuth("Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+right))))
		stop := w.start()
		time.Sleep(5 * time.Minute)
		w.notReadyFor("SCHEMA_REGISTRY_USERNAME", "SCHEMA_REGISTRY_PASSWORD", "status 403")
		_, status := w.get("/status")
		w.says(status, `"category": "registry_login"`)
		w.must(os.WriteFile(file, []byte(right+"\n"), 0o600))
		time.Sleep(5 * time.Minute)
		w.ready()
		w.must(stop())
		w.fresh(w.verify(w.complete))
		w.registered(f)
		if all := w.log.String() + status; strings.Contains(all, right) || strings.Contains(all, wrong) || strings.Contains(all, base64.StdEncoding.EncodeToString([]byte("me:"))[:4]) {
			t.Error("a password is in the log or in /status")
		}
	})
}

// TestRegistrySwitchedOnAndOff: a topic holds both framings then, and to whoever can read both nothing has happened.
func TestRegistrySwitchedOnAndOff(t *testing.T) {
	t.Parallel()
	inWorld(t, registryWorld, map[string]string{"START_FROM": "10m"}, func(w *world) {
		f := w.registry()
		w.run(10 * time.Minute)
		w.useRegistry()
		w.run(10 * time.Minute)
		delete(w.env, "SCHEMA_REGISTRY_URL")
		w.run(10 * time.Minute)
		w.fresh(w.verify(w.complete))
		if framed, plain := w.framings(f); framed < 10 || plain < 10 {
			t.Errorf("%d values with ids, %d without", framed, plain)
		}
	})
}

// TestTakeoverWhileTheRegistryIsAway: a standby has the ids before it needs them.
func TestTakeoverWhileTheRegistryIsAway(t *testing.T) {
	t.Parallel()
	inWorld(t, registryWorld, withRegistry, func(w *world) {
		f := w.registry()
		first := w.replica()
		w.awaitActive(time.Minute, first)
		second := w.replica()
		time.Sleep(5 * time.Minute)
		asked := f.requests()
		first.wire.Cut(registryAddr)
		second.wire.Cut(registryAddr)
		w.must(first.stop())
		if _, took := w.awaitActive(time.Minute, second); took > 10*time.Second {
			t.Errorf("the takeover took %v", took)
		}
		time.Sleep(10 * time.Minute)
		w.must(second.stop())
		w.settled()
		if n := f.requests(); n != asked {
			t.Errorf("%d requests to the registry, %d before the takeover", n, asked)
		}
	})
}

// TestLostStateWithARegistry: some of what is read back has ids, and some has none. With another registry than it was
// written with, or without one, the worker ends and has published nothing: neither where the last commit cannot be read, nor
// where a conversation cannot.
func TestLostStateWithARegistry(t *testing.T) {
	for _, mode := range []string{"resume", "restart"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			inWorld(t, registryWorld, map[string]string{"START_FROM": "10m"}, func(w *world) {
				f := w.registry()
				w.useRegistry()
				w.run(10 * time.Minute)
				if delete(w.env, "SCHEMA_REGISTRY_URL"); mode == "restart" { // then the last commit has an id
					w.run(10 * time.Minute)
					w.useRegistry()
				}
				w.run(10 * time.Minute)
				w.must(w.cluster.DeleteTopic(stateName))
				before := w.verify()
				delete(w.env, "SCHEMA_REGISTRY_URL")
				w.env["STATE_LOST"] = mode
				topic := map[string]string{"resume": "conversations.agentassist", "restart": "conversations.progress"}[mode]
				w.stopsOver("a record of topic "+topic, "SCHEMA_REGISTRY_URL")
				w.useRegistry()
				f.Reset()
				f.SeedSchema("elsewhere-value", 1, 1, sr.Schema{Schema: `"string"`}) // takes the id
				w.stopsOver("a record of topic "+topic, "schema id ", "SCHEMA_REGISTRY_URL")
				f.Reset()
				f.seed()
				if r := w.verify(); r.Commits != before.Commits {
					t.Errorf("%d commits, %d before", r.Commits, before.Commits)
				}
				w.run(5 * time.Minute)
				delete(w.env, "STATE_LOST")
				w.run(5 * time.Minute)
				w.fresh(w.verify(w.complete))
				w.logged("is made anew (STATE_LOST="+mode+")", 1)
				if framed, plain := w.framings(f); framed < 10 || plain < 10 {
					t.Errorf("%d values with ids, %d without", framed, plain)
				}
			})
		})
	}
}

// stopsOver runs a worker that has to end by itself with such an error.
func (w *world) stopsOver(texts ...string) {
	w.t.Helper()
	stop := w.start()
	select {
	case <-w.ended:
	case <-time.After(10 * time.Minute):
	}
	err := stop()
	if err == nil {
		w.t.Fatalf("the worker went on\n%s", w.log.tail())
	}
	w.says(err.Error(), texts...)
}
