package schemas

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
)

var update = flag.Bool("update", false, "write FIELDS.md anew")

const fieldsHead = `# Every field: where it comes from, and how it goes back

Made from the docs in ` + "`*.avsc`" + ` by ` + "`go test ./schemas -update`" + `; do not edit. Fields are nullable unless marked *always*. Members of the service are
named in their canonical spelling; a value that does not fit its field, or whose name is spelt otherwise, stands in ` + "`unmapped`" + ` under its JSON Pointer. The column *back to JSON* is the
way back to JSON, by which a row is rebuilt: ` + "`deploy/readers/rebuild.py`" + ` does it with nothing but the docs in the schema. The column *person* says what of a person a field
holds: what to do about that is in [personal data](../deploy/PERSONAL-DATA.md).

Where a destination's ` + "`destinationType`" + ` is ` + "`AgentSegment`" + `, the members of ` + "`respondingAgent`" + ` are members of the destination itself; they stand in ` + "`agent`" + ` all the same.

`

// FIELDS.md says what the schemas say.
func TestFieldsPage(t *testing.T) {
	var page strings.Builder
	page.WriteString(fieldsHead)
	fmt.Fprintf(&page, "## Conversation\n\n%s\n\n| service | field | type | back to JSON | person | meaning |\n|---|---|---|---|---|---|\n", tree(Conversation).Doc)
	fieldRows(&page, "", "", tree(Conversation))
	fmt.Fprintf(&page, "\n## Progress\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", tree(Progress).Doc)
	for _, f := range tree(Progress).Fields {
		fmt.Fprintf(&page, "| `%s` | %s | %s |\n", f.Name, typeName(&f.Type), f.Doc)
	}
	if *update {
		if err := os.WriteFile("FIELDS.md", []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("FIELDS.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), page.String()); diff != "" {
		t.Errorf("FIELDS.md (-) is not what the schemas say (+): go test ./schemas -update\n%s", diff)
	}
}

// origin parts a doc: the meaning, and where the field comes from and goes back to.
var origin = regexp.MustCompile(`^(.*?) (?:Service: (?:.*otherwise )?([A-Za-z]+), as ([A-Za-z ]+)\.|No member of the service\.)$`)

func fieldRows(page *strings.Builder, service, path string, record *avro.SchemaNode) {
	for _, f := range record.Fields {
		at, from, way, meaning := path+f.Name, "", "", f.Doc
		if m := origin.FindStringSubmatch(f.Doc); m != nil {
			if meaning, way = m[1], m[3]; m[2] != "" {
				from = service + m[2]
			}
		}
		quoted := from
		if from != "" {
			quoted = "`" + from + "`"
		}
		fmt.Fprintf(page, "| %s | `%s` | %s | %s | %s | %s |\n", quoted, at, typeName(&f.Type), way, personal[at], meaning)
		list, inner := "", &f.Type
		if inner.Type == "union" {
			inner = &inner.Branches[1]
		}
		if inner.Type == "array" {
			list, inner = "[]", inner.Items
		}
		if inner.Type == "record" {
			fieldRows(page, from+list+".", at+list+".", inner)
		}
	}
}

// typeName is a type for people: null goes without saying.
func typeName(n *avro.SchemaNode) string {
	if n.Type == "union" {
		return strings.TrimPrefix(typeName(&n.Branches[1]), "*always* ")
	}
	name := n.Type
	switch {
	case n.Type == "record":
		name = n.Name
	case n.Type == "array":
		name = "list of " + strings.TrimPrefix(typeName(n.Items), "*always* ")
	case n.Type == "map":
		name = "map of " + strings.TrimPrefix(typeName(n.Values), "*always* ")
	case n.LogicalType != "":
		name = n.LogicalType
	}
	return "*always* " + name
}

// Every field that comes from the service says how it goes back, and every other
// one says that it does not come from there.
func TestEveryFieldSaysWhereItComesFrom(t *testing.T) {
	ours := map[string]bool{"id": true, "kind": true, "accountId": true, "revision": true, "change": true, "observedAt": true, "unmapped": true}
	var check func(record *avro.SchemaNode, top bool)
	check = func(record *avro.SchemaNode, top bool) {
		for _, f := range record.Fields {
			if origin.MatchString(f.Doc) == (top && ours[f.Name]) {
				t.Errorf("%s.%s: the doc must end with 'Service: name, as way.' or 'No member of the service.': %s", record.Name, f.Name, f.Doc)
			}
			for _, n := range []*avro.SchemaNode{f.Type.Items, at(f.Type.Branches, 1), at(f.Type.Branches, 1).Items} {
				if n != nil && n.Type == "record" {
					check(n, false)
				}
			}
		}
	}
	check(tree(Conversation), true)
}

// at is an element, or an empty node where there is none.
func at(branches []avro.SchemaNode, i int) *avro.SchemaNode {
	if i < len(branches) {
		return &branches[i]
	}
	return &avro.SchemaNode{}
}
