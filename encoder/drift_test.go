package encoder

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What becomes of values that were seen, or may come: the best reading in the
// typed field, the source text in unmapped.
func TestDrift(t *testing.T) {
	type unmapped map[string]any
	e := testEncoder(t)
	for _, test := range []struct {
		name, members string // members of a row
		path          string
		typed         any
		unmapped      unmapped
	}{
		{"score of no number", `"csatScore":"n/a"`, "csatScore", nil, unmapped{"/csatScore": `"n/a"`}},
		{"score as string", `"csatScore":"3"`, "csatScore", int32(3), unmapped{"/csatScore": `"3"`}},
		{"score with leading zeros", `"csatScore":"007"`, "csatScore", int32(7), unmapped{"/csatScore": `"007"`}},
		{"score with fraction", `"npsScore":9.0`, "npsScore", int32(9), unmapped{"/npsScore": `9.0`}},
		{"score with exponent", `"npsScore":1e1`, "npsScore", int32(10), unmapped{"/npsScore": `1e1`}},
		{"score that is not whole", `"npsScore":8.5`, "npsScore", nil, unmapped{"/npsScore": `8.5`}},
		{"minus nothing", `"likeDislikeScore":-0`, "likeDislikeScore", int32(0), unmapped{"/likeDislikeScore": `-0`}},
		{"largest int", `"csatScore":2147483647`, "csatScore", int32(2147483647), unmapped{}},
		{"smallest int", `"csatScore":-2147483648`, "csatScore", int32(-2147483648), unmapped{}},
		{"larger than an int", `"csatScore":2147483648`, "csatScore", nil, unmapped{"/csatScore": `2147483648`}},
		{"23 digits", `"csatScore":12345678901234567890123`, "csatScore", nil, unmapped{"/csatScore": `12345678901234567890123`}},
		{"voicemail as boolean", `"isVoicemail":true`, "voicemail", true, unmapped{"/isVoicemail": `true`}},
		{"voicemail in lower case", `"isVoicemail":"yes"`, "voicemail", true, unmapped{"/isVoicemail": `"yes"`}},
		{"voicemail of no sense", `"isVoicemail":"maybe"`, "voicemail", nil, unmapped{"/isVoicemail": `"maybe"`}},
		{"reason in the other spelling", `"Reason":"Resolved"`, "reason", "Resolved", unmapped{"/Reason": `"Resolved"`}},
		{"reason in both spellings", `"Reason":"a","reason":"b"`, "reason", "b", unmapped{"/Reason": `"a"`, "/reason": `"b"`}},
		{"reason in both, the canonical first", `"reason":"b","Reason":"a"`, "reason", "b", unmapped{"/Reason": `"a"`, "/reason": `"b"`}},
		{"two other spellings", `"Reason":"a","REASON":7`, "reason", "7", unmapped{"/Reason": `"a"`, "/REASON": `7`}},
		{"a name with escapes", `"\u0072eason":"b"`, "reason", "b", unmapped{}},
		{"null", `"orgId":null`, "orgId", nil, unmapped{"/orgId": `null`}},
		{"number for text", `"userId":12345678901234567890123`, "userId", "12345678901234567890123", unmapped{"/userId": `12345678901234567890123`}},
		{"boolean for text", `"userId":false`, "userId", "false", unmapped{"/userId": `false`}},
		{"object for text", `"errorDetails":{"code":1}`, "errorDetails", nil, unmapped{"/errorDetails": `{"code":1}`}},
		{"empty text", `"smartStatus":""`, "smartStatus", "", unmapped{}},
		{"broken text", "\"csatFeedback\":\"so\xe9 \\ud83d\"", "csatFeedback", "so\uFFFD \uFFFD", unmapped{"/csatFeedback": `"so\udce9 \ud83d"`}},
		{"time with zone", `"sessionStartTime":"2024-08-24T14:48:15+05:30"`, "sessionStartTime", utc("2024-08-24T09:18:15Z"), unmapped{"/sessionStartTime": `"2024-08-24T14:48:15+05:30"`}},
		{"time with fraction", `"sessionStartTime":"2024-08-24T14:48:15.1239"`, "sessionStartTime", utc("2024-08-24T14:48:15.123Z"), unmapped{"/sessionStartTime": `"2024-08-24T14:48:15.1239"`}},
		{"time with a space", `"sessionStartTime":"2024-08-24 14:48:15"`, "sessionStartTime", utc("2024-08-24T14:48:15Z"), unmapped{"/sessionStartTime": `"2024-08-24 14:48:15"`}},
		{"no such day", `"sessionStartTime":"2023-02-29T14:48:15"`, "sessionStartTime", nil, unmapped{"/sessionStartTime": `"2023-02-29T14:48:15"`}},
		{"a leap second", `"sessionEndTime":"2016-12-31T23:59:60"`, "sessionEndTime", nil, unmapped{"/sessionEndTime": `"2016-12-31T23:59:60"`}},
		{"year 0", `"sessionEndTime":"0000-12-31T23:59:59"`, "sessionEndTime", nil, unmapped{"/sessionEndTime": `"0000-12-31T23:59:59"`}},
		{"year 0 in UTC", `"sessionEndTime":"0001-01-01T00:00:00+01:00"`, "sessionEndTime", nil, unmapped{"/sessionEndTime": `"0001-01-01T00:00:00+01:00"`}},
		{"first year", `"sessionEndTime":"0001-01-01T00:00:00"`, "sessionEndTime", utc("0001-01-01T00:00:00Z"), unmapped{}},
		{"last year", `"sessionEndTime":"9999-12-31T23:59:59"`, "sessionEndTime", utc("9999-12-31T23:59:59Z"), unmapped{}},
		{"UTC time without fraction", `"campaigninfo":{"campaignRunDate":"2026-02-16T14:06:41Z"}`, "campaign.campaignRunDate", utc("2026-02-16T14:06:41Z"), unmapped{"/campaigninfo/campaignRunDate": `"2026-02-16T14:06:41Z"`}},
		{"attempt empty", `"campaigninfo":{"attempt":""}`, "campaign.attempt", nil, unmapped{"/campaigninfo/attempt": `""`}},
		{"array absent", `"a":1`, "skills", nil, unmapped{"/a": `1`}},
		{"array null", `"skills":null`, "skills", nil, unmapped{"/skills": `null`}},
		{"array empty", `"skills":[]`, "skills", []any{}, unmapped{}},
		{"text for array", `"skills":"a"`, "skills", nil, unmapped{"/skills": `"a"`}},
		{"odd elements", `"skills":["a",null,7,{"id":1},"b"]`, "skills", []any{"a", "", "7", "", "b"}, unmapped{"/skills/1": `null`, "/skills/2": `7`, "/skills/3": `{"id":1}`}},
		{"object empty", `"customerinfo":{}`, "customer.customerEmail", nil, unmapped{}},
		{"tag value as number", `"userleveltags":[{"name":"n","value":1}]`, "userTags.value", "1", unmapped{"/userleveltags/0/value": `1`}},
		{"tag that is none", `"userleveltags":["vip",{"name":"n"}]`, "userTags.name", nil, unmapped{"/userleveltags/0": `"vip"`}},
		{"pointer escapes", `"a/b~c":{"~":1},"":2`, "channel", nil, unmapped{"/a~1b~0c": `{"~":1}`, "/": `2`}},
		{"names repeated below", `"customerinfo":{"CustomerEmail":"a","CustomerEmail":"b"}`, "customer.customerEmail", "b", unmapped{"/customerinfo": `{"CustomerEmail":"a","CustomerEmail":"b"}`}},
		{"unknown names repeated", `"customerinfo":{"x":1,"CustomerEmail":"a","\u0078":1}`, "customer.customerEmail", "a", unmapped{"/customerinfo": `{"x":1,"CustomerEmail":"a","\u0078":1}`}},
		{"a name that is no text", "\"customerinfo\":{\"\xff\":1,\"CustomerEmail\":\"a\"}", "customer.customerEmail", "a", unmapped{"/customerinfo": `{"\udcff":1,"CustomerEmail":"a"}`}},
		{"metaInfo of any shape", `"metaInfo":[1.0,{"a":1,"a":2}]`, "metaInfo", `[1.0,{"a":1,"a":2}]`, unmapped{}},
		{"metaInfo that is no text", "\"metaInfo\":{\"a\":\"\xff\"}", "metaInfo", "{\"a\":\"\uFFFD\"}", unmapped{"/metaInfo": `{"a":"\udcff"}`}},
		{"a segment itself", `"destinations":[{"agentId":"u-1","destinationType":"AgentSegment","status":"Answered"}]`, "destinations.agent.status", "Answered", unmapped{}},
		{"a segment with an agent", `"destinations":[{"destinationType":"AgentSegment","respondingAgent":{}}]`, "destinations.agent.status", nil, unmapped{"/destinations/0/respondingAgent": `{}`}},
		{"a queue with an agent's members", `"destinations":[{"destinationType":"QueueEntry","agentId":"u-1"}]`, "destinations.agent", nil, unmapped{"/destinations/0/agentId": `"u-1"`}},
		{"a segment in another spelling", `"destinations":[{"DestinationType":"AgentSegment","agentId":"u-1"}]`, "destinations.agent.agentId", "u-1", unmapped{"/destinations/0/DestinationType": `"AgentSegment"`}},
		{"a segment in two other spellings", `"destinations":[{"DESTINATIONTYPE":"AgentSegment","DestinationType":{},"respondingAgent":{}}]`, "destinations.destinationType", nil, unmapped{"/destinations/0/DESTINATIONTYPE": `"AgentSegment"`, "/destinations/0/DestinationType": `{}`}},
		{"destinations in two spellings", `"destinations":[{"x":1}],"Destinations":[]`, "destinations.queueId", nil, unmapped{"/destinations": `[{"x":1}]`, "/Destinations": `[]`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			row := []byte(`{"sessionId":"66c97ba342aad0ced15f0001",` + test.members + "}")
			checkPassage(t, e, row)
			m, _, err := passage(e, row)
			if err != nil {
				t.Fatal(err)
			}
			record := decodeAny(t, m.Value)
			if diff := cmp.Diff(test.typed, at(record, test.path)); diff != "" {
				t.Errorf("%s:\n%s", test.path, diff)
			}
			if diff := cmp.Diff(map[string]any(test.unmapped), record["unmapped"]); diff != "" {
				t.Errorf("unmapped:\n%s", diff)
			}
		})
	}
}

