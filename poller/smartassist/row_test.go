package smartassist

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseRow(t *testing.T) {
	at := time.Date(2024, 8, 24, 14, 48, 15, 0, time.UTC)
	objectID := "66c9f2af54638e543c370001" // 2024-08-24T14:48:15Z
	for name, c := range map[string]struct {
		raw  string
		want Row
	}{
		"contact": {`{"conversationId":"c-1","sessionId":"s","channel":"voice","finalStatus":"CLOSED","sessionStartTime":"2024-08-24T14:48:15"}`,
			Row{ConversationID: "c-1", SessionID: "s", Channel: "voice", FinalStatus: "CLOSED", Kind: Contact, Start: at, Timed: true}},
		"bot": {`{"sessionId":"` + objectID + `","channel":"rtm"}`,
			Row{SessionID: objectID, Channel: "rtm", Kind: Bot, Start: at}},
		"assist": {`{"sessionId":"s","channel":" AgentAssistV2 ","channelSpecificUserId":"65269f/agentassist/c-9"}`,
			Row{SessionID: "s", Channel: " AgentAssistV2 ", Kind: Assist, RelatedConversationID: "c-9"}},
		"assist of nobody": {`{"sessionId":"s","channel":"agentassist","channelSpecificUserId":null}`,
			Row{SessionID: "s", Channel: "agentassist", Kind: Assist}},
		"a contact on the assist channel is no companion": {`{"conversationId":"c","channel":"agentassist","channelSpecificUserId":"a/agentassist/c-9"}`,
			Row{ConversationID: "c", Channel: "agentassist", Kind: Contact}},
		"numeric id": {`{"conversationId":123.0}`, Row{ConversationID: "123.0", Kind: Contact}},
		"null and wrong types": {`{"conversationId":null,"sessionId":"s","channel":{"a":1},"finalStatus":true,"sessionStartTime":[1]}`,
			Row{SessionID: "s", Kind: Bot}},
		"last of a repeated name": {`{"sessionId":"s","sessionId":"t"}`, Row{SessionID: "t", Kind: Bot}},
		"last of a repeated name is null": {`{"conversationId":"c","sessionId":"s","conversationId":null}`,
			Row{SessionID: "s", Kind: Bot}},
		"escaped name": {`{"\u0073essionId":"\u0073"}`, Row{SessionID: "s", Kind: Bot}},
		"nested names do not count": {`{"metaInfo":{"conversationId":"c"},"sessionId":"s"}`,
			Row{SessionID: "s", MetaInfo: jsontext.Value(`{"conversationId":"c"}`), Kind: Bot}},
		"invalid UTF-8 is kept":       {"{\"sessionId\":\"s\",\"x\":\"\xff\"}", Row{SessionID: "s", Kind: Bot}},
		"time with zone and fraction": {`{"sessionId":"s","sessionStartTime":"2024-08-24T16:48:15.5+02:00"}`, Row{SessionID: "s", Kind: Bot, Start: at.Add(time.Second / 2), Timed: true}},
		"time that is none":           {`{"sessionId":"` + objectID + `","sessionStartTime":"n/a"}`, Row{SessionID: objectID, Kind: Bot, Start: at}},
		"session id that is no time":  {`{"sessionId":"zzzzzzzz54638e543c370001"}`, Row{SessionID: "zzzzzzzz54638e543c370001", Kind: Bot}},
		"no identity":                 {`{"channel":"voice"}`, Row{Channel: "voice", Err: ErrNoIdentity}},
		"empty identity":              {`{"conversationId":"","sessionId":""}`, Row{Err: ErrNoIdentity}},
		"array":                       {`[1]`, Row{Err: ErrNoObject}},
		"null":                        {`null`, Row{Err: ErrNoObject}},
		"nothing":                     {``, Row{Err: ErrBrokenJSON}},
		"broken":                      {`{"sessionId":NaN}`, Row{Err: ErrBrokenJSON}},
		"two values":                  {`{"sessionId":"s"}{}`, Row{Err: ErrBrokenJSON}},
	} {
		t.Run(name, func(t *testing.T) {
			got := ParseRow([]byte(" " + c.raw + "\n"))
			if string(got.Raw) != c.raw {
				t.Errorf("raw is %q", got.Raw)
			}
			got.Raw = nil
			if diff := cmp.Diff(c.want, got, cmpopts.EquateErrors(), cmpopts.IgnoreUnexported(Row{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	for raw, want := range map[string]string{
		`{"conversationId":"c","sessionId":"s"}`:  "c",
		`{"conversationId":null,"sessionId":"s"}`: "s",
		`{"conversationId":"","sessionId":"s"}`:   "s",
		`{}`:                                      "",
	} {
		if got := ParseRow([]byte(raw)).Identity(); got != want {
			t.Errorf("%s: identity %q, want %q", raw, got, want)
		}
	}
}

func TestOpen(t *testing.T) {
	if !ParseRow([]byte(`{"sessionId":"s","finalStatus":"TRANSIENT_OPEN"}`)).Open() {
		t.Error("TRANSIENT_OPEN is not open")
	}
	if ParseRow([]byte(`{"sessionId":"s","finalStatus":"CLOSED"}`)).Open() {
		t.Error("CLOSED is open")
	}
}

// What could not be split is a row of any bytes. Read back from the dead letters, as a row that is broken, it is the same.
func TestUnsplittable(t *testing.T) {
	ignored, err := ParseIgnore([]string{"/note", "/*/x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, rest := range []string{`{"note":"5" pipe"},{"sessionId":"e"}]}`, "\x00\xff\xfe", "]}", "{\"a\":\"\xc3\x28", strings.Repeat("[", 50_000)} {
		row := Unsplittable([]byte(" \n" + rest + "\t"))
		if row.Err != ErrUnsplittable || string(row.Raw) != rest || row.Identity() != "" || row.Open() || row.Kind != "" || !row.Start.IsZero() {
			t.Errorf("row %+v", row)
		}
		for _, ig := range []Ignore{{}, ignored} {
			if got, back, other := row.Fingerprint(ig), ParseRow(bytes.Clone(row.Raw)).Fingerprint(ig), Unsplittable([]byte(rest+"x")).Fingerprint(ig); got != back || got == other {
				t.Errorf("%.40q: fingerprint %x, read back %x, of another %x", rest, got, back, other)
			}
		}
	}
}
