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

// exchange makes the first requests on a new connection, in place of kafka-go, which reports neither the mechanisms that a broker offers
// nor when a login expires, and waits for an answer to a login for ever.
type exchange struct {
	conn     net.Conn
	address  string
	clientID string
	requests int32
	versions map[protocol.ApiKey]int16
	offers   map[int16]int16 // the newest version of each request that the broker takes
}

func (x *exchange) roundTrip(request protocol.Message) (protocol.Message, error) {
	x.requests++
	return protocol.RoundTrip(x.conn, x.versions[request.ApiKey()], x.requests, x.clientID, request)
}

// apiVersions finds out whether the peer is a broker, and which versions it supports.
func (x *exchange) apiVersions() error {
	answer, err := x.roundTrip(&apiversions.Request{})
	if err != nil {
		return err
	}
	res := answer.(*apiversions.Response)
	if err := brokerError(res.ErrorCode); err != nil {
		return err
	}
	x.versions, x.offers = map[protocol.ApiKey]int16{}, map[int16]int16{}
	for _, k := range res.ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		x.versions[key], x.offers[k.ApiKey] = key.SelectVersion(k.MinVersion, k.MaxVersion), k.MaxVersion
	}
	return nil
}

// login logs in and returns how long the login is valid; 0 means for ever.
func (x *exchange) login(ctx context.Context, how Mechanism, m sasl.Mechanism) (lifetime time.Duration, err error) {
	if err := x.handshake(m.Name()); err != nil {
		return 0, err
	}
	state, response, err := m.Start(x.withBroker(ctx))
	for done := false; err == nil && !done; {
		var challenge []byte
		if challenge, lifetime, err = x.authenticate(response); err == nil {
			done, response, err = state.Next(ctx, challenge)
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
	// Without the error's text: a broker's may contain anything, and the mechanism's what was exchanged.
	if s, ok := state.(interface{ reason() string }); ok && s.reason() != "" {
		text += ": " + s.reason()
	}
	return 0, x.loginError(text, hint, nil)
}

// withBroker adds the broker's address, for mechanisms that sign it.
func (x *exchange) withBroker(ctx context.Context) context.Context {
	host, port, _ := net.SplitHostPort(x.address)
	number, _ := strconv.Atoi(port)
	return sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: number})
}

// handshake requests the mechanism.
func (x *exchange) handshake(mechanism string) error {
	answer, err := x.roundTrip(&saslhandshake.Request{Mechanism: mechanism})
	if err != nil {
		return err
	}
	res := answer.(*saslhandshake.Response)
	switch err := brokerError(res.ErrorCode); {
	case err == nil:
		return nil
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return x.loginError(fmt.Sprintf("does not offer %s, but %.200q", mechanism, strings.Join(res.Mechanisms, ", ")), "set KAFKA_SASL_MECHANISM to what it offers", err)
	case errors.Is(err, kafka.IllegalSASLState):
		return x.loginError("has a listener that takes no login", "leave KAFKA_SASL_MECHANISM unset, or check the port in KAFKA_BROKERS", err)
	default:
		return err
	}
}

func (x *exchange) authenticate(response []byte) (challenge []byte, lifetime time.Duration, err error) {
	answer, err := x.roundTrip(&saslauthenticate.Request{AuthBytes: response})
	if err != nil {
		return nil, 0, err
	}
	res := answer.(*saslauthenticate.Response)
	return res.AuthBytes, time.Duration(res.SessionLifetimeMs) * time.Millisecond, brokerError(res.ErrorCode)
}

func (x *exchange) loginError(text, hint string, err error) error {
	return loginError(x.address, text, hint, err)
}

func loginError(address, text, hint string, err error) error {
	return &peerError{address: address, category: Login, text: text, hint: hint, err: err}
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
