// Package secret holds what must not be seen: tokens, passwords and client secrets, of whatever they open. It imports
// nothing of this module.
package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// largest is how much of a secret's file is read, in bytes.
const largest = 64 << 10

// Redacted is what is shown instead of a secret.
const Redacted = "[redacted]"

// Secret is a value that must not be seen, given directly or in a file. Every way
// of formatting or marshalling it yields [Redacted], or nothing where it is not
// set. Copies share what was read. The zero value is a secret that is not set.
type Secret struct {
	// A function keeps the value from fmt, which follows pointers and calls no Format where a value stands in an
	// unexported field: of a function it only prints the address.
	source func() *source
}

type source struct {
	variable string // for errors: SMARTASSIST_JWT, SMARTASSIST_JWT_FILE
	path     string // "" for a direct value

	mu      sync.Mutex
	value   string
	modTime time.Time
	size    int64
	stale   bool // read the file again whatever its times say
}

func hold(s *source) func() *source { return func() *source { return s } }

// Value returns a secret given directly by the environment variable of this name.
func Value(variable, value string) Secret {
	return Secret{hold(&source{variable: variable, value: strings.TrimSpace(value)})}
}

// File returns a secret in a file, whose path the environment variable of this
// name (a *_FILE) holds. The file is looked at whenever the secret is used, and
// read again when its time of modification or its size changed, or after
// [Secret.Reload].
func File(variable, path string) Secret {
	return Secret{hold(&source{variable: variable, path: path, stale: true})}
}

// IsSet reports whether there is a secret at all; it may still not be readable.
func (s Secret) IsSet() bool { return s.source != nil }

// Variable returns the name of the environment variable that holds the secret, or the path of its file; "" where it is not set.
func (s Secret) Variable() string {
	if s.source == nil {
		return ""
	}
	return s.source().variable
}

// Read returns the secret without white space around it (files end with a line
// break). The error names the variable, and never holds a part of the secret.
func (s Secret) Read() (string, error) {
	if s.source == nil {
		return "", errors.New("secret is not set")
	}
	return s.source().read()
}

// Reload makes the next Read read the file again, because the secret was
// refused: a file replaced within one tick of its clock looks unchanged.
func (s Secret) Reload() {
	if s.source == nil {
		return
	}
	source := s.source()
	source.mu.Lock()
	source.stale = true
	source.mu.Unlock()
}

func (s *source) read() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path != "" {
		if err := s.refresh(); err != nil {
			s.stale = true
			return "", fmt.Errorf("%s: %w", s.variable, err)
		}
	}
	switch {
	case s.value == "":
		s.stale = true
		return "", fmt.Errorf("%s: the secret is empty", s.variable)
	case strings.ContainsFunc(s.value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		s.stale = true
		return "", fmt.Errorf("%s: the secret is more than one line of text", s.variable)
	}
	return s.value, nil
}

// refresh reads the file if it changed.
func (s *source) refresh() error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !s.stale && info.ModTime().Equal(s.modTime) && info.Size() == s.size {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil {
		return err
	}
	if len(b) > largest {
		return fmt.Errorf("%s is larger than %d bytes", s.path, largest)
	}
	s.value, s.modTime, s.size, s.stale = text(b), info.ModTime(), info.Size(), false
	return nil
}

// text is what a file says: some editors begin it with a byte order mark, and end its line with CR LF.
func text(b []byte) string { return strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff")) }

// Format prints [Redacted] whatever the verb: %x and %q would otherwise spell the value out.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String returns [Redacted].
func (s Secret) String() string {
	if s.source == nil {
		return ""
	}
	return Redacted
}

// MarshalText returns [Redacted], in JSON too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
