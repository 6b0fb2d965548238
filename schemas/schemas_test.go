package schemas

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
)

var all = []Schema{Conversation, Progress}

// The header agrees with one made from hamba's canonical form and the hash as the
// Avro specification writes it. hamba's own fingerprint cannot be compared: it
// leaves logicalType in the canonical form, which the specification strips.
func TestHeaderAgreesWithHamba(t *testing.T) {
	strip := strings.NewReplacer(`{"type":"long","logicalType":"timestamp-millis"}`, `"long"`)
	for _, s := range all {
		parsed, err := avro.ParseWithCache(s.Text, "", &avro.SchemaCache{})
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if full := parsed.(*avro.RecordSchema).FullName(); full != s.Name {
			t.Errorf("schema is %s, want %s", full, s.Name)
		}
		canonical := strip.Replace(parsed.String())
		want := binary.LittleEndian.AppendUint64([]byte{0xC3, 0x01}, rabin([]byte(canonical)))
		if got := s.Header(); !cmp.Equal(got[:], want) {
			t.Errorf("%s: header % x, want % x of %s", s.Name, got, want, canonical)
		}
	}
}

// rabin is CRC-64-AVRO bit by bit.
func rabin(text []byte) uint64 {
	const empty = 0xc15d213aa4d7a795
	fp := uint64(empty)
	for _, c := range text {
		fp ^= uint64(c)
		for range 8 {
			fp = fp>>1 ^ empty&-(fp&1)
		}
	}
	return fp
}

// What consumers rely on in every schema: Flink SQL, ksqlDB, Spark and Python
// read only nullable unions, and none reads enums, fixed or recursive records well.
func TestSchemasAreReadableEverywhere(t *testing.T) {
	for _, s := range all {
		var root any
		if err := json.Unmarshal([]byte(s.Text), &root); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		c := checker{t: t, named: map[string]bool{}}
		c.typ(s.Name, root)
	}
}

type checker struct {
	t     *testing.T
	named map[string]bool // records that are complete: a name used earlier would be a recursion
}

func (c checker) typ(at string, typ any) {
	switch typ := typ.(type) {
	case string:
		switch typ {
		case "string", "int", "long", "boolean":
		default:
			if !c.named[typ] {
				c.t.Errorf("%s: type %s", at, typ)
			}
		}
	case map[string]any:
		c.complex(at, typ)
	default:
		c.t.Errorf("%s: type %v", at, typ)
	}
}

func (c checker) complex(at string, typ map[string]any) {
	switch typ["type"] {
	case "record":
		for _, f := range typ["fields"].([]any) {
			c.field(at, f.(map[string]any))
		}
		c.doc(at, typ)
		c.named[typ["name"].(string)] = true
	case "array":
		c.typ(at+"[]", typ["items"])
	case "map":
		c.typ(at+"{}", typ["values"])
	case "long":
		if typ["logicalType"] != "timestamp-millis" {
			c.t.Errorf("%s: logical type %v", at, typ["logicalType"])
		}
	default:
		c.t.Errorf("%s: type %v", at, typ["type"])
	}
}

var fieldName = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

func (c checker) field(at string, f map[string]any) {
	name := f["name"].(string)
	at += "." + name
	if !fieldName.MatchString(name) {
		c.t.Errorf("%s: not in lowerCamel", at)
	}
	c.doc(at, f)
	branches, union := f["type"].([]any)
	if !union {
		c.typ(at, f["type"])
		return
	}
	value, given := f["default"]
	if len(branches) != 2 || branches[0] != "null" || !given || value != nil {
		c.t.Errorf("%s: want a union of null and one type, default null", at)
		return
	}
	c.typ(at, branches[1])
}

func (c checker) doc(at string, o map[string]any) {
	if doc, _ := o["doc"].(string); len(doc) < 4 || doc[len(doc)-1] != '.' {
		c.t.Errorf("%s: doc %q, want a sentence", at, doc)
	}
}

// A change of a schema changes its fingerprint, by which records name it: on
// purpose only.
func TestFingerprints(t *testing.T) {
	got := map[string]string{}
	for _, s := range all {
		got[s.Name] = fmt.Sprintf("%016x", s.Fingerprint())
	}
	want := map[string]string{
		"convstream.v1.Conversation": "2a3facc5f570f417",
		"convstream.v1.Progress":     "d7dd6ce0940e6d95",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
