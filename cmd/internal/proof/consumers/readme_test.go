package consumers

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/convstream/convstream/cmd/internal/proof/apicurio"
	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/schemas"
)

const (
	root         = "../../../.."
	readmeLength = 200 // lines
)

var (
	shownFrom = regexp.MustCompile("(?s)<!-- from (\\S+) -->\n```\n(.*?)```\n")
	shownJSON = regexp.MustCompile("(?s)```json\n(.*?)```\n")
	linkTo    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestExamplesPageShowsTheFiles: what the page of the examples says of them stands in the files that the other tests run.
func TestExamplesPageShowsTheFiles(t *testing.T) {
	about, err := os.ReadFile(filepath.Join(examples, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	snippets := shownFrom.FindAllStringSubmatch(string(about), -1)
	if len(snippets) < 6 || len(snippets) != strings.Count(string(about), "<!-- from ") {
		t.Errorf("%d snippets found on the page", len(snippets))
	}
	for _, s := range snippets {
		file, err := os.ReadFile(filepath.Join(root, s[1]))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains("\n"+string(file), "\n"+s[2]) {
			t.Errorf("the page shows what is not in %s:\n%s", s[1], s[2])
		}
	}
	for _, pattern := range []string{"*/*.sql", "*/*.java", "*/*.py", "*.sh"} {
		files, err := filepath.Glob(filepath.Join(examples, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.Contains(string(about), filepath.Base(file)) {
				t.Errorf("deploy/examples/README.md does not tell of %s", file)
			}
		}
	}
}

// TestReadme holds that the README is short, names what the tests ran with, and shows a record of the present schema.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > readmeLength {
		t.Errorf("the README has %d lines, and may have %d", n, readmeLength)
	}
	for _, tried := range []string{"Apache Kafka " + kraft.Version, "Apicurio Registry " + apicurio.Version} {
		if !strings.Contains(string(text), tried) {
			t.Errorf("the README does not say that it was tried with %s", tried)
		}
	}
	checkRecord(t, string(text), schemas.Conversation)
	topics, err := os.ReadFile(filepath.Join(root, "schemas", "TOPICS.md"))
	if err != nil {
		t.Fatal(err)
	}
	checkRecord(t, string(topics), schemas.Progress)
}

// checkRecord holds that the page shows one record, whose value has no member that is not a field.
func checkRecord(t *testing.T, page string, schema schemas.Schema) {
	t.Helper()
	shown := shownJSON.FindAllStringSubmatch(page, -1)
	if len(shown) != 1 {
		t.Fatalf("%d records shown, want 1", len(shown))
	}
	var record struct{ Value map[string]any }
	if err := json.Unmarshal([]byte(shown[0][1]), &record); err != nil {
		t.Fatal(err)
	}
	if len(record.Value) == 0 {
		t.Error("the record has no value")
	}
	for name := range record.Value {
		if !strings.Contains(schema.Text, `{"name": "`+name+`"`) {
			t.Errorf("%s has no field %s", schema.Name, name)
		}
	}
}

// TestLinks holds that every file and heading is there to which a page of the repository links.
func TestLinks(t *testing.T) {
	pages := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		pages++
		text, err := os.ReadFile(path)
		for _, link := range linkTo.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(link[1], "://") {
				checkLink(t, path, link[1])
			}
		}
		return err
	})
	if err != nil || pages < 8 {
		t.Errorf("%d pages, %v", pages, err)
	}
}

func checkLink(t *testing.T, page, link string) {
	t.Helper()
	file, anchor, _ := strings.Cut(link, "#")
	target := page
	if file != "" {
		target = filepath.Join(filepath.Dir(page), file)
	}
	if _, err := os.Stat(target); err != nil {
		t.Errorf("%s links to %s: %v", page, link, err)
		return
	}
	if anchor == "" {
		return
	}
	text, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
		if strings.NewReplacer(" ", "-", ",", "", ":", "", "`", "").Replace(strings.ToLower(h[1])) == anchor {
			return
		}
	}
	t.Errorf("%s links to %s: no such heading", page, link)
}
