package smartassist

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

const testKey = "0123456789abcdef of the tests"

func redaction(t interface {
	Helper()
	Fatal(...any)
}, rules ...string) *Redaction {
	t.Helper()
	r, err := ParseRedaction(rules)
	if err == nil && r.Hashes() {
		r, err = r.WithKey(testKey)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// macOf is the hash of a value, as openssl dgst -sha256 -hmac prints it.
func macOf(said string) string { return tree{kind: '"', raw: `"x"`, content: said}.macOf() }

func (n tree) macOf() string { return n.hashed(testKey).content }

func TestRedactedRow(t *testing.T) {
	one := macOf("+4930")
	for _, c := range []struct{ rules, row, want string }{
		{"/phone=drop", `{"sessionId":"s","phone":"+4930","n":1.50}`, `{"sessionId":"s","n":1.50}`},
		{"/phone=drop", `{"phone":"+4930","sessionId":"s"}`, `{"sessionId":"s"}`},
		{"/a=drop,/b=drop,/c=drop", `{"a":1,"b":2,"sessionId":"s","c":3}`, `{"sessionId":"s"}`},
		{"/x/a=drop,/x/b=drop", `{"sessionId":"s","x":{"a":1 , "b":2 }}`, `{"sessionId":"s","x":{}}`},
		{"/x/0=drop,/x/2=drop", `{"sessionId":"s","x":[ 1, 2 ,3]}`, `{"sessionId":"s","x":[2]}`},
		{"/x/*=drop", `{"sessionId":"s","x":[1,2,3]}`, `{"sessionId":"s","x":[]}`},
		{"/phone=hash", `{"sessionId":"s","phone":"+4930"}`, `{"sessionId":"s","phone":"` + one + `"}`},
		{"/phone=hash", `{"sessionId":"s","phone":"\u002b4930"}`, `{"sessionId":"s","phone":"` + one + `"}`},
		{"/phone=hash", `{"sessionId":"s","\u0070hone":"+4930"}`, `{"sessionId":"s","\u0070hone":"` + one + `"}`},
		{"/phone=hash", `{"sessionId":"s","Phone":"+4930","PHONE":"+4930"}`, `{"sessionId":"s","Phone":"` + one + `","PHONE":"` + one + `"}`},
		{"/phone=hash", `{"phone":"+4930","sessionId":"s","phone":"+4930"}`, `{"phone":"` + one + `","sessionId":"s","phone":"` + one + `"}`},
		{"/phone=hash", `{"sessionId":"s","phone":null}`, `{"sessionId":"s","phone":null}`},
		{"/phone=hash", `{"sessionId":"s","phone":""}`, `{"sessionId":"s","phone":""}`},
		{"/phone=hash", `{"sessionId":"s","phone":4930}`, `{"sessionId":"s","phone":"` + macOf("4930") + `"}`},
		{"/phone=hash", `{"sessionId":"s","phone":1.0}`, `{"sessionId":"s","phone":"` + macOf("1.0") + `"}`},
		{"/phone=hash", `{"sessionId":"s","phone":true}`, `{"sessionId":"s","phone":"` + macOf("true") + `"}`},
		{"/x=hash", `{"sessionId":"s","x":{"b" : [1.0, "\u00e9"], "a":{}}}`, `{"sessionId":"s","x":"` + macOf(`{"a":{},"b":[1.0,"é"]}`) + `"}`},
		{"/d/*/agent/email=hash", `{"sessionId":"s","d":[{"agent":{"email":"+4930"}},{"agent":null},7]}`, `{"sessionId":"s","d":[{"agent":{"email":"` + one + `"}},{"agent":null},7]}`},
		{"/d/*=hash,/d/1=drop", `{"sessionId":"s","d":["+4930","x","+4930"]}`, `{"sessionId":"s","d":["` + one + `","` + one + `"]}`},
		{"/a~1b~0/*=drop", `{"sessionId":"s","a/b~":{"x":1}}`, `{"sessionId":"s","a/b~":{}}`},
		{"/sessionId=hash", `{"sessionId":"+4930"}`, `{"sessionId":"` + one + `"}`},
		{"/conversationId=hash", `{"conversationId":null,"sessionId":"s"}`, `{"conversationId":null,"sessionId":"s"}`},
		{"/conversationId=hash", `{"conversationId":{"a":1},"sessionId":"s"}`, `{"conversationId":null,"sessionId":"s"}`},
		{"/conversationId=hash", `{"conversationId":4930,"sessionId":"s"}`, `{"conversationId":"` + macOf("4930") + `","sessionId":"s"}`},
		{"/phone=drop", `{"phone":"+4930","no":"identity"}`, `{"no":"identity"}`},
		{"/phone=drop", `{"sessionId":"s" , "n":1}`, `{"sessionId":"s" , "n":1}`},
	} {
		before := ParseRow([]byte(c.row))
		after := redaction(t, strings.Split(c.rules, ",")...).Row(before)
		if string(after.Raw) != c.want || after.Err != before.Err || after.Kind != before.Kind {
			t.Errorf("%s of %s: %s (%v, %s), want %s (%v, %s)", c.rules, c.row, after.Raw, after.Err, after.Kind, c.want, before.Err, before.Kind)
		}
		if again := ParseRow(after.Raw); again.Fingerprint(Ignore{}) != after.Fingerprint(Ignore{}) || again.Identity() != after.Identity() {
			t.Errorf("%s of %s: it is not read back as it was", c.rules, c.row)
		}
	}
}

func TestNothingIsRedactedWithoutRules(t *testing.T) {
	row := ParseRow([]byte(`{broken`))
	for _, r := range []*Redaction{nil, redaction(t)} {
		if got := r.Row(row); r.ID() != "" || r.Hashes() || string(got.Raw) != `{broken` {
			t.Errorf("%q, %q", r.ID(), got.Raw)
		}
	}
}

// What the poller goes by stays when the id that says it is hashed.
func TestTheStartOutlivesTheSession(t *testing.T) {
	row := ParseRow([]byte(`{"sessionId":"66c9a55754638e543c370001"}`))
	left := redaction(t, "/sessionId=hash").Row(row)
	if want := time.Unix(0x66c9a557, 0).UTC(); !left.Start.Equal(want) || strings.Contains(string(left.Raw), "66c9") {
		t.Errorf("%v, want %v: %s", left.Start, want, left.Raw)
	}
}

func TestWhatIsNoObjectIsWithheld(t *testing.T) {
	for _, text := range []string{`{"phone":"+4930","n":01}`, `"+4930"`, `["+4930"]`, `4930`} {
		row := redaction(t, "/phone=drop").Row(ParseRow([]byte(" " + text + "\n")))
		var told struct {
			Bytes  int
			SHA256 string
		}
		if err := json.Unmarshal(row.Raw, &told); err != nil || told.Bytes != len(text) || told.SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(text))) {
			t.Errorf("%s: %s (%v)", text, row.Raw, err)
		}
		if row.Err == nil || !IsWithheld(row.Raw) || strings.Contains(string(row.Raw), "4930") {
			t.Errorf("%s: %s, %v", text, row.Raw, row.Err)
		}
	}
	if IsWithheld([]byte(`{"sessionId":"s"}`)) {
		t.Error("a row is taken for one that was withheld")
	}
}

