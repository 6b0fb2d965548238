package producer

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
)

// Bearer logs in with OAUTHBEARER: RFC 7628, as KIP-255 uses it.
type Bearer struct {
	Token      Token
	Extensions map[string]string // sent with the token
	// Watched makes all connections anew when the token changes. It is false where the worker itself requests its tokens: each is
	// renewed long before it expires, and connections then log in with the new one in time.
	Watched bool
}

// Token is an access token that changes. Its errors name the setting to correct, and do not contain it.
type Token interface {
	// Token returns a valid token. It may wait for one until ctx ends.
	Token(ctx context.Context) (string, error)
	// Reload makes the next Token get another one, because a broker refused this one.
	Reload()
}

// Login implements Mechanism.
func (b Bearer) Login(ctx context.Context) (sasl.Mechanism, error) {
	token, err := b.Token.Token(ctx)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		b.Token.Reload()
		return nil, errors.New("KAFKA_SASL_OAUTH_TOKEN_FILE: expected the token alone, without white space and other characters that a token cannot have")
	}
	return bearer{token, b.Extensions}, nil
}

// Credentials implements Mechanism. The calls also renew the token before it expires.
func (b Bearer) Credentials(ctx context.Context) (string, error) {
	token, err := b.Token.Token(ctx)
	if err != nil || !b.Watched {
		return "", err
	}
	return token, nil
}

// Refused implements Mechanism.
func (b Bearer) Refused() (what, hint string) {
	b.Token.Reload()
	if b.Watched {
		return "the token", "put a valid token into KAFKA_SASL_OAUTH_TOKEN_FILE, which is read again; the brokers' logs say why they refused this one"
	}
	return "the token", "let the provider at KAFKA_SASL_OAUTH_TOKEN_URL give KAFKA_SASL_OAUTH_CLIENT_ID tokens with the issuer, audience and scope (KAFKA_SASL_OAUTH_SCOPE) that the brokers expect; their logs say what is wrong"
}

// bearer is the login of one connection.
type bearer struct {
	token      string
	extensions map[string]string
}

// Name implements sasl.Mechanism.
func (b bearer) Name() string { return "OAUTHBEARER" }

// separator ends each part of a message.
const separator = "\x01"

// Start implements sasl.Mechanism. The message has neither a user, whom the token names, nor the broker's address.
func (b bearer) Start(context.Context) (sasl.StateMachine, []byte, error) {
	message := "n,," + separator + "auth=Bearer " + b.token + separator
	for _, name := range slices.Sorted(maps.Keys(b.extensions)) {
		message += name + "=" + b.extensions[name] + separator
	}
	return &bearerSession{}, []byte(message + separator), nil
}

// bearerSession handles the broker's answer: nothing, or the error as JSON. After an error the broker waits for a separator before it
// refuses the login.
type bearerSession struct {
	refused bool
	status  string // of the error, if it is one of RFC 7628; else ""
}

// Next implements sasl.StateMachine.
func (s *bearerSession) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	switch {
	case s.refused:
		return false, nil, errors.New("the login continues after its refusal")
	case len(challenge) == 0:
		return true, nil, nil
	}
	s.refused = true
	var answer struct{ Status string }
	if json.Unmarshal(challenge, &answer) == nil && slices.Contains([]string{"invalid_token", "insufficient_scope", "invalid_request"}, answer.Status) {
		s.status = answer.Status
	}
	return false, []byte(separator), nil
}

// reason returns the status of a refused login; "" if it is not known.
func (s *bearerSession) reason() string { return s.status }
