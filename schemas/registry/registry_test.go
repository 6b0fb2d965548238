package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// TestRegistersOnce: texts byte by byte, the rule before the first schema, an id for each topic, and no request after that.
func TestRegistersOnce(t *testing.T) {
	f := &fake{}
	r, log := open(t, f, nil)
	for range 2 {
		ids, err := r.IDs(t.Context(), topics)
		if err != nil {
			t.Fatal(err)
		}
		for topic, s := range topics {
			there, found := f.GetSchema(topic+"-value", 1)
			if !found || there.Schema.Schema != s.Text || uint32(there.ID) != ids[topic] {
				t.Errorf("%s: id %d, there is %d: %t", topic, ids[topic], there.ID, there.Schema.Schema == s.Text)
			}
			if text, err := r.Text(t.Context(), ids[topic]); err != nil || text != s.Text {
				t.Errorf("%s: text of %d bytes, %v", topic, len(text), err)
			}
		}
	}
	for topic := range topics {
		set := slices.Index(f.requests, "PUT /config/"+topic+"-value")
		put := slices.Index(f.requests, "POST /subjects/"+topic+"-value/versions")
		if set < 0 || put < set || f.bodies[set] != `{"compatibility":"FULL_TRANSITIVE"}` {
			t.Errorf("%s: rule at %d, schema at %d: %v", topic, set, put, f.requests)
		}
		var sent struct{ Schema string }
		if err := json.Unmarshal([]byte(f.bodies[put]), &sent); err != nil || sent.Schema != topics[topic].Text {
			t.Errorf("%s: sent %d bytes, %v", topic, len(sent.Schema), err)
		}
	}
	if n := len(f.requests); n != 5*len(topics) {
		t.Errorf("%d requests: %v", n, f.requests)
	}
	if log.Len() > 0 {
		t.Error(log)
	}
	// The next process finds all as it is.
	f.requests = nil
	other, err := Open(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.IDs(t.Context(), topics); err != nil || f.count("PUT")+f.count("POST /subjects/t.a-value/versions") > 0 {
		t.Errorf("%v, %v", err, f.requests)
	}
}

// TestPart: what was found out before an error is not asked for again.
func TestPart(t *testing.T) {
	f := &fake{answer: func(_, path string) (int, string) {
		if strings.Contains(path, "t.b") {
			return 500, ""
		}
		return 0, ""
	}}
	r, _ := open(t, f, nil)
	if e := failure(t, second(r.IDs(t.Context(), topics))); e.Final || e.Category != Away {
		t.Error(e)
	}
	f.answer, f.requests = nil, nil
	if _, err := r.IDs(t.Context(), topics); err != nil || f.count("POST /subjects/t.a") > 0 || f.count("POST /subjects/t.b") == 0 {
		t.Errorf("%v, %v", err, f.requests)
	}
}

func second[A any](_ A, err error) error { return err }

// TestLooksUpOnly writes nothing, and finds a schema that somebody registered in other white space.
func TestLooksUpOnly(t *testing.T) {
	f := &fake{}
	r, _ := open(t, f, lookUpOnly)
	e := failure(t, second(r.IDs(t.Context(), topics)))
	for _, want := range []string{"t.a-value", "schemas/conversation.avsc", "SCHEMA_REGISTRY_REGISTER=true"} {
		if e.Final || e.Category != Schema || !strings.Contains(e.Error(), want) {
			t.Errorf("%v lacks %q", e, want)
		}
	}
	for topic, s := range topics {
		var text bytes.Buffer
		if err := json.Compact(&text, []byte(s.Text)); err != nil {
			t.Fatal(err)
		}
		older := strings.Replace(s.Text, `"doc": "`, `"doc": "Older: `, 1)
		for i, text := range []string{older, text.String(), older + " "} {
			f.SeedSchema(topic+"-value", i+1, 100*len(f.requests)+10*int(topic[2])+i, sr.Schema{Schema: text})
		}
	}
	// As Apicurio does it: only identical bytes are the same.
	f.answer = func(method, path string) (int, string) {
		if method == "POST" {
			return 404, `{"error_code":40403,"message":"Schema not found"}`
		}
		return 0, ""
	}
	f.requests = nil
	ids, err := r.IDs(t.Context(), topics)
	if err != nil {
		t.Fatal(err)
	}
	for topic := range topics {
		if want, _ := f.GetSchema(topic+"-value", 2); uint32(want.ID) != ids[topic] {
			t.Errorf("%s: id %d, want %d", topic, ids[topic], want.ID)
		}
	}
	if f.count("PUT") > 0 || f.count("POST /subjects/t.a-value/versions") > 0 {
		t.Error(f.requests)
	}
}

// TestRule: where the rule cannot be set, schemas are registered all the same, and the log says once what holds. A subject
// that has none before its first schema gets it after.
func TestRule(t *testing.T) {
	notThere := `{"error_code":40401,"message":"Subject not found"}`
	for name, test := range map[string]struct {
		answer func(f *fake) func(method, path string) (int, string)
		warns  int
		says   string
	}{
		"forbidden": {func(*fake) func(string, string) (int, string) {
			return func(method, path string) (int, string) {
				if method == "PUT" {
					return 403, `{"error_code":40301,"message":"no"}`
				}
				return 0, ""
			}
		}, 3, `"compatibility":"NONE"`},
		"not offered": {func(*fake) func(string, string) (int, string) {
			return func(method, path string) (int, string) {
				if strings.HasPrefix(path, "/config") {
					return 405, ""
				}
				return 0, ""
			}
		}, 3, `"compatibility":"not known"`},
		"forbidden and right": {func(*fake) func(string, string) (int, string) {
			return func(method, path string) (int, string) {
				switch {
				case method == "PUT":
					return 403, ""
				case strings.HasSuffix(path, "defaultToGlobal=true"):
					return 200, `{"compatibilityLevel":"FULL_TRANSITIVE"}`
				case strings.HasPrefix(path, "/config"):
					return 404, `{"error_code":40408,"message":"not configured"}`
				}
				return 0, ""
			}
		}, 0, ""},
		"not before a schema": {func(f *fake) func(string, string) (int, string) {
			return func(_, path string) (int, string) {
				if subject, config := strings.CutPrefix(path, "/config/"); config && !f.SubjectExists(subject) {
					return 404, notThere
				}
				return 0, ""
			}
		}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{Registry: srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatNone))}
			f.answer = test.answer(f)
			r, log := open(t, f, nil)
			if _, err := r.IDs(t.Context(), topics); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), "FULL_TRANSITIVE"); n != test.warns || !strings.Contains(log.String(), test.says) {
				t.Errorf("%d warnings, want %d with %s: %s", n, test.warns, test.says, log)
			}
			if set := f.count("PUT"); name == "not before a schema" && (set != 2*len(topics) || r.client.Compatibility(t.Context(), "t.a-value")[0].Level != sr.CompatFullTransitive) {
				t.Errorf("%d times set: %v", set, f.requests)
			}
		})
	}
}

