package config

import (
	"cmp"
	"errors"
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
		settings[i] = s.shown(set)
	}
	return settings, nil
}

func (s *setting) shown(set bool) Setting {
	return Setting{Name: s.name, Default: cmp.Or(s.preset, s.unset), Value: s.show(s.text), Set: set, Doc: s.doc}
}

// FileSettings is what a file of ACCOUNTS_DIR sets.
type FileSettings struct {
	File      string    // "eu.env"
	AccountID string    // "" where the file says none, or what is not one
	Settings  []Setting // those alone that the file sets; Set is false where it unsets what the environment sets
}

// SettingsOfFiles lists the files of ACCOUNTS_DIR with what they set, right or wrong, like Settings. There are none without
// ACCOUNTS_DIR, or if it cannot be read, which LoadAll says.
func SettingsOfFiles(lookup func(name string) (string, bool)) ([]FileSettings, error) {
	p, env := &Process{}, trimmed(lookup)
	if err := read(p.settings(), env); err != nil || p.AccountsDir == "" {
		return nil, err
	}
	drafts, err := p.drafts(env)
	if _, unreadable := errors.AsType[*Error](err); unreadable {
		return nil, nil
	}
	files := make([]FileSettings, len(drafts))
	for i, d := range drafts {
		files[i].File = d.name + suffix
		if d.wrong.ok("SMARTASSIST_ACCOUNT_ID") {
			files[i].AccountID = d.account.AccountID
		}
		for _, s := range d.rows {
			if text, sets := d.values[s.name]; sets {
				files[i].Settings = append(files[i].Settings, s.shown(strings.TrimSpace(text) != ""))
			}
		}
	}
	return files, err
}

// withoutUser hides the user and password of a URL, which is wrong in ours but will happen, and a URL that cannot be read.
func withoutUser(value string) string {
	if !strings.Contains(value, "://") {
		return value
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.User == nil && strings.Contains(value, "@"):
		return secret.Redacted
	case u.User != nil:
		u.User = url.User("redacted")
		return u.String()
	}
	return value
}

// Table is the table of settings in deploy/CONFIGURATION.md.
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
	return b.String()
}