// Of a row with a name twice the whole text is kept, and still typed.
func TestRowWithRepeatedNames(t *testing.T) {
	row := `{"sessionId":"a","conversationId":"c-1","conversationId":"c-2","x":1,"csatScore":5}`
	c := checkPassage(t, testEncoder(t), []byte(row))
	if diff := cmp.Diff(map[string]string{"": row}, c.Unmapped); diff != "" {
		t.Error(diff)
	}
	if c.ID != "c-2" || *c.ConversationID != "c-2" || *c.CsatScore != 5 {
		t.Errorf("id %s, conversationId %s, csatScore %d", c.ID, *c.ConversationID, *c.CsatScore)
	}
}

// The members no table knows are named, as they are, but not without end.
func TestUnknownMembersAreNamed(t *testing.T) {
	long := strings.Repeat("é", 100)
	row := `{"sessionId":"a","new":1,"` + long + `":1,"destinations":[{"respondingAgent":{"mood":"fine"}}]}`
	m, _, err := passage(testEncoder(t), []byte(row))
	if err != nil {
		t.Fatal(err)
	}
	want := []Deviation{
		{UnknownMember, "new", "/new", "number"},
		{UnknownMember, long[:maxUnknownLength], "/" + long, "number"},
		{UnknownMember, "destinations.agent.mood", "/destinations/0/respondingAgent/mood", "string"},
	}
	if diff := cmp.Diff(want, m.Deviations); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"unknown", "unknown", "unknown"}, bounded(m, UnknownMember)); diff != "" {
		t.Error(diff)
	}
	m, _, err = passage(testEncoder(t), []byte(`{"sessionId":"a"`+strings.Repeat(`,"x":1`, 3)+`}`))
	if diff := cmp.Diff([]Deviation{{Misfit, "", "", "object"}}, m.Deviations); err != nil || diff != "" {
		t.Errorf("of a row kept whole: %v\n%s", err, diff)
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = `"` + strings.Repeat("x", i+1) + `":1`
	}
	m, _, err = passage(testEncoder(t), []byte(`{"sessionId":"a",`+strings.Join(many, ",")+`}`))
	if err != nil || len(m.Deviations) != 100 || m.Deviations[maxUnknown-1].Field == "" || m.Deviations[maxUnknown].Field != "" {
		t.Errorf("%v, %v", m.Deviations, err)
	}
}