// TestErrors: what ends the process and what is tried again, and that the message says what to do.
func TestErrors(t *testing.T) {
	long := strings.Repeat("oldSchema ", 5000)
	for _, test := range []struct {
		status   int
		body     string
		category Category
		final    bool
		says     []string
	}{
		{409, `{"error_code":409,"message":"incompatible: reader field mood ` + long + `"}`, Schema, true, []string{"t.a-value", "reader field mood", "TOPIC_PREFIX"}},
		{422, `{"error_code":42201,"message":"Invalid schema"}`, Schema, true, []string{"t.a-value", "Invalid schema"}},
		{422, `{"error_code":42205,"message":"Subject is in read-only mode"}`, Schema, false, []string{"read-only", "SCHEMA_REGISTRY_REGISTER=false"}},
		{401, `{"error_code":40101,"message":"Unauthorized"}`, Login, false, []string{"SCHEMA_REGISTRY_USERNAME", "SCHEMA_REGISTRY_PASSWORD"}},
		{403, ``, Login, false, []string{"SCHEMA_REGISTRY_USERNAME", "read and write"}},
		{404, `{"error_code":404,"message":"HTTP 404 Not Found"}`, Strange, false, []string{"SCHEMA_REGISTRY_URL", "/apis/ccompat/v7"}},
		{404, `<html>` + "\x1b[31m\x00", Strange, false, []string{"SCHEMA_REGISTRY_URL"}},
		{429, ``, Away, false, []string{"status 429"}},
		{500, `{"error_code":50001,"message":"Error in the backend data store"}`, Away, false, []string{"backend data store"}},
		{301, ``, Strange, false, []string{"redirects"}},
		{200, `[]`, Strange, false, []string{"not one of a registry"}},
		{200, `{}`, Strange, false, []string{"is not the id"}},
		{200, `{"id":-5}`, Strange, false, []string{"is not the id"}},
		{200, strings.Repeat(" ", largestAnswer+1), Strange, false, []string{"more than"}},
	} {
		f := &fake{answer: func(method, path string) (int, string) {
			if method == "POST" && strings.HasSuffix(path, "/versions") {
				return test.status, test.body
			}
			return 0, ""
		}}
		r, _ := open(t, f, nil)
		err := second(r.IDs(t.Context(), topics))
		if err == nil {
			t.Errorf("status %d: no error", test.status)
			continue
		}
		e := failure(t, err)
		if e.Category != test.category || e.Final != test.final || len(e.Error()) > 2*longestReason || strings.ContainsAny(e.Error(), "\x1b\x00\n") {
			t.Errorf("status %d: %s, final %t: %q", test.status, e.Category, e.Final, e)
		}
		for _, says := range test.says {
			if !strings.Contains(e.Error(), says) {
				t.Errorf("status %d: %v lacks %q", test.status, e, says)
			}
		}
	}
}

// TestText: what an id leads to is asked for once; what it does not lead to is told from a registry that does not answer.
func TestText(t *testing.T) {
	f := &fake{Registry: srfake.NewRegistry()}
	f.SeedSchema("x-value", 1, 70000, sr.Schema{Schema: `"string"`})
	f.SeedSchema("y-value", 1, 7, sr.Schema{Schema: `{}`, Type: sr.TypeJSON})
	r, _ := open(t, f, lookUpOnly)
	for range 2 {
		if text, err := r.Text(t.Context(), 70000); text != `"string"` || err != nil {
			t.Errorf("%q, %v", text, err)
		}
	}
	if n := len(f.requests); n != 1 {
		t.Errorf("asked %d times", n)
	}
	for _, id := range []uint32{7, 8, 1<<32 - 1} {
		if e := failure(t, second(r.Text(t.Context(), id))); !e.Final || !strings.Contains(e.Error(), fmt.Sprint("id ", id)) || !strings.Contains(e.Error(), "SCHEMA_REGISTRY_URL") {
			t.Errorf("id %d: %v", id, e)
		}
	}
	f.answer = func(string, string) (int, string) { return 503, "" }
	if e := failure(t, second(r.Text(t.Context(), 9))); e.Final {
		t.Error(e)
	}
}
