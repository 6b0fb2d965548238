package config

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Setting is one variable as people are shown it.
type Setting struct {
	Name    string
	Default string // as a value, or in words where nothing is a value ("required", "all"); "" for none
	Value   string // what holds; a secret's is a placeholder, and "" when it is not set
	Doc     string // Markdown
	Set     bool   // whether the environment sets it
}

// Settings lists every variable this release knows, in the order of the documentation, right or wrong: it does not
// validate. lookup is as for Load.
func Settings(lookup func(name string) (string, bool)) ([]Setting, error) {
	rows, env := (&Config{}).settings(), trimmed(lookup)
	if err := read(rows, env); err != nil {
		return nil, err
	}
	settings := make([]Setting, len(rows))
	for i, s := range rows {
		_, set := env.Lookup(s.name)
		settings[i] = Setting{Name: s.name, Default: cmp.Or(s.preset, s.unset), Value: s.show(s.text), Set: set, Doc: s.doc}
	}
	return settings, nil
}

// withoutUser hides the user and password of a URL, which is wrong in ours but will happen.
func withoutUser(value string) string {
	if !strings.Contains(value, "://") || !strings.Contains(value, "@") {
		return value
	}
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return secret.Redacted
	}
	u.User = url.User("redacted")
	return u.String()
}

// Table is the table of settings in deploy/CONFIGURATION.md, with a line about those that this release refuses.
func Table() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, s := range (&Config{}).settings() {
		def := s.unset
		if s.preset != "" {
			def = "`" + s.preset + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, def, strings.ReplaceAll(s.doc, "|", `\|`))
	}
	b.WriteString("\nNot yet supported by this release, and refused rather than ignored:")
	for i, n := range notYet {
		separator := ","
		if i == 0 {
			separator = ""
		}
		fmt.Fprintf(&b, "%s `%s`", separator, n.name)
		if n.allowed != "" {
			fmt.Fprintf(&b, " (other than `%s`)", n.allowed)
		}
	}
	b.WriteString(".\n")
	return b.String()
}
