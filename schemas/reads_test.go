package schemas

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
	"pgregory.net/rapid"
)

// checkReads writes a value of any content with one schema, reads it with
// another, and finds in it what both have, and the defaults of what only the
// reader has.
func checkReads(t *testing.T, writer, reader Schema) {
	t.Helper()
	read, err := avro.Resolve(writer.Parsed(), reader.Parsed())
	if err != nil {
		t.Fatalf("%v. %s", err, page)
	}
	from, to := tree(writer), tree(reader)
	t.Run("decoded", func(t *testing.T) { // a test of its own: rapid takes none that has failed
		rapid.Check(t, func(t *rapid.T) { checkRead(t, writer, read, from, to) })
	})
}

// tree is the schema's types, each record where it is used.
func tree(s Schema) *avro.SchemaNode { return s.Parsed().Root().ExpandReferences() }

func checkRead(t *rapid.T, writer Schema, read *avro.Schema, from, to *avro.SchemaNode) {
	value := anyValue(t, writer.Name, from)
	bytes, err := writer.Parsed().Encode(value)
	if err != nil {
		t.Fatalf("encode %v: %v", value, err)
	}
	var got any
	rest, err := read.Decode(bytes, &got)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%v, and %d bytes left over, of %v. %s", err, len(rest), value, page)
	}
	if diff := cmp.Diff(expected(value, from, to), got); diff != "" {
		t.Fatalf("written (-) and read (+) differ:\n%s. %s", diff, page)
	}
}

// anyValue draws a value of a type, each string and number from what the wire
// format makes short, long and awkward.
func anyValue(t *rapid.T, at string, n *avro.SchemaNode) any {
	switch n.Type {
	case "union":
		if rapid.Bool().Draw(t, at+" null") {
			return nil
		}
		return anyValue(t, at, &n.Branches[1])
	case "record":
		record := map[string]any{}
		for _, f := range n.Fields {
			record[f.Name] = anyValue(t, at+"."+f.Name, &f.Type)
		}
		return record
	case "array":
		list := []any{}
		for range rapid.IntRange(0, 2).Draw(t, at+" length") {
			list = append(list, anyValue(t, at+"[]", n.Items))
		}
		return list
	case "map":
		all := map[string]any{}
		for range rapid.IntRange(0, 2).Draw(t, at+" size") {
			all[rapid.String().Draw(t, at+" name")] = anyValue(t, at+"{}", n.Values)
		}
		return all
	}
	return anyScalar(t, at, n)
}

func anyScalar(t *rapid.T, at string, n *avro.SchemaNode) any {
	switch {
	case n.LogicalType == "timestamp-millis":
		return time.UnixMilli(rapid.Int64Range(-62135596800000, 253402300799999).Draw(t, at)).UTC()
	case n.Type == "string":
		return rapid.String().Draw(t, at)
	case n.Type == "int":
		return rapid.Int32().Draw(t, at)
	case n.Type == "long":
		return rapid.Int64().Draw(t, at)
	case n.Type == "boolean":
		return rapid.Bool().Draw(t, at)
	}
	panic(fmt.Sprintf("%s: no values of type %s are drawn yet", at, n.Type))
}

// expected is what a reader finds in a value, by the rules for changes: fields
// come by name, and what was not written is the default.
func expected(value any, from, to *avro.SchemaNode) any {
	switch v := value.(type) {
	case map[string]any:
		if from.Type == "union" {
			return expected(value, &from.Branches[1], &to.Branches[1])
		}
		if from.Type == "map" {
			return v
		}
		record := map[string]any{}
		for _, f := range to.Fields {
			record[f.Name] = f.Default
			if i := fieldOf(from, f.Name); i >= 0 {
				record[f.Name] = expected(v[f.Name], &from.Fields[i].Type, &f.Type)
			}
		}
		return record
	case []any:
		if from.Type == "union" {
			return expected(value, &from.Branches[1], &to.Branches[1])
		}
		list := []any{}
		for _, element := range v {
			list = append(list, expected(element, from.Items, to.Items))
		}
		return list
	}
	return value
}

const added = `{"name": "planted", "type": ["null", "string"], "default": null, "doc": "A field added."},`

// first is a schema that the tests below change: it stays as it is.
var first = Conversation.Versions()[0]

// changed is that schema with one text in place of another.
func changed(t *testing.T, old, now string) Schema {
	t.Helper()
	if strings.Count(first.Text, old) == 0 {
		t.Fatalf("the schema has no %s", old)
	}
	return load(first.Name, strings.Replace(first.Text, old, now, 1))
}

// A field added as the page allows is read both ways, wherever it is added.
func TestAllowedChanges(t *testing.T) {
	for name, place := range map[string]string{
		"a field of the conversation": `{"name": "channel",`,
		"a field of a nested record":  `{"name": "nonResponseEvent",`,
		"a field of a used record":    `{"name": "value",`,
	} {
		t.Run(name, func(t *testing.T) {
			now := changed(t, place, added+place)
			if problems := incompatible(first, now); problems != nil {
				t.Fatal(problems)
			}
			if old, ok := now.Known(first.Fingerprint()); !ok || string(old.Canonical()) != string(first.Parsed().Canonical()) {
				t.Error("what was written before the change is not known any more")
			}
			checkReads(t, first, now)
			checkReads(t, now, first)
		})
	}
}

// Every other change is named for what it is.
func TestForbiddenChanges(t *testing.T) {
	const score = `{"name": "csatScore", "type": ["null", "int"]`
	const scoreField = score + `, "default": null,
     "doc": "Satisfaction, 1 to 5. Service: csatScore, as integer."},`
	for name, test := range map[string]struct{ old, now, want string }{
		"a required field":    {`{"name": "channel",`, `{"name": "planted", "type": "string", "doc": "Required."},{"name": "channel",`, "planted"},
		"a type widened":      {score, `{"name": "csatScore", "type": ["null", "long"]`, "csatScore was int and is long"},
		"a type changed":      {score, `{"name": "csatScore", "type": ["null", "string"]`, "csatScore"},
		"a branch added":      {score, `{"name": "csatScore", "type": ["null", "int", "string"]`, "csatScore"},
		"a field removed":     {scoreField, ``, "csatScore is gone"},
		"a field renamed":     {score, `{"name": "satisfaction", "aliases": ["csatScore"], "type": ["null", "int"]`, "csatScore is gone"},
		"no longer a time":    {`{"name": "observedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}`, `{"name": "observedAt", "type": "long"`, "observedAt was long timestamp-millis and is long"},
		"another record name": {`"name": "Customer",`, `"name": "Caller",`, "customer"},
	} {
		if got := strings.Join(incompatible(first, changed(t, test.old, test.now)), "; "); !strings.Contains(got, test.want) {
			t.Errorf("%s: found %q, want %q", name, got, test.want)
		}
	}
}