// What is only spelt in another way does not hide what really does not fit.
func TestSpellingsAreCountedApart(t *testing.T) {
	for row, want := range map[string][2][]string{
		`{"sessionId":"a","reason":"x"}`:                 {},
		`{"sessionId":"a","Reason":"x"}`:                 {nil, {"reason"}},
		`{"sessionId":"a","CSATSCORE":"n/a"}`:            {{"csatScore"}, nil}, // neither spelling nor value
		`{"sessionId":"a","Reason":"x","reason":"y"}`:    {{"reason", "reason"}, nil},
		`{"sessionId":"a","Reason":"x","csatScore":"?"}`: {{"csatScore"}, {"reason"}},
	} {
		m, c, err := passage(testEncoder(t), []byte(row))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, [2][]string{bounded(m, Misfit), bounded(m, Respelt)}, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s:\n%s", row, diff)
		}
		if len(c.Unmapped) != len(m.Deviations) {
			t.Errorf("%s: unmapped %v", row, c.Unmapped)
		}
	}
}

// bounded returns the fields of the deviations of these kinds, as metrics name them.
func bounded(m Message, kinds ...DeviationKind) (fields []string) {
	for _, d := range m.Deviations {
		if slices.Contains(kinds, d.Kind) {
			fields = append(fields, d.Bounded())
		}
	}
	return fields
}

