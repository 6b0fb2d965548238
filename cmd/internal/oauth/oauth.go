// Package oauth gets access tokens for the login to the brokers and to the schema registry: with the client
// credentials grant of OAuth 2.0 (RFC 6749, section 4.4), or from a file that another program renews.
//
// A token is renewed in the background when half its life is over. A caller waits for the token endpoint only if there is no
// valid token, so an endpoint that is down for less than half a token's life has no effect. Errors name the
// setting to correct. They contain nothing that was sent to the endpoint, and only the error code of its answer.
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
	// timeLimit limits a request to the endpoint.
	timeLimit = 10 * time.Second
	// pause is the shortest time between two requests: a client with a wrong secret must not be locked out for too many of them, and
	// a new token that is refused must not cause another request at once.
	pause = 5 * time.Second
	// assumedLife is the life of a token without expires_in.
	assumedLife = 5 * time.Minute
	// largestToken is a size that fits into a header.
	largestToken = 64 << 10
)

// Client gets tokens from an endpoint. Its exported fields must not change after the first use. It is safe for use by several
// goroutines, which share a token.
type Client struct {
	Prefix   string // of its settings, like "KAFKA_SASL_OAUTH_"
	TokenURL string
	ID       string
	Secret   secret.Secret
	Scope    string // separated by spaces; "" for the endpoint's default
	// Authorities returns the authorities to trust, from PREFIX_CA_FILE; it is called for each request, and its error does not name
	// the setting. nil means those of the system.
	Authorities func() (*x509.CertPool, error)
	Dial        func(ctx context.Context, network, address string) (net.Conn, error) // if nil, the network, or the proxy of the environment

	asking singleflight.Group
	grant  clientcredentials.Config // used inside asking only; it remembers how the endpoint wants the client to authenticate

	mu    sync.Mutex
	held  token
	asked time.Time // when the last request ended
	err   error     // of the last request
}

// token is an access token.
type token struct {
	text    string
	half    time.Time // when half its life is over
	end     time.Time
	refused bool // by the broker or the registry: it may have been revoked
}

// Token returns a valid token. If there is none it waits for the endpoint until ctx ends; the request goes on then, and its
// result is there for the next call.
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
				return "", fmt.Errorf("%sTOKEN_URL: no answer yet; it has %v for one", c.Prefix, timeLimit)
			}
		}
	}
	return c.last()
}

// last returns the last token, even if it was refused, since there is no other.
func (c *Client) last() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.held.end) {
		return c.held.text, nil
	}
	if c.err == nil {
		return "", c.about("TOKEN_URL", "its tokens expire within %v, before they can be renewed; configure a longer token lifetime at the provider, of minutes", pause)
	}
	return "", c.err
}

// Reload makes Token get a new token, because the last was refused.
func (c *Client) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held.refused = true
}

// renew requests a token. After an error the last token stays in use.
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

// ask requests a token with the current secret.
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
		return token{}, errors.New(c.Prefix + "TOKEN_URL: the access_token is larger than 64 KiB or has characters that a token cannot have; " + whichURL)
	}
	t := token{text: answer.AccessToken, end: began.Add(assumedLife)}
	if !answer.Expiry.IsZero() {
		t.end = answer.Expiry
	}
	t.half = began.Add(t.end.Sub(began) / 2)
	return t, nil
}

// Ready is a token that another program gets and renews, usually in a file.
type Ready struct{ secret.Secret }

// Token returns the current token.
func (r Ready) Token(context.Context) (string, error) { return r.Read() }
