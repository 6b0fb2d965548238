package schemas

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/twmb/avro"
)

const page = "schemas/README.md tells how a schema is changed"

// The present text is the newest version, so that a value names by its
// fingerprint a text that is kept for ever.
func TestPresentIsTheNewestVersion(t *testing.T) {
	for _, s := range all {
		known := s.Versions()
		if len(known) == 0 || known[len(known)-1].Text != s.Text {
			t.Errorf("%s is not the newest version in schemas/history: a change needs a new file, %s, with the same text. %s",
				s.Name, historyFile(s.Name, len(known)+1), page)
		}
		for _, v := range known {
			if got, ok := s.Known(v.Fingerprint()); !ok || string(got.Canonical()) != string(v.Parsed().Canonical()) {
				t.Errorf("%s: no version is found by its fingerprint %016x", s.Name, v.Fingerprint())
			}
		}
		if _, ok := s.Known(0); ok {
			t.Errorf("%s: a version is found by a fingerprint that none has", s.Name)
		}
	}
}

// What was released is never changed: records that name it are in topics.
func TestHistoryIsUnchanged(t *testing.T) {
	sums, err := os.ReadFile("history/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		listed["history/"+name] = true
		text, err := history.ReadFile("history/" + name)
		if err != nil {
			t.Errorf("schemas/history/%s was released and is gone: put it back. %s", name, page)
			continue
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != want {
			t.Errorf("schemas/history/%s was released and is changed (SHA-256 %s, want %s): put it back and write the change into a new version. %s", name, got, want, page)
		}
	}
	loaded := map[string]bool{}
	for _, s := range all {
		for i := range s.Versions() {
			loaded[historyFile(s.Name, i+1)] = true
		}
	}
	files, err := fs.Glob(history, "history/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !listed[file] {
			t.Errorf("schemas/%s is not in schemas/history/SHA256SUMS: add the line that sha256sum gives. %s", file, page)
		}
		if !loaded[file] {
			t.Errorf("schemas/%s is no version of a schema, or one before it is missing. %s", file, page)
		}
	}
}

// The present schema and each version read each other's values.
func TestEveryVersionReadsEveryOther(t *testing.T) {
	for _, s := range all {
		for i, v := range s.Versions() {
			problems := incompatible(v, s)
			for _, problem := range problems {
				t.Errorf("%s, version %d and the present: %s. %s", s.Name, i+1, problem, page)
			}
			if problems == nil {
				checkReads(t, v, s)
				checkReads(t, s, v)
			}
		}
	}
}

// incompatible tells what keeps two versions from reading each other, and what
// is not allowed although Avro can read it: that fields go, or mean another thing.
func incompatible(old, now Schema) (problems []string) {
	if err := avro.CheckCompatibility(old.Parsed(), now.Parsed()); err != nil {
		problems = append(problems, "the present cannot read old values: "+err.Error())
	}
	if err := avro.CheckCompatibility(now.Parsed(), old.Parsed()); err != nil {
		problems = append(problems, "the old cannot read present values: "+err.Error())
	}
	return append(problems, lost("", tree(old), tree(now))...)
}

// lost finds what the old type has and the present one has not, or otherwise.
func lost(path string, old, now *avro.SchemaNode) (problems []string) {
	if old.Type != now.Type || old.LogicalType != now.LogicalType || old.Name != now.Name || len(old.Branches) != len(now.Branches) {
		return []string{fmt.Sprintf("%s was %s and is %s", path, kind(old), kind(now))}
	}
	for i := range old.Branches {
		problems = append(problems, lost(path, &old.Branches[i], &now.Branches[i])...)
	}
	if old.Items != nil {
		problems = append(problems, lost(path+"[]", old.Items, now.Items)...)
	}
	if old.Values != nil {
		problems = append(problems, lost(path+"{}", old.Values, now.Values)...)
	}
	for _, f := range old.Fields {
		at := strings.TrimPrefix(path+"."+f.Name, ".")
		if i := fieldOf(now, f.Name); i >= 0 {
			problems = append(problems, lost(at, &f.Type, &now.Fields[i].Type)...)
		} else {
			problems = append(problems, at+" is gone")
		}
	}
	return problems
}

func fieldOf(record *avro.SchemaNode, name string) int {
	for i, f := range record.Fields {
		if f.Name == name {
			return i
		}
	}
	return -1
}

func kind(n *avro.SchemaNode) string {
	if n.Type != "union" {
		return strings.Join(strings.Fields(n.Type+" "+n.LogicalType+" "+n.Name), " ")
	}
	var branches []string
	for i := range n.Branches {
		branches = append(branches, kind(&n.Branches[i]))
	}
	return "a union of " + strings.Join(branches, ", ")
}