// Codes are those of fields with few values, each by its schema path; a value of another type has none.
func TestCodes(t *testing.T) {
	codes := func(row string) map[string]int {
		m, _, err := passage(testEncoder(t), []byte(row))
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]int{}
		for _, c := range m.Codes {
			fields[c.Field]++
		}
		return fields
	}
	for row, want := range map[string]map[string]int{
		`{"sessionId":"a","channel":"Voice","smartStatus":7,"csatFeedback":"x"}`: {"channel": 1},
		`{"sessionId":"a","Direction":"Inbound","customerinfo":{"Direction":"Inbound"},"destinations":[
			{"destinationType":"Queue","respondingAgent":{"status":"Answered"}},{"destinationType":"AgentSegment","status":"Answered"}]}`: {
			"direction": 1, "customer.direction": 1, "destinations.destinationType": 2, "destinations.agent.status": 2},
		`{"sessionId":"a","channel":null,"FINALSTATUS":"x"}`: {"finalStatus": 1},
	} {
		if diff := cmp.Diff(want, codes(row)); diff != "" {
			t.Errorf("%s:\n%s", row, diff)
		}
	}
	one, _, _ := passage(testEncoder(t), []byte(`{"sessionId":"a","channel":"Voice","finalStatus":"Closed"}`))
	two, _, _ := passage(testEncoder(t), []byte(`{"sessionId":"b","finalStatus":"Closed","channel":"RTM"}`))
	if one.Codes[1] != two.Codes[0] || one.Codes[0] == two.Codes[1] {
		t.Errorf("%v and %v: want equal codes for equal values only", one.Codes, two.Codes)
	}
}

func TestTypeOf(t *testing.T) {
	for value, want := range map[string]string{
		`{}`: "object", `[1]`: "array", `"a"`: "string", `true`: "boolean", `false`: "boolean", `null`: "null", `-1e5`: "number", `0`: "number",
	} {
		if got := typeOf(value); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}
