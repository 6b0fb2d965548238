package smartassist

import (
	stdjson "encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

func writeSecret(t *testing.T, path, content string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestSecretFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwt")
	at := time.Now().Add(-time.Hour)
	writeSecret(t, path, "one\r\n", at)
	s := SecretFile("SMARTASSIST_JWT_FILE", path)
	expect := func(want string) {
		t.Helper()
		if got, err := s.Read(); err != nil || got != want {
			t.Errorf("read %q, %v, want %q", got, err, want)
		}
	}
	expect("one")
	writeSecret(t, path, "two", at.Add(time.Second)) // another time and size
	expect("two")
	writeSecret(t, path, "six", at.Add(time.Second)) // looks unchanged
	expect("two")
	s.Reload() // refused
	expect("six")
}

func TestSecretErrorsNameTheVariableOnly(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) Secret {
		path := filepath.Join(dir, fmt.Sprint(len(content)))
		writeSecret(t, path, content, time.Now())
		return SecretFile("THE_FILE", path)
	}
	for name, s := range map[string]Secret{
		"missing":    SecretFile("THE_FILE", filepath.Join(dir, "missing")),
		"empty":      file(" \n"),
		"two lines":  file("hush\nhush2"),
		"huge":       file(strings.Repeat("hush", maxSecret)),
		"value":      SecretValue("THE_FILE", ""),
		"value, two": SecretValue("THE_FILE", "hush\x00hush"),
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

func TestSecretsDoNotPrint(t *testing.T) {
	const hush = "hush-hush"
	secret := SecretValue("SMARTASSIST_JWT", hush)
	static, signed := StaticJWT(secret), SignedJWT("cs-1", secret)
	token, err := signed.Token()
	if err != nil {
		t.Fatal(err)
	}
	client, err := New(Config{URL: "https://example.com", AccountID: "a", Token: signed, Budget: NewBudget(1)})
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Public  Secret
		private Secret
		source  TokenSource
	}
	for _, v := range []any{secret, &secret, static, signed, client, *client, client.cfg, holder{secret, secret, signed}, []Secret{secret}, map[string]Secret{"a": secret}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			printed := fmt.Sprintf(verb, v)
			for _, leak := range []string{hush, fmt.Sprintf("%x", hush), token} {
				if strings.Contains(printed, leak) {
					t.Errorf("%T printed with %s holds the secret", v, verb)
				}
			}
		}
	}
	if b, err := stdjson.Marshal(holder{Public: secret}); err != nil || string(b) != `{"Public":"[redacted]"}` {
		t.Errorf("JSON %s, %v", b, err)
	}
}

func TestSignedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := SignedJWT("cs-1", SecretValue("SMARTASSIST_CLIENT_SECRET", "hush"))
		first, err := source.Token()
		if err != nil {
			t.Fatal(err)
		}
		claims := jwt.MapClaims{}
		parsed, err := jwt.ParseWithClaims(first, claims, func(*jwt.Token) (any, error) { return []byte("hush"), nil }, jwt.WithTimeFunc(time.Now), jwt.WithValidMethods([]string{"HS256"}))
		if err != nil {
			t.Fatal(err)
		}
		now := float64(time.Now().Unix())
		if diff := cmp.Diff(jwt.MapClaims{"sub": "cs-1", "appId": "cs-1", "iat": now - 120, "exp": now + 300}, claims); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[string]any{"alg": "HS256", "typ": "JWT"}, parsed.Header); diff != "" {
			t.Error(diff)
		}
		time.Sleep(tokenRenew - time.Second)
		if token, _ := source.Token(); token != first {
			t.Error("a token is replaced before half its life")
		}
		time.Sleep(time.Second)
		second, _ := source.Token()
		if second == first {
			t.Error("an old token is sent")
		}
		time.Sleep(time.Second)
		source.Refused()
		if third, _ := source.Token(); third == second {
			t.Error("a refused token is sent again")
		}
	})
}

func TestSignedTokenFollowsItsSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	writeSecret(t, path, "one", time.Now().Add(-time.Hour))
	source := SignedJWT("cs-1", SecretFile("SMARTASSIST_CLIENT_SECRET_FILE", path))
	first, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	writeSecret(t, path, "another", time.Now())
	second, err := source.Token()
	if err != nil || second == first {
		t.Errorf("after the secret changed: same token %t, %v", second == first, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	writeSecret(t, path, "guessed", info.ModTime()) // looks unchanged
	source.Refused()
	claims := jwt.MapClaims{}
	third, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwt.ParseWithClaims(third, claims, func(*jwt.Token) (any, error) { return []byte("guessed"), nil }); err != nil {
		t.Errorf("after a refusal the secret is not read again: %v", err)
	}
}

func TestStaticTokenWithBearer(t *testing.T) {
	if _, err := StaticJWT(SecretValue("SMARTASSIST_JWT", "Bearer hush")).Token(); err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "SMARTASSIST_JWT") {
		t.Errorf("error %v", err)
	}
}
