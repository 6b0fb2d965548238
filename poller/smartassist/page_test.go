package smartassist

import (
	"bytes"
	"runtime"
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
			p, category := splitPage([]byte(body), 1000)
			got := p.rows
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
	p, category := splitPage([]byte(`{"data":[null,1,"a",[],{},{"sessionId":"s"}]}`), 1000)
	var errs []error
	for _, r := range p.rows {
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
		p, category := splitPage([]byte(`{`+text+`"data":[]}`), 1000)
		if got := p.numResults; got != want || category != "" {
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
		`{"numResults":0,"data":null}`:                                               0,
		`{"numResults":0}`:                                                           0,
		`{"data":null,"x":{},"numResults":"0","errors":[],"error":null}`:             0,
		`{"data":null,"data":[{}]}`:                                                  1,
		`{"data":[` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `]}`: 1,
	} {
		if p, category := splitPage([]byte(body), 1000); len(p.rows) != want || category != "" {
			t.Errorf("%.60q: %d rows, %q", body, len(p.rows), category)
		}
	}
}

// Every beginning of a page is a page cut off, never a shorter page: rows that came whole are there, and no rest, since
// it is not known what was to follow.
func TestEveryCutIsNoticed(t *testing.T) {
	rows := []string{`{"sessionId":"a","x":[1,"]}"]}`, `{"sessionId":"b"}`, `{"sessionId":"c","x":[{"y":"{"}]}`}
	body := `{"numResults":2,"data":[` + strings.Join(rows, ",") + `],"more":{"a":null}}`
	if _, category := splitPage([]byte(body), 1000); category != "" {
		t.Fatal(category)
	}
	for n := range len(body) {
		want := 0
		for _, row := range rows {
			if strings.Contains(body[:n], row) {
				want++
			}
		}
		if p, category := splitPage([]byte(body[:n]), 1000); category == "" || len(p.rows) != want || p.rest != nil {
			t.Errorf("%q: %q, %d rows, want %d; rest %q", body[:n], category, len(p.rows), want, p.rest)
		}
	}
}

// What a row that cannot be delimited costs: itself and what follows it, in one piece.
func TestBreaks(t *testing.T) {
	a, b, dead := `{"sessionId":"a"}`, `{"sessionId":"b","x":[{"y":"}"}]}`, `{"sessionId":"d","x":NaN}`
	for name, test := range map[string]struct {
		before, rest string // data is the two together
		rows         int
		category     string
	}{
		"stray quote":                         {a + "," + b + ",", `{"note":"5" pipe"},` + a + `]}`, 2, CategoryCut},
		"stray quote, by luck":                {a + ",", `{"note":"5" pipe"},{"text":"}"},` + a + `]}`, 1, CategoryStructure},
		"bad backslash":                       {a + ",", `{"note":"C:\dir\"},` + a + `]}`, 1, CategoryCut},
		"bad backslash, no more":              {"", `{"note":"C:\dir\"}]}`, 0, CategoryCut},
		"missing bracket":                     {a + ",", `{"x":{"y":1},` + a + `]}`, 1, CategoryStructure},
		"missing bracket, last":               {a + ", ", `{"x":1]}`, 1, CategoryStructure},
		"bracket too many":                    {a + ",", `{"x":1}},` + a + `]}`, 1, CategoryStructure},
		"no comma":                            {a, a + `]}`, 1, CategoryStructure},
		"no comma after a row that is broken": {a + ",", dead + a + `]}`, 1, CategoryStructure},
		"comma too many":                      {a + ",", `]}`, 1, CategoryStructure},
		"first row":                           {"\n ", `{"note":"5" pipe"}]}`, 0, CategoryCut},
		"a broken row far before":             {dead + "," + a + ",", `{"note":"5" pipe"}]}`, 2, CategoryCut},
		"a broken row right before":           {a + ",", dead + `,{"note":"5" pipe"}]}`, 1, CategoryCut},
		"a broken member after":               {a + "," + dead + "],", `"meta":{"note":"5" pipe"}}`, 2, CategoryCut},
		"no comma before a member":            {a + "]", `"meta":{}}`, 1, CategoryStructure},
		"another answer":                      {a + "]}", `{"data":[]}`, 1, CategoryStructure},
		"bytes that are no text":              {a + ",", "{\"\xff\x00\": \"5\" pipe\"}]}", 1, CategoryCut},
	} {
		p, category := splitPage([]byte(`{"numResults":7,"data":[`+test.before+test.rest), 1000)
		if len(p.rows) != test.rows || p.numResults != 7 || string(p.rest) != test.rest || category != test.category {
			t.Errorf("%s: %q, %d rows of %d, rest %q", name, category, len(p.rows), p.numResults, p.rest)
		}
		for _, r := range p.rows {
			if !strings.Contains(test.before, string(r.Raw)) {
				t.Errorf("%s: row %q", name, r.Raw)
			}
		}
	}
	// Of what never came to its data it is not known that it is a page.
	for _, body := range []string{`{"note":"5" pipe","data":[` + a + `]}`, `{"data" [` + a + `]}`, `{"note":"5" pipe"}`} {
		if p, category := splitPage([]byte(body), 1000); p.rows != nil || p.rest != nil || category == "" {
			t.Errorf("%s: %q, %d rows, rest %q", body, category, len(p.rows), p.rest)
		}
	}
}

// A row takes a hundred times the memory of the shortest element: what is not a page must not become millions of them.
func TestPageOfTooManyRows(t *testing.T) {
	body := []byte(`{"data":[` + strings.Repeat("1,", 1<<20) + `1]}`)
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	var category string
	if n := allocated(func() { _, category = splitPage(body, 1000) }); category != CategoryTooLarge || n > 32<<20 {
		t.Errorf("%q, %d bytes for an answer of %d", category, n, len(body))
	}
	for n, want := range map[int]string{1000: "", 1001: CategoryTooLarge} {
		if p, category := splitPage([]byte(`{"data":[`+strings.Repeat("{},", n-1)+`{}]}`), 1000); category != want || p.rest != nil || (len(p.rows) == n) != (want == "") {
			t.Errorf("%d rows: %q, %d of them", n, category, len(p.rows))
		}
	}
}

func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		emptyPage, `{"numResults":1,"data":[{"sessionId":"a"}]}`, `{"data":[{"a":NaN},{"sessionId":"b"}]}`, `{"data":[{"a":"` + "\n" + `"}]}`,
		`{"data":[1 2]}`, `{"data":[{]}]}`, `{"data":[,]}`, `{"data":[:]}`, `{"data":["]}`, `{"data":[{"sessionId":"a"},{"n":"5" pipe"},{"b":1}]}`, `{"data":[{}],"x":"5" pipe"}`, `{"data" 1}`, `{"a":,"data":[]}`, `<html>`, `{`, ``, "\xef\xbb\xbf{}",
		`{"errors":[{"msg":"x","code":1}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, category := splitPage(bytes.Clone(body), 1000)
		rows, numResults := p.rows, p.numResults
		if category == CategoryTooLarge {
			return
		}
		broken := category == CategoryCut || category == CategoryStructure
		if category != "" && (len(rows) > 0 && !broken || whyNoPage[category] == "" && p.found == "") {
			t.Fatalf("%d rows, category %q", len(rows), category)
		}
		if p.rest != nil && (!broken || len(p.rest) == 0 || !bytes.HasSuffix(body, p.rest)) {
			t.Fatalf("category %q, rest %q", category, p.rest)
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
