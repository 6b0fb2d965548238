package registry

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/schemas"
)

// TestAnothersSubject: where somebody else's schema is, nothing is written; where an older one of ours is, the next is added.
func TestAnothersSubject(t *testing.T) {
	for text, ours := range map[string]bool{
		`{"type": "record", "name": "Foo", "fields": []}`:                               false,
		`{"type": "record", "name": "Conversation", "namespace": "acme", "fields": []}`: false,
		`"string"`: false,
		`{"type": "record", "name": "Conversation", "namespace": "convstream.v1", "fields": []}`:          true,
		`{"type": "record", "name": "convstream.v1.Conversation", "namespace": "whatever", "fields": []}`: true,
	} {
		f := &fake{Registry: srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatNone))}
		f.SeedSchema("t.a-value", 1, 7, sr.Schema{Schema: text})
		r, _ := open(t, f, nil)
		_, err := r.IDs(t.Context(), map[string]schemas.Schema{"t.a": schemas.Conversation})
		writes := f.count("PUT") + f.count("POST /subjects/t.a-value/versions")
		if ours && (err != nil || writes != 2) {
			t.Errorf("%s: %v, %v", text, err, f.requests)
		}
		if ours {
			continue
		}
		if e := failure(t, err); !e.Final || writes > 0 || !strings.Contains(e.Error(), "t.a-value") || !strings.Contains(e.Error(), "TOPIC_PREFIX") {
			t.Errorf("%s: %v, %v", text, e, f.requests)
		}
	}
}

// TestAnswersOfAnything: JSON that is none of a registry says nothing of a subject. It is asked again: the address may be corrected.
func TestAnswersOfAnything(t *testing.T) {
	for _, body := range []string{`{"hello":1}`, `{}`, `null`} {
		f := &fake{answer: func(string, string) (int, string) { return 200, body }}
		r, _ := open(t, f, nil)
		e := failure(t, second(r.IDs(t.Context(), topics)))
		if e.Final || e.Category != Strange || !strings.Contains(e.Error(), "none of a registry") || !strings.Contains(e.Error(), "SCHEMA_REGISTRY_URL") {
			t.Errorf("%s: %v", body, e)
		}
	}
}

// TestAnAnswerWithTheLogin is shown without it.
func TestAnAnswerWithTheLogin(t *testing.T) {
	f := &fake{answer: func(string, string) (int, string) {
		return 401, `{"error_code":401,"message":"no: Basic bWU6aHVzaC1odXNo, hush-hush"}`
	}}
	r, _ := open(t, f, func(c *Config) { c.Login = Basic{"me", fixed("hush-hush")} })
	e := failure(t, second(r.IDs(t.Context(), topics)))
	if text := e.Error(); strings.Contains(text, "hush-hush") || strings.Contains(text, "bWU6aHVzaC1odXNo") || !strings.Contains(text, "[redacted]") {
		t.Error(text)
	}
}

type fixed string

func (p fixed) Read() (string, error) { return string(p), nil }
func (p fixed) Reload()               {}
