package encoder

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/schemas"
	"github.com/google/go-cmp/cmp"
)

// way tells how a field of the schema goes back to JSON: "csatScore, as integer".
type way = string

func waysOf[R any](into map[string]way, t *table[R]) {
	for _, f := range t.fields {
		into[f.path] = f.name + ", as " + f.way
	}
}

func waysInCode() map[string]way {
	all := map[string]way{}
	waysOf(all, conversationFields)
	waysOf(all, customerFields)
	waysOf(all, campaignFields)
	waysOf(all, userTagFields)
	waysOf(all, sessionTagFields)
	waysOf(all, segmentFields)
	waysOf(all, queueEntryFields)
	waysOf(all, agentFields)
	waysOf(all, consultingAgentFields)
	waysOf(all, joinedUserFields)
	waysOf(all, nonRespondingAgentFields)
	return all
}

// published finds the way back in a field's doc.
var published = regexp.MustCompile(`Service: .*?([A-Za-z]+, as [A-Za-z ]+)\.$`)

// waysInSchema collects the docs; records of one name are looked at where they
// are used.
func waysInSchema(into map[string]way, records map[string]any, path string, typ any) {
	switch typ := typ.(type) {
	case string:
		if record, ok := records[typ]; ok {
			waysInSchema(into, records, path, record)
		}
	case []any:
		waysInSchema(into, records, path, typ[1])
	case map[string]any:
		waysInSchema(into, records, path, typ["items"])
		if name, ok := typ["name"].(string); ok {
			records[name] = typ
		}
		fields, _ := typ["fields"].([]any)
		for _, f := range fields {
			f := f.(map[string]any)
			at := strings.TrimPrefix(path+"."+f["name"].(string), ".")
			if m := published.FindStringSubmatch(f["doc"].(string)); m != nil {
				into[at] = m[1]
			}
			waysInSchema(into, records, at, f["type"])
		}
	}
}

// What the schema's docs tell others to do when they rebuild rows is what the
// tables do, field by field.
func TestSchemaPublishesTheMapping(t *testing.T) {
	var schema any
	if err := json.Unmarshal([]byte(schemas.Conversation.Text), &schema); err != nil {
		t.Fatal(err)
	}
	inSchema := map[string]way{}
	waysInSchema(inSchema, map[string]any{}, "", schema)
	if diff := cmp.Diff(inSchema, waysInCode()); diff != "" {
		t.Errorf("schema (-) and tables (+) differ:\n%s", diff)
	}
}

// No name needs escaping in a pointer or in JSON: find compares source text.
func TestNamesArePlain(t *testing.T) {
	plain := regexp.MustCompile(`^[A-Za-z]+, as `)
	for path, way := range waysInCode() {
		if !plain.MatchString(way) {
			t.Errorf("%s: %s", path, way)
		}
	}
}

// at finds a field of a decoded record by its path; the first element of arrays.
func at(record map[string]any, path string) any {
	var v any = record
	for step := range strings.SplitSeq(path, ".") {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[step]
	}
	return v
}

