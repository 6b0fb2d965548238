package producer

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Mechanism is a way to log in to the brokers. Its errors name the setting to correct, and hold no secret.
type Mechanism interface {
	// Login reads what one connection logs in with. It may wait for others, until ctx ends.
	Login(ctx context.Context) (sasl.Mechanism, error)
	// Credentials returns what the connections are made with: when it changes, they are made anew. It is asked every few
	// seconds, and "" where connections may stay until their sessions end.
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

// Password is a secret that may change. Its errors do not hold it.
type Password interface {
	Read() (string, error)
	// Reload makes the next Read look again wherever the password is kept, because it was refused.
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
		return nil, fmt.Errorf("SASL mechanism %q is not known", u.Mechanism)
	}
	if err != nil { // its text would show where in the password
		return nil, errors.New("KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD has characters that SCRAM does not take")
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
