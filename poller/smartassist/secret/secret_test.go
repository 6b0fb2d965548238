package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func write(t *testing.T, path, content string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwt")
	at := time.Now().Add(-time.Hour)
	write(t, path, "one\r\n", at)
	s := File("SMARTASSIST_JWT_FILE", path)
	expect := func(want string) {
		t.Helper()
		if got, err := s.Read(); err != nil || got != want {
			t.Errorf("read %q, %v, want %q", got, err, want)
		}
	}
	expect("one")
	write(t, path, "two", at.Add(time.Second)) // another time and size
	expect("two")
	write(t, path, "six", at.Add(time.Second)) // looks unchanged
	expect("two")
	s.Reload() // refused
	expect("six")
	write(t, path, "\ufeffseven\r\n", at.Add(2*time.Second)) // as an editor of Windows writes it
	expect("seven")
}

func TestErrorsNameTheVariableOnly(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) Secret {
		path := filepath.Join(dir, fmt.Sprint(len(content)))
		write(t, path, content, time.Now())
		return File("THE_FILE", path)
	}
	for name, s := range map[string]Secret{
		"missing":    File("THE_FILE", filepath.Join(dir, "missing")),
		"empty":      file(" \n"),
		"two lines":  file("hush\nhush2"),
		"huge":       file(strings.Repeat("hush", largest)),
		"value":      Value("THE_FILE", ""),
		"value, two": Value("THE_FILE", "hush\x00hush"),
	} {
		_, err := s.Read()
		if err == nil || !strings.Contains(err.Error(), "THE_FILE") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: error %v", name, err)
		}
		if _, again := s.Read(); again == nil {
			t.Errorf("%s: read the second time", name)
		}
	}
	if _, err := (Secret{}).Read(); err == nil {
		t.Error("a secret that is not set can be read")
	}
}

// TestShowsInNoWay neither a secret nor what holds one.
func TestShowsInNoWay(t *testing.T) {
	const value = "hush-hush-hush"
	s := Value("SMARTASSIST_JWT", value)
	type holder struct {
		Public  Secret
		private Secret
	}
	h := &holder{s, s}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10.3s", "%t"} {
		for _, v := range []any{s, &s, h, *h, []Secret{s}, map[string]Secret{"a": s}} {
			fmt.Fprintf(&out, verb, v)
		}
	}
	for _, v := range []any{s, h, map[string]Secret{"k": s}} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	log := zerolog.New(&out)
	log.Info().Interface("holder", h).Stringer("secret", s).Any("any", s).Msg("")
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "secret", s, "holder", *h)
	for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), value[:3]} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is shown", leak)
		}
	}
	if got, err := s.Read(); !strings.Contains(out.String(), Redacted) || got != value || err != nil {
		t.Error("no placeholder, or the value is lost")
	}
	if b, err := json.Marshal(s); err != nil || string(b) != `"[redacted]"` {
		t.Errorf("JSON %s, %v", b, err)
	}
	if unset := (Secret{}); fmt.Sprint(unset) != "" || unset.IsSet() || !s.IsSet() || unset.Variable() != "" || s.Variable() != "SMARTASSIST_JWT" {
		t.Errorf("an unset secret shows as %q", unset)
	}
}
