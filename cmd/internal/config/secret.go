package config

import (
	"os"
	"strings"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// pair is a secret as the environment has it: in a variable, or in the file that the variable's twin with _FILE names.
type pair struct {
	name  string // of the variable
	into  *secret.Secret
	token bool // it is sent in a header as it is

	value, file string // as they are set
}

// passwordOf is the pair of a secret that may be any text.
func passwordOf(name string, into *secret.Secret) *pair { return &pair{name: name, into: into} }

// tokenOf is the pair of a secret that is sent in a header as it is.
func tokenOf(name string, into *secret.Secret) *pair {
	return &pair{name: name, into: into, token: true}
}

// direct is the value of the variable itself. It is never shown.
func (s *pair) direct() value {
	return value{
		decode: func(text string) error {
			s.value, *s.into = text, secret.Value(s.name, text)
			return nil
		},
		within: func(p *problems, name string) {
			p.require(s.value == "" || s.file == "", name, "is set, and so is %s_FILE; expected one of them", name)
			p.require(!s.token || !strings.ContainsFunc(s.value, notVisible), name, "contains white space or other characters that no token has")
		},
		show: func(text string) string {
			if text == "" {
				return ""
			}
			return secret.Redacted
		},
	}
}

// path is the path of the file. Somebody will put the secret itself there, so neither errors nor listings quote it unless a
// file of that name exists.
func (s *pair) path() value {
	return value{
		decode: func(text string) error {
			s.file, *s.into = text, secret.File(s.name+"_FILE", text)
			return nil
		},
		within: func(p *problems, name string) {
			if s.file == "" {
				return
			}
			if err := secretFile(s.file); err != nil {
				p.add(name, "%v; expected the path of a file that holds the secret", err)
			}
		},
		show: func(text string) string {
			if _, err := os.Stat(text); text != "" && err != nil {
				return "[no such file]"
			}
			return text
		},
	}
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }
