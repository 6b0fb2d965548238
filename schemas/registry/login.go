package registry

import (
	"context"
	"encoding/base64"
	"net/http"
)

// Credentials are a login: [Basic] or [Bearer].
type Credentials interface {
	// addTo adds the login to a request, and returns the strings in it that must not be shown.
	addTo(req *http.Request) (secrets []string, err error)
	// refused makes the next addTo read the secret again, and returns which settings to correct.
	refused() (hint string)
}

// Basic is a user with a password.
type Basic struct {
	Username string
	Password Password // read again for each request
}

// Password is a secret that may change. Its errors do not hold it.
type Password interface {
	Read() (string, error)
	// Reload makes the next Read read the password again, because it was refused.
	Reload()
}

func (b Basic) addTo(req *http.Request) (secrets []string, err error) {
	password, err := b.Password.Read()
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(b.Username, password)
	return []string{base64.StdEncoding.EncodeToString([]byte(b.Username + ":" + password)), password}, nil
}

func (b Basic) refused() string {
	b.Password.Reload()
	return "Correct SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD (or SCHEMA_REGISTRY_PASSWORD_FILE)"
}

// Bearer is a login with a token.
type Bearer struct {
	Token   Token
	Cluster string // of Confluent Cloud: the registry ("lsrc-..."); "" for others
	Pool    string // of Confluent Cloud: the identity pool ("pool-..."); "" for others
	Hint    string // which settings to correct if the token is refused
}

// Token is an access token that changes. Its errors do not hold it.
type Token interface {
	// Token returns a valid token. It may wait until ctx ends.
	Token(ctx context.Context) (string, error)
	// Reload makes the next Token get a new token, because the last was refused.
	Reload()
}

func (b Bearer) addTo(req *http.Request) (secrets []string, err error) {
	token, err := b.Token.Token(req.Context())
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for name, value := range map[string]string{"target-sr-cluster": b.Cluster, "Confluent-Identity-Pool-Id": b.Pool} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	return []string{token}, nil
}

func (b Bearer) refused() string {
	b.Token.Reload()
	return b.Hint
}
