package producer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
)

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
func (x *exchange) login(ctx context.Context, how Mechanism, m sasl.Mechanism) (lifetime time.Duration, err error) {
	if err := x.choose(m.Name()); err != nil {
		return 0, err
	}
	session, say, err := m.Start(x.at(ctx))
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
	what, hint := how.Refused()
	text := fmt.Sprintf("refuses %s with %s", what, m.Name())
	// Not the error's text: of a broker it may hold anything, and of the mechanism what was exchanged.
	if s, ok := session.(interface{ reason() string }); ok && s.reason() != "" {
		text += ": " + s.reason()
	}
	return 0, x.refused(text, hint, nil)
}

// at tells mechanisms that sign the broker's name what it is.
func (x *exchange) at(ctx context.Context) context.Context {
	host, port, _ := net.SplitHostPort(x.address)
	number, _ := strconv.Atoi(port)
	return sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: number})
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
	return loginError(x.address, text, hint, err)
}

func loginError(address, text, hint string, err error) error {
	return &peerError{address: address, category: Login, text: text, hint: hint, err: err}
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
