package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer is a provider of OpenID Connect, as far as brokers and workers need one: keys, and tokens for clients.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []*rsa.PrivateKey // the last one signs
	secrets map[string]string // of the clients
}

const (
	issuerAudience = "kafka"
	// tokenLife is short, so that tokens and sessions end while workers work.
	tokenLife = 30 * time.Second
	keysPath  = "/keys"
	tokenPath = "/token"
)

func newIssuer() (*issuer, error) {
	i := &issuer{secrets: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+keysPath, i.serveKeys)
	mux.HandleFunc("POST "+tokenPath, i.serveToken)
	i.Server = httptest.NewServer(mux)
	return i, i.renew()
}

// renew has tokens signed with another key from now on. Those of the keys before stay good.
func (i *issuer) renew() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, key)
	return err
}

// knows makes a client, or changes its secret.
func (i *issuer) knows(client, secret string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.secrets[client] = secret
}

func keyID(n int) string { return fmt.Sprint("key-", n) }

func (i *issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	for n, key := range i.keys {
		set.Keys = append(set.Keys, map[string]string{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID(n),
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		})
	}
	_ = json.NewEncoder(w).Encode(set)
}

func (i *issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	client, secret, basic := r.BasicAuth()
	if !basic {
		client, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	w.Header().Set("Content-Type", "application/json")
	if known := i.secrets[client]; known == "" || known != secret || r.FormValue("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
		return
	}
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": i.URL, "aud": issuerAudience, "sub": client, "iat": now.Unix(), "exp": now.Add(tokenLife).Unix(), "scope": "kafka",
	})
	last := len(i.keys) - 1
	token.Header["kid"] = keyID(last)
	signed, err := token.SignedString(i.keys[last])
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": signed, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds())})
}

// brokers are the settings with which brokers take the tokens, and the system properties.
func (i *issuer) brokers() (settings, system map[string]string) {
	return map[string]string{
			"sasl.oauthbearer.jwks.endpoint.url": i.URL + keysPath, "sasl.oauthbearer.expected.audience": issuerAudience, "sasl.oauthbearer.expected.issuer": i.URL,
		}, map[string]string{
			"org.apache.kafka.sasl.oauthbearer.allowed.urls": i.URL + keysPath,
		}
}
