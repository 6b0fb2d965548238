package producer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// SASL is the login to the brokers.
type SASL struct {
	Mechanism string // one of Mechanisms
	Username  string
	Password  Password // read again for each connection
}

// Mechanisms are those that SASL may name.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// Password is a secret that may change. Its errors do not hold it.
type Password interface {
	Read() (string, error)
	// Reload makes the next Read look again wherever the password is kept, because it was refused.
	Reload()
}

const hintLogin = "check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD (or KAFKA_SASL_PASSWORD_FILE)"

// mechanism reads the password.
func (s *SASL) mechanism() (sasl.Mechanism, error) {
	password, err := s.Password.Read()
	if err != nil {
		return nil, err
	}
	var m sasl.Mechanism
	switch s.Mechanism {
	case "PLAIN":
		return plain.Mechanism{Username: s.Username, Password: password}, nil
	case "SCRAM-SHA-256":
		m, err = scram.Mechanism(scram.SHA256, s.Username, password)
	case "SCRAM-SHA-512":
		m, err = scram.Mechanism(scram.SHA512, s.Username, password)
	default:
		return nil, fmt.Errorf("SASL mechanism %q is not known", s.Mechanism)
	}
	if err != nil { // its text would show where in the password
		return nil, errors.New("KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD has characters that SCRAM does not take")
	}
	return m, nil
}

// exchange speaks on a new connection, before kafka-go does: that knows neither what mechanisms a broker offers nor when a
// session ends, and waits for an answer to a login for ever.
type exchange struct {
	conn     net.Conn
	address  string
	clientID string
	requests int32
	versions map[protocol.ApiKey]int16
}

func (x *exchange) ask(request protocol.Message) (protocol.Message, error) {
	x.requests++
	return protocol.RoundTrip(x.conn, x.versions[request.ApiKey()], x.requests, x.clientID, request)
}

// greet finds out whether there is a broker at the other side, and what it speaks.
func (x *exchange) greet() error {
	answer, err := x.ask(&apiversions.Request{})
	if err != nil {
		return err
	}
	res := answer.(*apiversions.Response)
	if err := answered(res.ErrorCode); err != nil {
		return err
	}
	x.versions = map[protocol.ApiKey]int16{}
	for _, k := range res.ApiKeys {
		if key := protocol.ApiKey(k.ApiKey); key == protocol.SaslHandshake || key == protocol.SaslAuthenticate {
			x.versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
		}
	}
	return nil
}

// login returns for how long the session is good; 0 is for ever.
func (x *exchange) login(ctx context.Context, s *SASL) (lifetime time.Duration, err error) {
	m, err := s.mechanism()
	if err != nil {
		return 0, x.refused("was not logged in to: "+err.Error(), "put it right; a file is read again", err)
	}
	if err := x.choose(s.Mechanism); err != nil {
		return 0, err
	}
	session, say, err := m.Start(ctx)
	for done := false; err == nil && !done; {
		var challenge []byte
		if challenge, lifetime, err = x.say(say); err == nil {
			done, say, err = session.Next(ctx, challenge)
		}
	}
	switch {
	case err == nil:
		return lifetime, nil
	case ctx.Err() != nil, timedOut(err):
		return 0, err
	}
	s.Password.Reload()
	// Not the error's text: of a broker it may hold anything, and of the mechanism what was exchanged.
	return 0, x.refused(fmt.Sprintf("refuses the login of user %q with %s", s.Username, s.Mechanism), hintLogin, nil)
}

// choose asks for the mechanism.
func (x *exchange) choose(mechanism string) error {
	answer, err := x.ask(&saslhandshake.Request{Mechanism: mechanism})
	if err != nil {
		return err
	}
	res := answer.(*saslhandshake.Response)
	switch err := answered(res.ErrorCode); {
	case err == nil:
		return nil
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return x.refused(fmt.Sprintf("does not offer %s, but %.200q", mechanism, strings.Join(res.Mechanisms, ", ")), "set KAFKA_SASL_MECHANISM to what it offers", err)
	case errors.Is(err, kafka.IllegalSASLState):
		return x.refused("has a listener that takes no login", "leave KAFKA_SASL_MECHANISM unset, or check the port in KAFKA_BROKERS", err)
	default:
		return err
	}
}

func (x *exchange) say(words []byte) (challenge []byte, lifetime time.Duration, err error) {
	answer, err := x.ask(&saslauthenticate.Request{AuthBytes: words})
	if err != nil {
		return nil, 0, err
	}
	res := answer.(*saslauthenticate.Response)
	return res.AuthBytes, time.Duration(res.SessionLifetimeMs) * time.Millisecond, answered(res.ErrorCode)
}

func (x *exchange) refused(text, hint string, err error) error {
	return &peerError{address: x.address, category: Login, text: text, hint: hint, err: err}
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
