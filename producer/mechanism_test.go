package producer

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// unreadable is a Password that cannot be read.
type unreadable struct{ err error }

func (u unreadable) Read() (string, error) { return "", u.err }
func (u unreadable) Reload()               {}

// TestUserPasswordLogin: the mechanism by its name, and errors that contain nothing of the password.
func TestUserPasswordLogin(t *testing.T) {
	gone := errors.New("KAFKA_SASL_PASSWORD_FILE: no such file")
	for name, c := range map[string]struct {
		mechanism string
		password  Password
		text      string // of the error; "" for none
	}{
		"PLAIN":                       {"PLAIN", &password{text: "hunter2"}, ""},
		"SCRAM-SHA-256":               {"SCRAM-SHA-256", &password{text: "hunter2"}, ""},
		"SCRAM-SHA-512":               {"SCRAM-SHA-512", &password{text: "hunter2"}, ""},
		"any character in PLAIN":      {"PLAIN", &password{text: "hunter2\u0007"}, ""},
		"a character that SCRAM bans": {"SCRAM-SHA-512", &password{text: "hunter2\u0007"}, "KAFKA_SASL_PASSWORD has characters that SCRAM does not allow"},
		"an unknown mechanism":        {"scram-sha-256", &password{text: "hunter2"}, `unknown SASL mechanism "scram-sha-256"`},
		"a password that is not read": {"PLAIN", unreadable{gone}, "KAFKA_SASL_PASSWORD_FILE: no such file"},
	} {
		u := UserPassword{Mechanism: c.mechanism, Username: "me", Password: c.password}
		m, err := u.Login(t.Context())
		switch {
		case c.text == "" && (err != nil || m.Name() != c.mechanism):
			t.Errorf("%s: %v, %v", name, m, err)
		case c.text != "" && (err == nil || m != nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, error %v, want one with %q", name, m, err, c.text)
		}
	}
	if _, err := (UserPassword{Mechanism: "PLAIN", Password: unreadable{gone}}).Login(t.Context()); !errors.Is(err, gone) {
		t.Errorf("the error of the password is not wrapped: %v", err)
	}
}

// TestUserPasswordRefused: a refusal makes the next login read the password again, and names the settings to check.
func TestUserPasswordRefused(t *testing.T) {
	p := &password{text: "hunter2"}
	u := UserPassword{Mechanism: "PLAIN", Username: "me", Password: p}
	if secret, err := u.Credentials(t.Context()); secret != "hunter2" || err != nil || p.reloaded.Load() != 0 {
		t.Errorf("credentials %q, %v; reloaded %d times", secret, err, p.reloaded.Load())
	}
	what, hint := u.Refused()
	if p.reloaded.Load() != 1 || what != `the login of user "me"` || !strings.Contains(hint, "KAFKA_SASL_USERNAME") || !strings.Contains(hint, "KAFKA_SASL_PASSWORD_FILE") {
		t.Errorf("reloaded %d times; %q, %q", p.reloaded.Load(), what, hint)
	}
}

// TestLoginIsRead: each login has the password as it is then.
func TestLoginIsRead(t *testing.T) {
	p := &password{text: "old"}
	u := UserPassword{Mechanism: "PLAIN", Username: "me", Password: p}
	for _, text := range []string{"old", "new"} {
		p.text = text
		m, err := u.Login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, message, err := m.Start(context.Background())
		if want := "\x00me\x00" + text; err != nil || string(message) != want {
			t.Errorf("%q, %v, want %q", message, err, want)
		}
	}
}
