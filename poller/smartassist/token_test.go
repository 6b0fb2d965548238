package smartassist

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/convstream/convstream/poller/smartassist/secret"
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

func TestLoginsDoNotPrint(t *testing.T) {
	const hush = "hush-hush"
	held := secret.Value("SMARTASSIST_JWT", hush)
	static, signed := StaticJWT(held), SignedJWT("cs-1", held)
	token, err := signed.Token()
	if err != nil {
		t.Fatal(err)
	}
	client, err := New(Config{URL: "https://example.com", AccountID: "a", Token: signed, Budget: NewBudget(1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{static, signed, client, *client, client.cfg, struct{ source TokenSource }{signed}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			printed := fmt.Sprintf(verb, v)
			for _, leak := range []string{hush, fmt.Sprintf("%x", hush), token} {
				if strings.Contains(printed, leak) {
					t.Errorf("%T printed with %s holds the secret", v, verb)
				}
			}
		}
	}
}

func TestSignedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := SignedJWT("cs-1", secret.Value("SMARTASSIST_CLIENT_SECRET", "hush"))
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
	source := SignedJWT("cs-1", secret.File("SMARTASSIST_CLIENT_SECRET_FILE", path))
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
	if _, err := StaticJWT(secret.Value("SMARTASSIST_JWT", "Bearer hush")).Token(); err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "SMARTASSIST_JWT") {
		t.Errorf("error %v", err)
	}
}
