// Package client asks a worker by its admin port.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Client is a way to a worker.
type Client struct {
	URL     string        // of its admin port
	Token   secret.Secret // of the admin port; not set for a worker that is asked by loopback
	Account string        // that is asked about; "" where the process has one account
}

// Get returns the answer to a question that changes nothing.
func (c Client) Get(ctx context.Context, path string) (answer io.ReadCloser, err error) {
	return c.do(ctx, http.MethodGet, path, nil)
}

// Post returns the answer to a command, as it comes. The context ends it.
func (c Client) Post(ctx context.Context, path string, command any) (answer io.ReadCloser, err error) {
	body, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPost, path, body)
}

func (c Client) do(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	target := c.URL + path
	if c.Account != "" {
		target += "?" + url.Values{"account": {c.Account}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("content-type", "application/json")
	}
	token := ""
	if c.Token.IsSet() {
		if token, err = c.Token.Read(); err != nil {
			return nil, err
		}
		req.Header.Set("authorization", "Bearer "+token)
	}
	res, err := direct().Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the worker: %w. Is it the active one, and is this its ADMIN_ADDR? --admin URL names another", err)
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		return nil, fmt.Errorf("the worker at %s answers %d: %s", c.URL, res.StatusCode, reason(res.Body, token))
	}
	return res.Body, nil
}

// longestReason bounds what is shown of an answer that is an error.
const longestReason = 4 << 10

// reason is what the other side says, without the token: what is not a worker may repeat it. It is cut when the token is taken out.
func reason(body io.Reader, token string) string {
	b, _ := io.ReadAll(io.LimitReader(body, longestReason+int64(len(token))))
	text := string(b)
	if token != "" {
		text = strings.ReplaceAll(text, token, secret.Redacted)
	}
	return strings.TrimSpace(text[:min(len(text), longestReason)])
}

// direct returns a client that waits for as long as a command takes, and carries the token nowhere else: not to where a redirect leads,
// nor through a proxy, which would read it.
func direct() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		},
	}
}
