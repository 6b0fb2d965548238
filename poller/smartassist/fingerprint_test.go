package smartassist

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The fingerprints of these rows stand in topics: they must never change.
func TestFingerprintGolden(t *testing.T) {
	for raw, want := range map[string]uint64{
		`{"sessionId":"s"}`: 0x81bb81c7e9050871,
		`{"sessionId":"s","a":1,"b":[true,false,null,{}],"c":{}}`: 0x918c0ca65cbab938,
		`{"sessionId":"é\n"}`:                  0xebc3f3f11eefd05c,
		`{"sessionId":"s","x":"\ud800"}`:       0xe76049e84b9931d5,
		"{\"sessionId\":\"s\",\"x\":\"\xff\"}": 0x705c41aec160a24d,
		`{"no":"identity"}`:                    0xc01c742b7419e29f,
		`{broken`:                              0xc541eca4fb1fe9c0,
		string(benchRow):                       0x76c2df5be10a1351,
	} {
		if got := ParseRow([]byte(raw)).Fingerprint(Ignore{}); got != want {
			t.Errorf("%.60s: 0x%016x, want 0x%016x", raw, got, want)
		}
	}
}

func fingerprint(raw string, ignore ...string) uint64 {
	ig, err := ParseIgnore(ignore)
	if err != nil {
		panic(err)
	}
	return ParseRow([]byte(raw)).Fingerprint(ig)
}

func TestFingerprintSame(t *testing.T) {
	for _, pair := range [][2]string{
		{`{"sessionId":"s","a":1}`, `{ "a" : 1,"sessionId":"s" }`},
		{`{"sessionId":"s","a":{"b":1,"c":2}}`, `{"sessionId":"s","a":{"c":2,"b":1}}`},
		{`{"sessionId":"s","a":"é/\n"}`, `{"sessionId":"s","a":"\u00e9\/\u000a"}`},
		{`{"sessionId":"s","ab":1}`, `{"sessionId":"s","\u0061b":1}`},
		{`{"sessionId":"s","a":[1,2]}`, "{\"sessionId\":\"s\",\"a\":[\n1 ,\t2 ]}"},
	} {
		if fingerprint(pair[0]) != fingerprint(pair[1]) {
			t.Errorf("%s and %s differ", pair[0], pair[1])
		}
	}
}

func TestFingerprintDifferent(t *testing.T) {
	rows := []string{
		`{"sessionId":"s"}`, `{"sessionId":"t"}`, `{"sessionId":"s","a":null}`, `{"sessionId":"s","a":"null"}`,
		`{"sessionId":"s","a":1}`, `{"sessionId":"s","a":1.0}`, `{"sessionId":"s","a":"1"}`, `{"sessionId":"s","a":[1]}`,
		`{"sessionId":"s","a":[[1]]}`, `{"sessionId":"s","a":[]}`, `{"sessionId":"s","a":{}}`, `{"sessionId":"s","a":[{}]}`,
		`{"sessionId":"s","a":[1,2]}`, `{"sessionId":"s","a":[2,1]}`, `{"sessionId":"s","a":[[1],2]}`, `{"sessionId":"s","a":[1,[2]]}`,
		`{"sessionId":"s","a":true}`, `{"sessionId":"s","a":false}`, `{"sessionId":"s","a":""}`, `{"sessionId":"s","a":"a"}`,
		`{"sessionId":"s","a":{"b":"c"},"d":{}}`, `{"sessionId":"s","a":{},"d":{"b":"c"}}`, `{"sessionId":"s","a":"b","c":"d"}`,
		`{"sessionId":"s","a":"d","c":"b"}`, `{"sessionId":"s","a":1,"a":1}`, `{"sessionId":"s","a":"\ud800"}`, `{"sessionId":"s","a":"\ud801"}`,
		`{"sessionId":"s","a":"\uFFFD"}`, "{\"sessionId\":\"s\",\"a\":\"\xff\"}", "{\"sessionId\":\"s\",\"a\":\"\xfe\"}",
		`{"sessionId":"s","a":[null,null]}`, `{"sessionId":"s","a":[null]}`, `{"sessionId":"s`, `{"sessionId":"t`, `[]`, `{}`,
	}
	seen := map[uint64]string{}
	for _, raw := range rows {
		h := fingerprint(raw)
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have one fingerprint", raw, other)
		}
		seen[h] = raw
	}
}

