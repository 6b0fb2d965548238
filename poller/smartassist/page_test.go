package smartassist

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// A poison row stands between two good ones, which must come through, and comes
// out itself whole.
func TestPoisonRows(t *testing.T) {
	for _, poison := range []string{
		`{"sessionId":"s","x":NaN}`,
		`{"sessionId":"s","x":-Infinity,"y":[1,{"z":undefined}]}`,
		"{\"sessionId\":\"s\",\"x\":\"a\nb\x00\"}",
		`{"sessionId":"s","x":"\x41 \q \u12"}`,
		`{"sessionId":"s","x":'it is'}`,
		`{sessionId:"s"}`,
		`{"sessionId":"s",}`,
		`{"sessionId":"s" "x":1}`,
		`{"sessionId":"s","x":01,"y":.5,"z":+1}`,
		`{"sessionId":"s","x":"says "hi", she"}`,
		`{"sessionId":"s","x":[1,2,],"y":{"a":}}`,
		`{"x":"}],[{","y":NaN}`,
		`{"x":"\"}],[{\\","y":NaN}`,
		`[1,NaN]`, `"\x"`, `NaN`, `undefined`, `new Date(0)`, `nul`, `-`, `01`,
		"{\"a\":\x00}", "/* nothing */ {}"[:13],
	} {
		for _, pad := range []string{"", " ", "\n\t"} {
			rows := []string{`{"sessionId":"before"}`, poison, `{"sessionId":"after"}`}
			body := `{"numResults":3,"data":[` + pad + strings.Join(rows, pad+","+pad) + pad + `]` + pad + `}`
			got, _, category := splitPage([]byte(body))
			if category != "" || len(got) != 3 {
				t.Errorf("%q: %d rows, %q", body, len(got), category)
				continue
			}
			if got[0].SessionID != "before" || got[2].SessionID != "after" || got[1].Err != ErrBrokenJSON || string(got[1].Raw) != poison {
				t.Errorf("%q: %q, %q (%v), %q", body, got[0].Raw, got[1].Raw, got[1].Err, got[2].Raw)
			}
		}
	}
}

func TestRowsThatAreNoConversation(t *testing.T) {
	rows, _, category := splitPage([]byte(`{"data":[null,1,"a",[],{},{"sessionId":"s"}]}`))
	var errs []error
	for _, r := range rows {
		errs = append(errs, r.Err)
	}
	if want := []error{ErrNoObject, ErrNoObject, ErrNoObject, ErrNoObject, ErrNoIdentity, nil}; category != "" || !slices.Equal(errs, want) {
		t.Errorf("%v, %q", errs, category)
	}
}

func TestNumResults(t *testing.T) {
	for text, want := range map[string]int{
		`"numResults":12,`: 12, `"numResults":"12",`: 12, `"numResults":null,`: -1, ``: -1, `"numResults":-1,`: -1, `"numResults":1.5,`: -1,
		`"numResults":NaN,`: -1, `"numResults":[],`: -1, `"numResults":1,"numResults":2,`: 2, `"numResults":99999999999999999999,`: -1,
	} {
		if _, got, category := splitPage([]byte(`{` + text + `"data":[]}`)); got != want || category != "" {
			t.Errorf("%s: %d, %q", text, got, category)
		}
	}
}

func TestUnusualPages(t *testing.T) {
	for body, want := range map[string]int{
		"\xef\xbb\xbf" + emptyPage:                                                   0,
		" \r\n{ \"data\" : [ ] }\n":                                                  0,
		`{"data":[{"sessionId":"a"}],"numResults":1}`:                                1,
		`{"meta":{"data":[1,2]},"data":[{"sessionId":"a"}]}`:                         1,
		`{"data":[{"sessionId":"a"}],"data":[],"x":[{}]}`:                            1,
		`{"data":[{}],"data":[{}]}`:                                                  2,
		`{"data":null,"data":[{}]}`:                                                  1,
		`{"data":[` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `]}`: 1,
	} {
		if rows, _, category := splitPage([]byte(body)); len(rows) != want || category != "" {
			t.Errorf("%.60q: %d rows, %q", body, len(rows), category)
		}
	}
}

// Every beginning of a page is a page cut off, never a shorter page.
func TestEveryCutIsNoticed(t *testing.T) {
	body := `{"numResults":2,"data":[{"sessionId":"a","x":[1,"]}"]},{"sessionId":"b","y":NaN}],"more":{"a":null}}`
	if _, _, category := splitPage([]byte(body)); category != "" {
		t.Fatal(category)
	}
	for n := range len(body) {
		if rows, _, category := splitPage([]byte(body[:n])); category == "" || rows != nil {
			t.Errorf("%q: %d rows", body[:n], len(rows))
		}
	}
}

func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		emptyPage, `{"numResults":1,"data":[{"sessionId":"a"}]}`, `{"data":[{"a":NaN},{"sessionId":"b"}]}`, `{"data":[{"a":"` + "\n" + `"}]}`,
		`{"data":[1 2]}`, `{"data":[{]}]}`, `{"data":[,]}`, `{"data":[:]}`, `{"data":["]}`, `{"data" 1}`, `{"a":,"data":[]}`, `<html>`, `{`, ``, "\xef\xbb\xbf{}",
		`{"errors":[{"msg":"x","code":1}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, numResults, category := splitPage(bytes.Clone(body))
		if category != "" && (rows != nil || whyNoPage[category] == "") {
			t.Fatalf("%d rows, category %q", len(rows), category)
		}
		for _, r := range rows {
			if !bytes.Contains(body, r.Raw) {
				t.Errorf("row %q is not of the page", r.Raw)
			}
		}
		if numResults < -1 {
			t.Errorf("numResults %d", numResults)
		}
		// What jsontext reads as a page must be the same page.
		var page struct {
			Data []jsontext.Value `json:"data"`
		}
		if !bytes.Contains(body, []byte(`"data"`)) || json.Unmarshal(body, &page, jsontext.AllowInvalidUTF8(true)) != nil || page.Data == nil {
			return
		}
		got := []jsontext.Value{}
		for _, r := range rows {
			got = append(got, r.Raw)
		}
		if diff := cmp.Diff(page.Data, got); diff != "" || category != "" {
			t.Errorf("%q (%s): %s", body, category, diff)
		}
	})
}
