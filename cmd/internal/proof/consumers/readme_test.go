package consumers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	shownFrom = regexp.MustCompile("(?s)<!-- from (\\S+) -->\n```\n(.*?)```\n")
	linkTo    = regexp.MustCompile(`\]\(([^)#]+)\)`)
)

// TestReadmeShowsTheFiles: what the READMEs say of the examples stands in the files that the other tests run.
func TestReadmeShowsTheFiles(t *testing.T) {
	const root = "../../../.."
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	snippets := shownFrom.FindAllStringSubmatch(string(readme), -1)
	if len(snippets) < 6 || len(snippets) != strings.Count(string(readme), "<!-- from ") {
		t.Errorf("%d snippets found in the README", len(snippets))
	}
	for _, s := range snippets {
		file, err := os.ReadFile(filepath.Join(root, s[1]))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains("\n"+string(file), "\n"+s[2]) {
			t.Errorf("the README shows what is not in %s:\n%s", s[1], s[2])
		}
	}
	_, section, _ := strings.Cut(string(readme), "\n## Read it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	checkLinks(t, root, section)
	about, err := os.ReadFile(filepath.Join(examples, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	checkLinks(t, examples, string(about))
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

// checkLinks: what is linked to is there.
func checkLinks(t *testing.T, dir, text string) {
	t.Helper()
	links := linkTo.FindAllStringSubmatch(text, -1)
	if len(links) == 0 {
		t.Errorf("no link found for %s", dir)
	}
	for _, link := range links {
		if strings.Contains(link[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, link[1])); err != nil {
			t.Error(err)
		}
	}
}