func TestIgnore(t *testing.T) {
	for _, c := range []struct {
		a, b   string
		ignore string
		same   bool
	}{
		{`{"sessionId":"s","a":1}`, `{"sessionId":"s","a":2}`, "/a", true},
		{`{"sessionId":"s","a":1}`, `{"sessionId":"s"}`, "/a", true},
		{`{"sessionId":"s","a":1}`, `{"sessionId":"s","a":2}`, "/b", false},
		{`{"sessionId":"s","a":{"x":1,"y":1}}`, `{"sessionId":"s","a":{"x":2,"y":1}}`, "/a/x", true},
		{`{"sessionId":"s","a":{"x":1,"y":1}}`, `{"sessionId":"s","a":{"x":1,"y":2}}`, "/a/x", false},
		{`{"sessionId":"s","d":[{"n":1},{"n":2}]}`, `{"sessionId":"s","d":[{"n":3},{"n":4}]}`, "/d/*/n", true},
		{`{"sessionId":"s","d":[{"n":1},{"n":2}]}`, `{"sessionId":"s","d":[{"n":1},{"n":4}]}`, "/d/0/n", false},
		{`{"sessionId":"s","d":[{"n":1},{"n":2}]}`, `{"sessionId":"s","d":[{"n":1},{"n":4}]}`, "/d/1/n", true},
		{`{"sessionId":"s","d":[1,2]}`, `{"sessionId":"s","d":[1,2,3]}`, "/d/*", true},
		{`{"sessionId":"s","d":[1,2,3]}`, `{"sessionId":"s","d":[1,9,3]}`, "/d/1", true},
		{`{"sessionId":"s","a/b~":1}`, `{"sessionId":"s","a/b~":2}`, "/a~1b~0", true},
		{`{"sessionId":"s","\u0061":1}`, `{"sessionId":"s","a":2}`, "/a", true},
		{`{"sessionId":"s","m":{"p":{"t":1}}}`, `{"sessionId":"s","m":{"q":{"t":2}}}`, "/m/*/t", false},
		{`{"sessionId":"s","m":{"p":{"t":1}}}`, `{"sessionId":"s","m":{"p":{"t":2}}}`, "/*/*/t", true},
		{`{"sessionId":"s","":1}`, `{"sessionId":"s","":2}`, "/", true},
	} {
		if same := fingerprint(c.a, c.ignore, "/unrelated/*/x") == fingerprint(c.b, "/unrelated/*/x", c.ignore); same != c.same {
			t.Errorf("%s: %s and %s same: %t, want %t", c.ignore, c.a, c.b, same, c.same)
		}
	}
}

func TestParseIgnoreRefuses(t *testing.T) {
	for _, pointers := range [][]string{{""}, {"a"}, {"/a~"}, {"/a~2"}, {"/ok", "a/b"}, make([]string, 65)} {
		if _, err := ParseIgnore(pointers); err == nil {
			t.Errorf("%q accepted", pointers)
		}
	}
	most := strings.Split(strings.Repeat("/a/b,", 64)+"/x", ",")[:64]
	if _, err := ParseIgnore(most); err != nil {
		t.Error(err)
	}
	if fingerprint(`{"sessionId":"s","last":1}`, append(most[:63:63], "/last")...) != fingerprint(`{"sessionId":"s"}`) {
		t.Error("the 64th pointer does not count")
	}
}

// A document is rebuilt with members shuffled, strings escaped and space put in:
// its fingerprint must stay; with one scalar changed it must not.
func TestFingerprintOfRandomDocuments(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		doc := map[string]any{"sessionId": "s", "x": randomValue(r, 4)}
		a, b := write(r, doc), write(r, doc)
		if fingerprint(a) != fingerprint(b) {
			t.Fatalf("seed %d: %s and %s differ", seed, a, b)
		}
		doc["y"] = "changed"
		if c := write(r, doc); fingerprint(a) == fingerprint(c) {
			t.Fatalf("seed %d: %s and %s are one", seed, a, c)
		}
	}
}

func randomValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(5); {
	case n == 0:
		return r.Float64()
	case n == 1 || depth == 0:
		return []string{"", "é", "a\"b", "日本", "{"}[r.IntN(5)]
	case n == 2:
		return nil
	case n == 3:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = randomValue(r, depth-1)
		}
		return list
	}
	m := map[string]any{}
	for range r.IntN(5) {
		m[fmt.Sprint(r.IntN(9), "\t")] = randomValue(r, depth-1)
	}
	return m
}

// write returns one of the many texts of v; map order is Go's.
func write(r *rand.Rand, v any) string {
	space := strings.Repeat(" ", r.IntN(2))
	var parts []string
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			parts = append(parts, space+write(r, name)+space+":"+write(r, value)+space)
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		for _, value := range v {
			parts = append(parts, space+write(r, value))
		}
		return "[" + strings.Join(parts, ",") + space + "]"
	case string:
		if r.IntN(2) == 0 {
			var b strings.Builder
			for _, c := range v {
				fmt.Fprintf(&b, `\u%04x`, c)
			}
			return `"` + b.String() + `"`
		}
		q, _ := jsontext.AppendQuote(nil, v)
		return string(q)
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

// A row made by hand, not by ParseRow, may hold anything: hashing it must end.
func TestFingerprintOfTextThatWasNotParsedEnds(t *testing.T) {
	for _, raw := range []string{"", "{", `{"`, `{"a"`, `{"a":`, `{"a":1`, `{"a":}`, `[`, `[1`, `[:`, `["`, `[,]`, "\"", ":", "}", strings.Repeat("[", 1<<20), strings.Repeat(`{"":`, 1<<20)} {
		Row{Raw: jsontext.Value(raw)}.Fingerprint(Ignore{})
		ig, _ := ParseIgnore([]string{"/a/*", "/*"})
		Row{Raw: jsontext.Value(raw)}.Fingerprint(ig)
	}
}

func TestFingerprintAllocatesNothing(t *testing.T) {
	r := ParseRow(benchRow)
	ig, _ := ParseIgnore([]string{"/metaInfo/*", "/destinations/*/respondingAgent"})
	if allocs := testing.AllocsPerRun(200, func() { r.Fingerprint(ig) }); allocs > 0.5 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzParseRow(f *testing.F) {
	f.Add([]byte(`{"sessionId":"s","x":[1,{"y":"\ud800"}]}`))
	f.Add(benchRow)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := ParseRow(raw)
		if (r.Err == nil) != (r.Identity() != "") {
			t.Errorf("error %v, identity %q", r.Err, r.Identity())
		}
		h := r.Fingerprint(Ignore{})
		if r.Err == nil {
			again := r.Raw.Clone()
			if err := again.Indent(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true)); err != nil || ParseRow(again).Fingerprint(Ignore{}) != h {
				t.Errorf("white space counts in %s (%v)", raw, err)
			}
		}
	})
}
