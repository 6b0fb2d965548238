package config

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of "+settingsPage+" anew")

func TestSettings(t *testing.T) {
	file := write(t, "s")
	lookup, _ := from(map[string]string{
		"SMARTASSIST_JWT": "hush", "SMARTASSIST_JWT_FILE": file, "SMARTASSIST_CLIENT_SECRET_FILE": "/hush", "SMARTASSIST_URL": "https://me:hush@host/x",
		"SMARTASSIST_PAGE_LIMIT": "ten", "KAFKA_BROKERS": "", "SETTLE": "2m",
	})
	settings, err := Settings(lookup)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Setting{}
	for _, s := range settings {
		byName[s.Name] = s
	}
	for name, want := range map[string]Setting{
		"SMARTASSIST_JWT":                {Value: "[redacted]", Set: true},
		"SMARTASSIST_CLIENT_SECRET":      {},
		"SMARTASSIST_JWT_FILE":           {Value: file, Set: true},
		"SMARTASSIST_CLIENT_SECRET_FILE": {Value: "[no such file]", Set: true},
		"SMARTASSIST_URL":                {Value: "https://redacted@host/x", Default: "required", Set: true},
		"SMARTASSIST_PAGE_LIMIT":         {Value: "ten", Default: "100", Set: true},
		"KAFKA_BROKERS":                  {Default: "required"},
		"SETTLE":                         {Value: "2m", Default: "2m", Set: true},
		"SMARTASSIST_CHANNELS":           {Default: "all"},
		"REREAD":                         {Value: "1h:5m,6h:30m,48h:6h,168h:24h", Default: "1h:5m,6h:30m,48h:6h,168h:24h"},
	} {
		got := byName[name]
		want.Name, want.Doc = name, got.Doc
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// TestRows holds what the rows promise: each is documented, and go-envconfig reads its preset as it stands there.
func TestRows(t *testing.T) {
	c := &Config{}
	rows := c.settings()
	if err := read(rows, trimmed(func(string) (string, bool) { return "", false })); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range rows {
		if s.group == 0 || s.doc == "" || s.preset != "" && s.unset != "" || seen[s.name] {
			t.Errorf("%s stands there twice, has no group, no documentation, or a preset and words for its absence", s.name)
		}
		if s.text != s.preset || s.wrong != nil {
			t.Errorf("%s: preset %q is read as %q: %v", s.name, s.preset, s.text, s.wrong)
		}
		seen[s.name] = true
	}
}

func TestTable(t *testing.T) {
	text := Table()
	lines := strings.Split(text, "\n")
	if want := []string{
		"| variable | default | meaning |",
		"|---|---|---|",
		"| `SMARTASSIST_URL` | required | base URL of the service, `https://...`; plain http only to loopback, or with `SMARTASSIST_ALLOW_HTTP=true`. `HTTPS_PROXY` and `NO_PROXY` as usual |",
	}; strings.Join(lines[:3], "\n") != strings.Join(want, "\n") {
		t.Errorf("begins\n%s\nwant\n%s", strings.Join(lines[:3], "\n"), strings.Join(want, "\n"))
	}
	rows := 0
	for _, line := range lines {
		if strings.HasPrefix(line, "| `") {
			rows++
			if got := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); got != 4 {
				t.Errorf("%d bars in %s", got, line)
			}
		}
	}
	if want := len((&Config{}).settings()); rows != want {
		t.Errorf("%d rows, want %d", rows, want)
	}
	for _, want := range []string{"| `SMARTASSIST_PAGE_LIMIT` | `100` |", "| `SMARTASSIST_STREAM_ID` |  |", "| `SMARTASSIST_QUEUES` | all |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

const (
	settingsPage = "../../../deploy/CONFIGURATION.md"
	tableBegins  = "<!-- convstream config --markdown -->\n"
	tableEnds    = "<!-- end -->\n"
)

// TestPageHoldsTheTable keeps the page's table what `convstream config --markdown` prints.
func TestPageHoldsTheTable(t *testing.T) {
	text, err := os.ReadFile(settingsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), tableBegins)
	got, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s does not hold %q and %q", settingsPage, tableBegins, tableEnds)
	}
	want := Table()
	if *update {
		if err := os.WriteFile(settingsPage, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got), go test ./cmd/internal/config -update writes it:\n%s", settingsPage, diff)
	}
}

// TestPageOnManyAccounts holds what the page says of files against what is read: which settings may stand there, and its example.
func TestPageOnManyAccounts(t *testing.T) {
	text, err := os.ReadFile(settingsPage)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Many accounts\n")
	rows := (&Account{}).settings()
	if want := "the settings from `" + rows[0].name + "` to `" + rows[len(rows)-1].name + "` in the table"; !strings.Contains(section, want) {
		t.Errorf("does not say %q", want)
	}
	_, rest, _ := strings.Cut(section, "```\n")
	example, _, _ := strings.Cut(rest, "```\n")
	if _, _, err := LoadAll(from(many(folder(t, "eu.env", example)))); err != nil || !strings.HasPrefix(example, "# eu.env\n") {
		t.Errorf("example %q: %v", example, err)
	}
}
