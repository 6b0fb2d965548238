package encoder

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden records anew")

// The published sample's rows give these records, field by field, and come back.
func TestGolden(t *testing.T) {
	page, err := os.ReadFile("testdata/sample-page.json")
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range sampleRows(t, page) {
		checkPassage(t, testEncoder(t), row)
		m, _, err := passage(testEncoder(t), row)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("testdata/sample-%d.golden.json", i), decodeAny(t, m.Value))
	}
}

func golden(t *testing.T, file string, record map[string]any) {
	t.Helper()
	var got bytes.Buffer
	out := json.NewEncoder(&got)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(record); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-) is not what is encoded (+):\n%s", file, diff)
	}
}

// sampleRows takes the rows out of a page.
func sampleRows(t testing.TB, page []byte) [][]byte {
	t.Helper()
	for name, value := range rawjson.Members(page) {
		if string(name) != `"data"` {
			continue
		}
		var rows [][]byte
		for row := range rawjson.Elements(value) {
			rows = append(rows, row)
		}
		return rows
	}
	t.Fatal("the page has no data")
	return nil
}
