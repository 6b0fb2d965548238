package producer

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Mechanism is a way to log in to the brokers. Its errors name the setting to correct, and contain no secret.
type Mechanism interface {
	// Login returns the login of one connection. It may wait, for example for a token, until ctx ends.
	Login(ctx context.Context) (sasl.Mechanism, error)
	// Credentials returns the secret that connections log in with: when it changes, they are made anew. "" means that
	// connections may stay until their logins expire. It is called every few seconds.
	Credentials(ctx context.Context) (string, error)
	// Refused notes that a broker refused the login. It returns what was refused, and which settings to check.
	Refused() (what, hint string)
}

// UserPassword logs in with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
type UserPassword struct {
	Mechanism string
	Username  string
	Password  Password // read again for each connection
}

// Password is a secret that may change.
type Password interface {
	// Read returns the password. Its errors do not contain it.
	Read() (string, error)
	// Reload makes the next Read read the password from where it is kept, because a broker refused it.
	Reload()
}

// Login implements Mechanism.
func (u UserPassword) Login(context.Context) (sasl.Mechanism, error) {
	password, err := u.Password.Read()
	if err != nil {
		return nil, err
	}
	var m sasl.Mechanism
	switch u.Mechanism {
	case "PLAIN":
		return plain.Mechanism{Username: u.Username, Password: password}, nil
	case "SCRAM-SHA-256":
		m, err = scram.Mechanism(scram.SHA256, u.Username, password)
	case "SCRAM-SHA-512":
		m, err = scram.Mechanism(scram.SHA512, u.Username, password)
	default:
		return nil, fmt.Errorf("unknown SASL mechanism %q", u.Mechanism)
	}
	if err != nil { // its text would show a position in the password
		return nil, errors.New("KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD has characters that SCRAM does not allow")
	}
	return m, nil
}

// Credentials implements Mechanism.
func (u UserPassword) Credentials(context.Context) (string, error) { return u.Password.Read() }

// Refused implements Mechanism.
func (u UserPassword) Refused() (what, hint string) {
	u.Password.Reload()
	return fmt.Sprintf("the login of user %q", u.Username), "check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD (or KAFKA_SASL_PASSWORD_FILE)"
}
