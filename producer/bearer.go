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

// Bearer logs in with OAUTHBEARER: RFC 7628, as Kafka has it (KIP-255).
type Bearer struct {
	Token      Token
	Extensions map[string]string // sent along, for what is before the brokers or in them
	// Watched says that connections are made anew when the token changes. Where the worker itself gets its tokens, one
	// follows the other long before the sessions end.
	Watched bool
}

// Token is an access token that changes. Its errors name the setting to correct, and do not hold it.
type Token interface {
	// Token returns one that is valid. It may wait for it until ctx ends.
	Token(ctx context.Context) (string, error)
	// Reload makes the next Token look for another one, because this one was refused.
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
		return nil, errors.New("KAFKA_SASL_OAUTH_TOKEN_FILE: expected the token alone, without white space or other characters that no token has")
	}
	return bearer{token, b.Extensions}, nil
}

// Credentials implements Mechanism. That it is asked is what renews tokens ahead of their end.
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
		return "the token", "put one into KAFKA_SASL_OAUTH_TOKEN_FILE that is not expired and that the brokers take, whose logs say why they do not; the file is read again"
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

// separator stands between and behind the parts of a message.
const separator = "\x01"

// Start implements sasl.Mechanism. The message has neither a user, whom the token names, nor the broker's address.
func (b bearer) Start(context.Context) (sasl.StateMachine, []byte, error) {
	message := "n,," + separator + "auth=Bearer " + b.token + separator
	for _, name := range slices.Sorted(maps.Keys(b.extensions)) {
		message += name + "=" + b.extensions[name] + separator
	}
	return &bearerSession{}, []byte(message + separator), nil
}

// bearerSession is what follows. A broker answers with nothing, or with what is wrong, as JSON; that is no end yet: it waits
// for a separator, and then refuses the login.
type bearerSession struct {
	refused bool
	status  string // of the refusal; "" where it is none of RFC 7628
}

// Next implements sasl.StateMachine.
func (s *bearerSession) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	switch {
	case s.refused:
		return false, nil, errors.New("login goes on after its refusal")
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

// reason says why the login was refused, as far as the broker said it.
func (s *bearerSession) reason() string { return s.status }