// decodeAny reads a value without the structs of this package.
func decodeAny(t fataler, value []byte) map[string]any {
	t.Helper()
	var record any
	if _, err := schemas.Conversation.Parsed().DecodeSingleObject(value, &record); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return record.(map[string]any)
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// wrap puts a member of a nested object into a row, where the path of the schema
// has it.
func wrap(path, member string) (row, pointer string) {
	const start = `{"sessionId":"66c97ba342aad0ced15f0001","kept":0,`
	places := []struct{ prefix, before, after, pointer string }{
		{"customer.", `"customerinfo":{`, `}`, "/customerinfo"},
		{"campaign.", `"campaigninfo":{`, `}`, "/campaigninfo"},
		{"userTags.", `"userleveltags":[{`, `}]`, "/userleveltags/0"},
		{"sessionTags.", `"sessionleveltags":[{`, `}]`, "/sessionleveltags/0"},
		{"destinations.agent.consultingAgents.", `"destinations":[{"respondingAgent":{"ConsultingAgents":[{`, `}]}}]`, "/destinations/0/respondingAgent/ConsultingAgents/0"},
		{"destinations.agent.joinedUsers.", `"destinations":[{"respondingAgent":{"JoinedUsers":[{`, `}]}}]`, "/destinations/0/respondingAgent/JoinedUsers/0"},
		{"destinations.agent.", `"destinations":[{"respondingAgent":{`, `}}]`, "/destinations/0/respondingAgent"},
		{"destinations.nonRespondingAgents.", `"destinations":[{"nonRespondingAgents":[{`, `}]}]`, "/destinations/0/nonRespondingAgents/0"},
		{"destinations.", `"destinations":[{`, `}]`, "/destinations/0"},
	}
	for _, p := range places {
		if strings.HasPrefix(path, p.prefix) {
			return start + p.before + member + p.after + "}", p.pointer
		}
	}
	return start + member + "}", ""
}

// sample is a value for each way back: what fits exactly, and how it is typed.
var samples = map[string]struct {
	source string
	typed  any
}{
	"text":            {`"a \"text\""`, `a "text"`},
	"integer":         {`-17`, int32(-17)},
	"boolean":         {`true`, true},
	"YES or NO":       {`"NO"`, false},
	"local time":      {`"2024-08-24T14:48:15"`, utc("2024-08-24T14:48:15Z")},
	"UTC time":        {`"2025-09-30T06:34:48.810Z"`, utc("2025-09-30T06:34:48.810Z")},
	"JSON":            {`{"a": [1.0, null]}`, `{"a": [1.0, null]}`},
	"list of text":    {`["a",""]`, []any{"a", ""}},
	"list of objects": {`[]`, []any{}},
}

// Every documented member, wherever it stands, goes into its field alone.
func TestEveryFieldFits(t *testing.T) {
	e := testEncoder(t)
	for path, way := range waysInCode() {
		name, kind, _ := strings.Cut(way, ", as ")
		sample, ok := samples[kind]
		if !ok {
			if kind != "object" {
				t.Errorf("%s: no sample of %q", path, kind)
			}
			continue
		}
		row, _ := wrap(path, fmt.Sprintf("%q:%s", name, sample.source))
		checkPassage(t, e, []byte(row))
		m, _, err := passage(e, []byte(row))
		if err != nil {
			t.Errorf("%s: %v", row, err)
			continue
		}
		if path == "sessionId" || path == "id" {
			continue // the row of wrap has it twice
		}
		record := decodeAny(t, m.Value)
		if diff := cmp.Diff(sample.typed, at(record, path)); diff != "" {
			t.Errorf("%s: typed wrongly:\n%s", row, diff)
		}
		if diff := cmp.Diff(map[string]any{"/kept": "0"}, record["unmapped"]); diff != "" {
			t.Errorf("%s: unmapped:\n%s", row, diff)
		}
	}
}

// Every documented member that is null, or of a type its field cannot hold, has
// its source text kept, and is counted under the field's name.
func TestEveryFieldKeepsWhatDoesNotFit(t *testing.T) {
	e := testEncoder(t)
	for path, way := range waysInCode() {
		name, kind, _ := strings.Cut(way, ", as ")
		if path == "sessionId" {
			continue
		}
		for _, odd := range []string{`null`, `{"a":1,"a":2}`, `[[]]`, `1e400`, "\"\xff\""} {
			if kind == "JSON" && odd != "null" && odd != "\"\xff\"" || strings.HasPrefix(kind, "list") && odd == "[[]]" {
				continue
			}
			row, parent := wrap(path, fmt.Sprintf("%q:", name)+odd)
			checkPassage(t, e, []byte(row))
			m, c, err := passage(e, []byte(row))
			if err != nil {
				t.Errorf("%q: %v", row, err)
				continue
			}
			if got := c.Unmapped[parent+"/"+name]; got != escapeBroken(odd) {
				t.Errorf("%q: kept %q", row, c.Unmapped)
			}
			if diff := cmp.Diff([]string{"unknown", path}, bounded(m, UnknownMember, Misfit)); diff != "" {
				t.Errorf("%q: counted:\n%s", row, diff)
			}
		}
	}
}

// TestMemberOf: the schema's names that are no member's lead to the service's, in any case; all others to none.
func TestMemberOf(t *testing.T) {
	for field, want := range map[string]string{
		"voicemail": "isVoicemail", "VoiceMail": "isVoicemail", "agent": "respondingAgent", "customer": "customerinfo", "userTags": "userleveltags",
		"direction": "", "customerPhone": "", "reason": "", "isVoicemail": "", "sentiment": "", "": "",
	} {
		if got := MemberOf(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}
