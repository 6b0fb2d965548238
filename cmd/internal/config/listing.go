package config

import (
	"fmt"
	"net/url"
	"os"
	"reflect"
	"strings"

	"github.com/sethvargo/go-envconfig"
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
	defaults, err := read(envconfig.LookuperFunc(func(string) (string, bool) { return "", false }))
	if err != nil {
		return nil, err
	}
	env := &recorder{lookup: lookup}
	values, err := read(env)
	if err != nil {
		return nil, err
	}
	settings := make([]Setting, len(env.asked))
	for i, name := range env.asked {
		_, set := (&recorder{lookup: lookup}).Lookup(name)
		settings[i] = Setting{Name: name, Default: shown(defaults, i), Value: shown(values, i), Set: set, Doc: documentation[name].doc}
		if settings[i].Default == "" {
			settings[i].Default = documentation[name].unset
		}
	}
	return settings, nil
}

// shown is the i-th field as it may be printed.
func shown(v *variables, i int) string {
	switch value := reflect.ValueOf(v).Elem().Field(i).Interface().(type) {
	case Secret:
		return value.String()
	case secretPath:
		if _, err := os.Stat(string(value)); value != "" && err != nil {
			return "[no such file]"
		}
		return string(value)
	case string:
		return withoutUser(value)
	default:
		return redacted // not reached: the table has no other types
	}
}

// withoutUser hides the user and password of a URL, which is wrong in ours but will happen.
func withoutUser(value string) string {
	if !strings.Contains(value, "://") || !strings.Contains(value, "@") {
		return value
	}
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return redacted
	}
	u.User = url.User("redacted")
	return u.String()
}

// Markdown is the table of settings in deploy/CONFIGURATION.md, with a line about those that this release refuses.
func Markdown() (string, error) {
	settings, err := Settings(func(string) (string, bool) { return "", false })
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, s := range settings {
		def := s.Default
		if def != "" && def != documentation[s.Name].unset {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Name, def, strings.ReplaceAll(s.Doc, "|", `\|`))
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
	return b.String(), nil
}
