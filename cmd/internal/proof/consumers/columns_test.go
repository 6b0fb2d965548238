package consumers

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/convstream/convstream/schemas"
)

var update = flag.Bool("update", false, "write the columns of the Flink tables anew from the schemas")

const (
	columnsBegin = "  -- the columns of the schema\n"
	columnsEnd   = "  -- end of the columns\n"
)

// TestFlinkColumns: the tables have every field of the schemas. A column with a name that the schema does not have is no
// error to Flink: it is NULL in every row.
func TestFlinkColumns(t *testing.T) {
	for file, schema := range map[string]schemas.Schema{"conversations.sql": schemas.Conversation, "progress.sql": schemas.Progress} {
		path := filepath.Join(examples, "flink", file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, ok := strings.Cut(string(text), columnsBegin)
		have, after, ok2 := strings.Cut(rest, columnsEnd)
		if !ok || !ok2 {
			t.Fatalf("%s: the lines %q and %q are not there", file, columnsBegin, columnsEnd)
		}
		want := columns(t, schema)
		if *update {
			if err := os.WriteFile(path, []byte(before+columnsBegin+want+columnsEnd+after), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if have != want {
			t.Errorf("%s: the columns are not those of the schema; go test ./cmd/internal/proof/consumers -run TestFlinkColumns -update\nhave\n%swant\n%s",
				file, have, want)
		}
	}
}

// avroType is a schema as JSON: a name, a list (a union) or an object.
type avroType = any

func columns(t *testing.T, s schemas.Schema) string {
	t.Helper()
	var record map[string]any
	if err := json.Unmarshal([]byte(s.Text), &record); err != nil {
		t.Fatal(err)
	}
	named := map[string]map[string]any{}
	var b strings.Builder
	for _, f := range record["fields"].([]any) {
		field := f.(map[string]any)
		fmt.Fprintf(&b, "  `%s` %s,\n", field["name"], sqlType(t, field["type"], named, "  "))
	}
	return b.String()
}

// sqlType is how Flink must be told of an Avro type. All columns may be NULL: where the field is required they are not.
func sqlType(t *testing.T, a avroType, named map[string]map[string]any, indent string) string {
	t.Helper()
	switch a := a.(type) {
	case string:
		if record := named[a]; record != nil {
			return sqlType(t, record, named, indent)
		}
		return sqlName(t, a)
	case []any: // ["null", T]
		if len(a) != 2 || a[0] != "null" {
			t.Fatalf("Flink cannot read the union %v", a)
		}
		return sqlType(t, a[1], named, indent)
	case map[string]any:
		return sqlComplex(t, a, named, indent)
	}
	t.Fatalf("no schema: %v", a)
	return ""
}

func sqlComplex(t *testing.T, a map[string]any, named map[string]map[string]any, indent string) string {
	t.Helper()
	switch {
	case a["logicalType"] == "timestamp-millis":
		return "TIMESTAMP(3)"
	case a["logicalType"] != nil:
		t.Fatalf("Flink misreads the logical type %v, or we have not tried it", a["logicalType"])
	case a["type"] == "array":
		return "ARRAY<" + sqlType(t, a["items"], named, indent) + ">"
	case a["type"] == "map":
		return "MAP<STRING, " + sqlType(t, a["values"], named, indent) + ">"
	case a["type"] == "record":
		named[a["name"].(string)] = a
		var fields []string
		for _, f := range a["fields"].([]any) {
			field := f.(map[string]any)
			fields = append(fields, fmt.Sprintf("%s  `%s` %s", indent, field["name"], sqlType(t, field["type"], named, indent+"  ")))
		}
		return "ROW<\n" + strings.Join(fields, ",\n") + ">"
	}
	return sqlName(t, a["type"].(string))
}

func sqlName(t *testing.T, primitive string) string {
	t.Helper()
	name := map[string]string{"string": "STRING", "int": "INT", "long": "BIGINT", "boolean": "BOOLEAN", "double": "DOUBLE"}[primitive]
	if name == "" {
		t.Fatalf("Flink cannot read Avro's %q, or we have not tried it", primitive)
	}
	return name
}
