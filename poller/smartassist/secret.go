package smartassist

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// maxSecret is how much of a secret's file is read, in bytes.
const maxSecret = 64 << 10

const redacted = "[redacted]"

// Secret is a value that must not be seen: a token or a client secret, given
// directly or in a file. It prints as "[redacted]" in every format. Copies share
// what was read. The zero value is a secret that is not set.
type Secret struct {
	source hidden[secretSource]
}

// hidden keeps a value from fmt, which follows pointers and calls no Format
// where the value stands in an unexported field: of a function it only prints
// the address.
type hidden[T any] func() *T

func hide[T any](v *T) hidden[T] { return func() *T { return v } }

type secretSource struct {
	variable string // for errors: SMARTASSIST_JWT, SMARTASSIST_JWT_FILE
	path     string // "" for a direct value

	mu      sync.Mutex
	value   string
	modTime time.Time
	size    int64
	stale   bool // read the file again whatever its times say
}

// SecretValue is a secret given directly by the environment variable of this name.
func SecretValue(variable, value string) Secret {
	return Secret{hide(&secretSource{variable: variable, value: strings.TrimSpace(value)})}
}

// SecretFile is a secret in a file, whose path the environment variable of this
// name (a *_FILE) gives. The file is looked at whenever the secret is used, and
// read again when its time of modification or its size changed, or after
// [Secret.Reload].
func SecretFile(variable, path string) Secret {
	return Secret{hide(&secretSource{variable: variable, path: path, stale: true})}
}

// Read gives the secret without white space around it (files end with a line
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

func (s *secretSource) read() (string, error) {
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
func (s *secretSource) refresh() error {
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
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return err
	}
	if len(b) > maxSecret {
		return fmt.Errorf("%s is larger than %d bytes", s.path, maxSecret)
	}
	s.value, s.modTime, s.size, s.stale = strings.TrimSpace(string(b)), info.ModTime(), info.Size(), false
	return nil
}

// Format prints "[redacted]" whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String gives "[redacted]".
func (Secret) String() string { return redacted }

// MarshalText gives "[redacted]", in JSON too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
