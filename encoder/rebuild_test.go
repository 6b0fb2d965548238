package encoder

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/convstream/convstream/poller/smartassist"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var observed = time.Date(2026, 3, 1, 12, 30, 0, 250e6, time.UTC)

func testEncoder(t testing.TB) *Encoder {
	t.Helper()
	e, err := New(Config{AccountID: "65269fe0dd9c622245c10001", Topics: Topics{Prefix: "conversations."}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func firstRevision(row smartassist.Row) Revision {
	return Revision{Row: row, Number: 1, Change: ChangeNew, ObservedAt: observed, Fingerprint: row.Fingerprint(smartassist.Ignore{})}
}

// passage takes a row through a record's bytes.
func passage(e *Encoder, row []byte) (Message, *Conversation, error) {
	m, err := e.Conversation(firstRevision(smartassist.ParseRow(row)))
	if err != nil {
		return m, nil, err
	}
	c, err := DecodeConversation(m.Value)
	return m, c, err
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkPassage fails unless the row comes back equal, through a record whose
// every string is valid UTF-8 and which is the one that was encoded.
func checkPassage(t fataler, e *Encoder, row []byte) *Conversation {
	t.Helper()
	m, c, err := passage(e, row)
	if err != nil {
		t.Fatalf("row %q: %v", row, err)
	}
	back, err := c.Rebuild()
	if err != nil {
		t.Fatalf("row %q: unmapped %q: %v", row, c.Unmapped, err)
	}
	if !EqualJSON(row, back) {
		t.Fatalf("row      %q\nrebuilt  %q\nunmapped %q", row, back, c.Unmapped)
	}
	checkUTF8(t, decodeAny(t, m.Value))
	checkSame(t, e, row, c)
	return c
}

// checkSame compares what was decoded with what the encoder had before it.
func checkSame(t fataler, e *Encoder, row []byte, decoded *Conversation) {
	t.Helper()
	parsed := smartassist.ParseRow(row)
	rd := newReader()
	defer rd.free()
	rd.row(parsed)
	e.describe(&rd.record, firstRevision(parsed))
	noUnmapped := cmp.FilterValues(func(_, _ map[string]string) bool { return true }, cmpopts.EquateEmpty())
	if diff := cmp.Diff(&rd.record, decoded, noUnmapped); diff != "" {
		t.Fatalf("row %q: encoded (-) and decoded (+) differ:\n%s", row, diff)
	}
}

func checkUTF8(t fataler, v any) {
	t.Helper()
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			t.Fatalf("string %q is not UTF-8", v)
		}
	case []any:
		for _, element := range v {
			checkUTF8(t, element)
		}
	case map[string]any:
		for name, value := range v {
			checkUTF8(t, name)
			checkUTF8(t, value)
		}
	}
}

var rows = flag.Int("rows", 0, "how many generated rows TestAnyRowComesBack takes, in place of rapid's number")

// Rows of any shape come back equal. rapid prints the seed of a failure. A million:
//
//	go test ./encoder -run TestAnyRowComesBack -rows 1000000 -timeout 2h -v
func TestAnyRowComesBack(t *testing.T) {
	if *rows > 0 {
		checks := flag.Lookup("rapid.checks")
		defer flag.Set(checks.Name, checks.Value.String())
		if err := flag.Set(checks.Name, strconv.Itoa(*rows)); err != nil {
			t.Fatal(err)
		}
	}
	e := testEncoder(t)
	var whole, nobody, size, kept int
	rapid.Check(t, func(t *rapid.T) {
		row := anyRow(t)
		switch err := smartassist.ParseRow(row).Err; err {
		case nil:
			kept += len(checkPassage(t, e, row).Unmapped)
			whole, size = whole+1, size+len(row)
		case smartassist.ErrNoIdentity: // of a repeated sessionId the last may be null
			checkDeadLetter(t, e, row)
			nobody++
		default:
			t.Fatalf("row %q: %v", row, err)
		}
	})
	t.Logf("%d rows came back equal, %d bytes, %d values of them in unmapped; %d rows without identity are dead letters, whole; rows with a value lost: 0", whole, size, kept, nobody)
}

// FuzzEncodeRebuild takes any bytes as a row: what has no Err is encoded and
// comes back, what has one becomes a dead letter that carries it whole.
func FuzzEncodeRebuild(f *testing.F) {
	page, err := os.ReadFile("testdata/sample-page.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, row := range sampleRows(f, page) {
		f.Add([]byte(row))
	}
	for _, members := range []string{
		`"csatScore":"n/a","reason":"x","Reason":null`, "\"orgId\":\"\xff\",\"\xfe\":1", `"a":1,"a":2`, `"":1,"~/":{"/":[]}`,
		`"metaInfo":[[[[1e400]]]],"skills":[null,"\ud800"]`, `"destinations":[{"destinationType":"AgentSegment","agentId":7,"JoinedUsers":[{},3]},4]`,
		`"destinations":[{"respondingAgent":{"snoozeinfo":[{}],"ConsultingAgents":[{"isMerged":"no"}]},"nonRespondingAgents":null}]`,
	} {
		f.Add([]byte(`{"sessionId":"66c97ba342aad0ced15f0001",` + members + `}`))
	}
	e := testEncoder(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if smartassist.ParseRow(raw).Err == nil {
			checkPassage(t, e, raw)
			return
		}
		checkDeadLetter(t, e, raw)
	})
}

// checkDeadLetter fails unless a row that can be no conversation becomes a letter
// that carries it whole, but for white space around it.
func checkDeadLetter(t fataler, e *Encoder, raw []byte) {
	t.Helper()
	row := smartassist.ParseRow(raw)
	if m := e.DeadLetter(DeadLetter{Row: row, Error: row.Err.Error()}); len(m) != 1 || !bytes.Equal(m[0].Value, bytes.Trim(raw, " \t\r\n")) {
		t.Fatalf("row %q: %d dead letters", raw, len(m))
	}
}

func manyMembers(row []byte, n int) []byte {
	for i := range n {
		row = fmt.Appendf(row, `,"x%d/~":%d`, i, i)
	}
	return row
}

// A row as deep and as wide as the parser takes is encoded in reasonable time.
func TestLargeRowsComeBack(t *testing.T) {
	e := testEncoder(t)
	many := func(s string, n int) []byte { return bytes.Repeat([]byte(s), n) }
	for name, row := range map[string][]byte{
		"a large metaInfo":  append(append([]byte(`{"sessionId":"s","metaInfo":{"":[0`), many(`,{"a~/":["\\ud800",1e400,null,12345678901234567890123]}`, 5<<20/52)...), "]}}"...),
		"a large unknown":   append(append([]byte("{\"sessionId\":\"s\",\"\xff\":[0"), many(",\"\xfe\\udcfe\"", 5<<20/10)...), "]}"...),
		"many members":      append(manyMembers([]byte(`{"sessionId":"s"`), 100_000), '}'),
		"deep":              append(append([]byte(`{"sessionId":"s","metaInfo":`), append(many("[", 5000), many("]", 5000)...)...), '}'),
		"deep and unknown":  append(append([]byte(`{"sessionId":"s","x":`), append(many(`{"a":`, 5000), append([]byte("1"), many("}", 5000)...)...)...), '}'),
		"many elements":     append(append([]byte(`{"sessionId":"s","skills":[0`), many(",null", 100_000)...), "]}"...),
		"many destinations": append(append([]byte(`{"sessionId":"s","destinations":[{}`), many(`,{"x":1,"y":null,"queueId":"q"}`, 30_000)...), "]}"...),
		"a long text":       append(append([]byte(`{"sessionId":"s","csatFeedback":"`), many("é\\n", 100_000)...), `"}`...),
	} {
		t.Run(name, func(t *testing.T) {
			_, c, err := passage(e, row)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := c.Rebuild(); err != nil || !EqualJSON(row, back) {
				t.Errorf("does not come back: %v", err)
			}
		})
	}
}

// What is deeper than JSON is read, or is no JSON, is never cut: it is a dead letter, whole.
func TestRowsThatAreTooDeepAreDeadLetters(t *testing.T) {
	e := testEncoder(t)
	for _, depth := range []int{10_001, 1_000_000} {
		raw := append(append([]byte(`{"sessionId":"s","metaInfo":`), bytes.Repeat([]byte("["), depth)...), append(bytes.Repeat([]byte("]"), depth), '}')...)
		if smartassist.ParseRow(raw).Err == nil {
			checkPassage(t, e, raw)
			continue
		}
		checkDeadLetter(t, e, raw)
	}
}
