// Package oauth gets the access tokens with which the process logs in to brokers and to the schema registry: with the client
// credentials of OAuth 2.0 (RFC 6749, section 4.4), or ready ones out of a file that somebody else renews.
//
// A token is renewed when half its life is over, beside its use: who needs one waits for the endpoint only where none is left
// that is valid. An endpoint that is away for less than half a token's life is therefore noticed by nobody. Errors name the
// setting to correct; they hold nothing that was sent to the endpoint, and of its answer only the code of the error.
package oauth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

const (
	// timeLimit is how long the endpoint may take.
	timeLimit = 10 * time.Second
	// pause is the shortest time between two questions: a client whose secret is wrong must not be locked out for asking, and
	// a fresh token that is refused is no reason to ask for the next at once.
	pause = 5 * time.Second
	// assumedLife is for answers that do not say how long the token is valid.
	assumedLife = 5 * time.Minute
	// largestToken is what fits into a header everywhere.
	largestToken = 64 << 10
)

// Client gets tokens from an endpoint. Its exported fields are set before it is used, and not changed then. It may be used
// from many goroutines, which share a token.
type Client struct {
	Prefix   string // of the names of its settings: "KAFKA_SASL_OAUTH_"
	TokenURL string
	ID       string
	Secret   secret.Secret
	Scope    string // separated by spaces; "" for what the endpoint gives without being asked
	// Authorities to trust, of PREFIX_CA_FILE; asked for each question; nil is the system's. Its error does not name the setting.
	Authorities func() (*x509.CertPool, error)
	Dial        func(ctx context.Context, network, address string) (net.Conn, error) // nil is the network, or the proxy of the environment

	asking singleflight.Group
	grant  clientcredentials.Config // touched only where asking; it remembers how the endpoint wants the client's login

	mu    sync.Mutex
	held  token
	asked time.Time // when the last question had its answer
	err   error     // that of the last question
}

// token is an access token as it was got.
type token struct {
	text    string
	half    time.Time // when half its life is over
	end     time.Time
	refused bool // by what it is for: it may have been withdrawn
}

// Token returns a token that is valid. It waits for the endpoint where there is none, until ctx ends; the question is not
// given up then, and its answer is there for the next call.
func (c *Client) Token(ctx context.Context) (string, error) {
	now := time.Now()
	c.mu.Lock()
	held, due := c.held, now.Sub(c.asked) >= pause
	c.mu.Unlock()
	good := now.Before(held.end) && !held.refused
	if due && !(good && now.Before(held.half)) {
		answered := c.asking.DoChan("", func() (any, error) { c.renew(); return nil, nil })
		if !good {
			select {
			case <-answered:
			case <-ctx.Done():
				return "", fmt.Errorf("%sTOKEN_URL: no answer yet; it has %v in all", c.Prefix, timeLimit)
			}
		}
	}
	return c.last()
}

// last is the token that came last, even where it was refused and no other could be had.
func (c *Client) last() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.held.end) {
		return c.held.text, nil
	}
	if c.err == nil {
		return "", c.about("TOKEN_URL", "its tokens expire sooner than another is asked for, after %v; let the provider give ones that last for minutes", pause)
	}
	return "", c.err
}

// Reload makes Token get another one, because the last was refused.
func (c *Client) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held.refused = true
}

// renew asks for a token. A question that failed leaves the last one as it is.
func (c *Client) renew() {
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	t, err := c.ask(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.err = time.Now(), err
	if err == nil {
		c.held = t
	}
}

// ask puts the question, with the secret as it is now.
func (c *Client) ask(ctx context.Context) (token, error) {
	password, err := c.Secret.Read()
	if err != nil {
		return token{}, err
	}
	x, err := c.exchange()
	if err != nil {
		return token{}, err
	}
	began := time.Now()
	c.grant.TokenURL, c.grant.ClientID, c.grant.ClientSecret, c.grant.Scopes = c.TokenURL, c.ID, password, strings.Fields(c.Scope)
	answer, err := c.grant.Token(x.in(ctx))
	if err != nil {
		return token{}, c.explain(err, x)
	}
	if len(answer.AccessToken) > largestToken || strings.ContainsFunc(answer.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return token{}, errors.New(c.Prefix + "TOKEN_URL: the access_token is larger than 64 KiB or has characters that no token has")
	}
	t := token{text: answer.AccessToken, end: began.Add(assumedLife)}
	if !answer.Expiry.IsZero() {
		t.end = answer.Expiry
	}
	t.half = began.Add(t.end.Sub(began) / 2)
	return t, nil
}

// Ready is a token that somebody else gets and renews, most often in a file.
type Ready struct{ secret.Secret }

// Token returns the token as it is now.
func (r Ready) Token(context.Context) (string, error) { return r.Read() }
