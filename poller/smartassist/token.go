package smartassist

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// TokenSource is where the token of the auth header comes from.
type TokenSource interface {
	// Token returns a token that is good for at least the next minute, as far as its source knows.
	// The error names the variable to look at and holds no part of a secret.
	Token() (string, error)
	// Refused notes that the service did not accept its last token: the next one must
	// be made anew, from secrets read anew.
	Refused()
}

// StaticJWT sends a ready token, read from the secret each time it is used.
func StaticJWT(token secret.Secret) TokenSource { return staticJWT{token} }

type staticJWT struct{ secret secret.Secret }

// Token implements TokenSource.
func (s staticJWT) Token() (string, error) {
	token, err := s.secret.Read()
	if err == nil && strings.ContainsAny(token, " \t") {
		return "", fmt.Errorf("%s: the token must be the JWT alone, without Bearer", s.secret.Variable())
	}
	return token, err
}

// Refused implements TokenSource.
func (s staticJWT) Refused() { s.secret.Reload() }

// How long the tokens that we sign live. The documented sample tokens carry
// neither iat nor exp and so are good for ever; ours end soon, so that one that
// leaks is worth little. A token is dated back and replaced at half its life:
// clocks may then differ by two minutes in either direction. See also the hint
// of a 401, which compares the clocks.
const (
	tokenLife     = 5 * time.Minute
	tokenBackdate = 2 * time.Minute
	tokenRenew    = tokenLife / 2
)

// SignedJWT makes its own short-lived tokens: HS256, signed with the client
// secret, with the claims sub and appId (both the client id), iat and exp.
func SignedJWT(clientID string, clientSecret secret.Secret) TokenSource {
	current := new(signedToken)
	return signedJWT{clientID: clientID, secret: clientSecret, current: func() *signedToken { return current }}
}

type signedJWT struct {
	clientID string
	secret   secret.Secret
	current  func() *signedToken // a function, or fmt would print the token
}

// signedToken is the token in use.
type signedToken struct {
	mu     sync.Mutex
	key    string // what token was signed with
	token  string
	signed time.Time
}

// appClaims are the claims as the service spells them. Its documents ask for a
// sub without saying whose: the app stands for itself.
type appClaims struct {
	jwt.RegisteredClaims
	AppID string `json:"appId"`
}

// Token implements TokenSource.
func (s signedJWT) Token() (string, error) {
	key, err := s.secret.Read()
	if err != nil {
		return "", err
	}
	return s.current().renew(s.clientID, key)
}

// renew returns the token, a new one if it is old or was signed with another key.
func (s *signedToken) renew(clientID, key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	// Round strips the monotonic clock: exp is wall time, and a suspended machine must see that it passed.
	if age := now.Round(0).Sub(s.signed); s.token != "" && s.key == key && age >= 0 && age < tokenRenew {
		return s.token, nil
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, appClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   clientID,
			IssuedAt:  jwt.NewNumericDate(now.Add(-tokenBackdate)),
			ExpiresAt: jwt.NewNumericDate(now.Add(tokenLife)),
		},
		AppID: clientID,
	}).SignedString([]byte(key))
	if err != nil {
		return "", errors.New("token could not be signed")
	}
	s.key, s.token, s.signed = key, token, now.Round(0)
	return token, nil
}

// Refused implements TokenSource.
func (s signedJWT) Refused() {
	s.secret.Reload()
	current := s.current()
	current.mu.Lock()
	current.token = ""
	current.mu.Unlock()
}