func TestParseRedactionRefuses(t *testing.T) {
	for rules, want := range map[string]string{
		"/a":                     "is not a rule",
		"/a=mask":                "is not a rule",
		"=drop":                  "must begin with /",
		"a=drop":                 "must begin with /",
		"/a~2=drop":              "is not a JSON Pointer",
		"/a=drop,/a=hash":        "stands there twice",
		"/channel=hash":          "takes channel",
		"/Channel=drop":          "takes channel",
		"/*=hash":                "takes channel",
		"/sessionStartTime=drop": "takes sessionStartTime",
		"/finalStatus=drop":      "takes finalStatus",
		"/conversationId=drop":   "expected /conversationId=hash",
		"/SessionID=drop":        "expected /SessionID=hash",
		many:                     "at most 64",
	} {
		_, err := ParseRedaction(strings.Split(rules, ","))
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `"`, ""), want) {
			t.Errorf("%.40s: %v, want %s", rules, err, want)
		}
	}
	if r, err := ParseRedaction([]string{"/a=hash"}); err != nil || !r.Hashes() {
		t.Error(r, err)
	} else if _, err := r.WithKey("too short"); err == nil || strings.Contains(err.Error(), "too short") {
		t.Error(err)
	}
}

// many is one rule too many.
var many = func() string {
	var rules []string
	for i := range maxPointers + 1 {
		rules = append(rules, fmt.Sprintf("/a%d=drop", i))
	}
	return strings.Join(rules, ",")
}()

