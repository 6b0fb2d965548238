// Package client sends requests to the admin port of a worker.
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

// Client is a client of one worker.
type Client struct {
	URL     string        // of its admin port
	Token   secret.Secret // of the admin port; not set for a worker on loopback
	Account string        // that requests are about; "" if the process has one account
}

// Get returns the body of the response to a GET request.
func (c Client) Get(ctx context.Context, path string) (answer io.ReadCloser, err error) {
	return c.do(ctx, http.MethodGet, path, nil)
}

// Post sends a command as JSON, and returns the body of the response, which may be a stream. Cancelling the context cancels the command.
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
		return nil, fmt.Errorf("ask the worker: %w; set --admin to the URL of the active worker, at the port of its ADMIN_ADDR", err)
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		return nil, &AnswerError{c.URL, res.StatusCode, reason(res.Body, token)}
	}
	return res.Body, nil
}

// AnswerError is an answer that is not what was asked for.
type AnswerError struct {
	URL    string // of the admin port
	Code   int    // HTTP status
	Reason string // as the other side says
}

// Error returns who answered, with which status, and the reason.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("the worker at %s answers %d: %s", e.URL, e.Code, e.Reason)
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

// direct returns a client without a time limit for the response, since commands take long. It sends the token nowhere else: it follows no
// redirect and uses no proxy, which could read it. It keeps no connection: the admin port has few, and the next request has another client.
func direct() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute, DisableKeepAlives: true,
		},
	}
}
