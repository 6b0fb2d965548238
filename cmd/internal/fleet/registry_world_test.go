package fleet

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/schemas"
	"github.com/convstream/convstream/schemas/registry"
)

const registryAddr = "127.0.0.1:8981"

// fakeRegistry is a schema registry of a world. It remembers what it was asked.
type fakeRegistry struct {
	*srfake.Registry
	refuse func(*http.Request) string // why it does not answer a request; "": it does; nil: all

	mu    sync.Mutex
	asked []string // method and path
	sent  []string // bodies, with what was registered
}

// registry serves a schema registry, by which the world's topics are read back from now on. Workers use it where the
// environment names it.
func (w *world) registry(opts ...srfake.Option) *fakeRegistry {
	w.t.Helper()
	f := &fakeRegistry{Registry: srfake.NewRegistry(opts...)}
	l, err := w.network.Listen("tcp", registryAddr)
	w.must(err)
	server := &http.Server{Handler: f}
	go func() { _ = server.Serve(l) }()
	w.t.Cleanup(func() { _ = server.Close() })
	w.decoder = encoder.NewDecoder(f.text)
	return f
}

// useRegistry makes the workers that start from now on use it.
func (w *world) useRegistry() { w.env["SCHEMA_REGISTRY_URL"] = "http://" + registryAddr }

// ServeHTTP implements http.Handler.
func (f *fakeRegistry) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	f.sent = append(f.sent, string(body))
	f.mu.Unlock()
	if f.refuse != nil {
		if why := f.refuse(r); why != "" {
			http.Error(rw, `{"error_code":40101,"message":"`+why+`"}`, http.StatusUnauthorized)
			return
		}
	}
	f.Handler().ServeHTTP(rw, r)
}

// requests is how many there were so far.
func (f *fakeRegistry) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// text is an encoder.Lookup past the network.
func (f *fakeRegistry) text(ctx context.Context, id uint32) (string, error) {
	for _, topic := range channelTopics {
		for version := 1; ; version++ {
			s, found := f.GetSchema(registry.Subject(topic), version)
			if !found {
				break
			}
			if s.ID == int(id) {
				return s.Schema.Schema, nil
			}
		}
	}
	return "", &registry.Error{Category: registry.Schema, Final: true, What: "no such id"}
}

// channelTopics are those of Avro values.
var channelTopics = []string{"conversations.voice", "conversations.rtm", "conversations.agentassist", "conversations.other", "conversations.progress"}

// schemaOf is what a topic's values are written with.
func schemaOf(topic string) schemas.Schema {
	if topic == "conversations.progress" {
		return schemas.Progress
	}
	return schemas.Conversation
}

// framings counts the values in a registry's framing, each with the id of its topic, and the others. A value that begins
// with another id is a failure of the test.
func (w *world) framings(f *fakeRegistry) (framed, plain int) {
	w.t.Helper()
	for _, r := range w.consume(channelTopics...) {
		switch r.Value[0] {
		case 0xC3:
			plain++
		case 0:
			framed++
			s, found := f.GetSchema(registry.Subject(r.Topic), 1)
			if id := binary.BigEndian.Uint32(r.Value[1:]); !found || id != uint32(s.ID) {
				w.t.Fatalf("%s offset %d has id %d, its subject %d", r.Topic, r.Offset, id, s.ID)
			}
		default:
			w.t.Fatalf("%s offset %d begins with % x", r.Topic, r.Offset, r.Value[:5])
		}
	}
	return framed, plain
}

// registered fails the test unless the registry holds the schema files' texts, and no other versions.
func (w *world) registered(f *fakeRegistry) {
	w.t.Helper()
	for _, topic := range channelTopics {
		s, found := f.GetSchema(registry.Subject(topic), 1)
		if !found || s.Schema.Schema != schemaOf(topic).Text {
			w.t.Errorf("subject %s: found %t, text of %d bytes, want the file's %d", registry.Subject(topic), found, len(s.Schema.Schema), len(schemaOf(topic).Text))
		}
		if _, more := f.GetSchema(registry.Subject(topic), 2); more {
			w.t.Errorf("subject %s has a second version", registry.Subject(topic))
		}
	}
}

// seed registers the present schemas as an operator would.
func (f *fakeRegistry) seed() {
	for _, topic := range channelTopics {
		if _, _, err := f.RegisterSchema(registry.Subject(topic), sr.Schema{Schema: schemaOf(topic).Text}); err != nil {
			panic(err)
		}
	}
}

// notReadyFor fails the test unless the worker says that it is not ready, in words with the texts in them, and is alive.
func (w *world) notReadyFor(texts ...string) {
	w.t.Helper()
	code, body := w.get("/readyz")
	if code != http.StatusServiceUnavailable {
		w.t.Errorf("/readyz %d %s", code, body)
	}
	w.says(body, texts...)
	_, status := w.get("/status")
	w.says(status, append(texts, `"role": "starting"`)...)
	if code, body := w.get("/healthz"); code != http.StatusOK {
		w.t.Errorf("/healthz %d %s", code, body)
	}
}

// ready fails the test unless the worker says that it is.
func (w *world) ready() {
	w.t.Helper()
	if code, body := w.get("/readyz"); code != http.StatusOK {
		w.t.Errorf("/readyz %d %s\n%s", code, body, w.log.tail())
	}
}
