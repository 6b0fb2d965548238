package config

import "fmt"

// redacted stands wherever a secret would be printed.
const redacted = "[redacted]"

// Secret is a value that no log, error or listing may show: every way of formatting or marshalling it gives the same
// placeholder, or nothing if it is empty.
type Secret string

// Reveal returns the value itself, for the one place that has to send it.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString returns a placeholder.
func (s Secret) GoString() string { return s.String() }

// Format writes a placeholder for every verb: %x and %q would otherwise spell the value out.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON returns a placeholder as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