// Two replicas redact alike if their ID is one.
func TestTheIDOfARedaction(t *testing.T) {
	seen := map[string]string{}
	for _, rules := range []string{"/a=drop", "/b=drop", "/a=hash", "/a=drop,/b=hash"} {
		r := redaction(t, strings.Split(rules, ",")...)
		seen[r.ID()] = rules
		if r.Hashes() {
			other, err := r.WithKey(testKey + "!")
			if err != nil {
				t.Fatal(err)
			}
			seen[other.ID()] = rules
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d of 6 are different: %v", len(seen), seen)
	}
	if a, b := redaction(t, "/a=drop", "/b=hash"), redaction(t, "/b=hash", "/a=drop"); a.ID() != b.ID() || len(a.ID()) != 16 {
		t.Errorf("%s and %s", a.ID(), b.ID())
	}
}

func TestMatchedIsCounted(t *testing.T) {
	r := redaction(t, "/phone=hash", "/d/*/x=drop", "/never=drop")
	r.Row(ParseRow([]byte(`{"sessionId":"s","phone":"1","Phone":"2","d":[{"x":1},{"y":2},{"x":3}]}`)))
	got := map[string]uint64{}
	for _, pointer := range r.Pointers() {
		got[pointer] = r.Count(pointer)
	}
	if got["/phone"] != 2 || got["/d/*/x"] != 2 || got["/never"] != 0 || len(got) != 3 {
		t.Error(got)
	}
}

// fuzzRules lead everywhere that texts made of few letters can have something.
var fuzzRules = []string{"/a=drop", "/b=hash", "/c/*=hash", "/d/0=drop", "/d/*/a=hash", "/*/b=drop", "/c/a/*/b=drop",
	"/conversationId=hash", "/sessionId=hash", "/~1=drop", "/metaInfo/*=hash", "/destinations/*/respondingAgent/email=drop", "/customerinfo=hash"}

// FuzzRedact holds the redaction of any text against the slow one. A text that is not a JSON object is withheld.
func FuzzRedact(f *testing.F) {
	for _, text := range edges {
		f.Add([]byte(text))
		f.Add([]byte(`{"a":` + text + `,"b":` + text + `,"c":{"x":` + text + `},"d":[` + text + `,{"A":` + text + `}],"/":` + text + `,"conversationId":` + text + `}`))
	}
	f.Add(benchRow)
	f.Add([]byte(`{"b":"a","B":"\u0061","b":["\ud800",{"z":1,"a":2,"z":3}],"D":[1,{"\u0061":0},{"b":1}],"c":{"a":[{"b":1},{"c":2}]},"x":{"b":{}}}`))
	r := redaction(f, fuzzRules...)
	rules := slowRules(fuzzRules)
	f.Fuzz(func(t *testing.T, text []byte) {
		row := r.Row(ParseRow(text))
		if !json.Valid(row.Raw) {
			t.Fatalf("%q became %q", text, row.Raw)
		}
		if !json.Valid(text) || rawjson.KindOf(trimmed(text)) != '{' {
			if !IsWithheld(row.Raw) {
				t.Errorf("%q became %q", text, row.Raw)
			}
			return
		}
		if want, got := parseNode(trimmed(text)).redacted(rules, testKey), parseNode(row.Raw); !got.equal(want) {
			t.Errorf("%q became %q", text, row.Raw)
		}
	})
}

func BenchmarkRedactedRow(b *testing.B) {
	r := redaction(b, "/customerinfo=drop", "/metaInfo/caller=hash", "/metaInfo/callee=hash", "/userId=hash",
		"/destinations/*/respondingAgent/name=hash", "/destinations/*/respondingAgent/email=hash", "/dispositionRemarks=drop")
	b.SetBytes(int64(len(benchRow)))
	b.ReportAllocs()
	for b.Loop() {
		r.Row(ParseRow(benchRow))
	}
}

// phoneIn reports whether anything of a page holds the text.
func phoneIn(text string, page Page) bool {
	held := strings.Contains(string(page.Rest), text)
	for _, r := range page.Rows {
		held = held || strings.Contains(string(r.Raw), text) || strings.Contains(fmt.Sprintf("%#v", r), text)
	}
	return held
}

// Whatever comes of an answer, a row or what could not be split, has been redacted when the client returns it.
func TestTheClientRedacts(t *testing.T) {
	const phone = "+4915550199"
	synctest.Test(t, func(t *testing.T) {
		bodies := []string{
			`{"data":[{"sessionId":"a","phone":"` + phone + `"},{"sessionId":"b","phone":"` + phone + `","n":01},"` + phone + `"]}`,
			`{"data":[{"sessionId":"a","phone":"` + phone + `"},{"note":"5" pipe","phone":"` + phone + `"}]}`,
		}
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, bodies[0])
			bodies = bodies[1:]
		}, func(cfg *Config) { cfg.Redaction = redaction(t, "/phone=hash") })
		page, err := c.Page(t.Context(), aQuery)
		if err != nil || len(page.Rows) != 3 || phoneIn(phone, page) {
			t.Errorf("%v: %+v", err, page)
		}
		if want := `{"sessionId":"a","phone":"` + macOf(phone) + `"}`; string(page.Rows[0].Raw) != want {
			t.Errorf("%s, want %s", page.Rows[0].Raw, want)
		}
		for _, row := range page.Rows[1:] {
			if !IsWithheld(row.Raw) {
				t.Errorf("%s", row.Raw)
			}
		}
		broken, err := c.Page(t.Context(), aQuery)
		if err == nil || len(broken.Rows) != 1 || !IsWithheld(broken.Rest) || phoneIn(phone, broken) || strings.Contains(err.Error(), phone) {
			t.Errorf("%v: %+v, rest %s", err, broken, broken.Rest)
		}
	})
}
