package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Client asks the active worker for replays.
type Client struct {
	URL   string        // of its admin port
	Token secret.Secret // of the admin port; not set for a worker that is asked by loopback

	Account string // whose dead letters; "" where the process has one account
}

// Ask returns the worker's answer as it comes, for Follow. The context ends it, and with it the replay.
func (c Client) Ask(ctx context.Context, asked Request) (answer io.ReadCloser, err error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	target := c.URL + Path
	if c.Account != "" {
		target += "?" + url.Values{"account": {c.Account}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("content-type", "application/json")
	if c.Token.IsSet() {
		token, err := c.Token.Read()
		if err != nil {
			return nil, err
		}
		req.Header.Set("authorization", "Bearer "+token)
	}
	res, err := client().Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the worker: %w. Is it the active one, and is this its ADMIN_ADDR? --admin URL names another", err)
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return nil, fmt.Errorf("the worker at %s answers %d: %s", c.URL, res.StatusCode, strings.TrimSpace(string(text)))
	}
	return res.Body, nil
}

// client waits for as long as a replay takes, and carries the token nowhere else: not to where a redirect leads, nor through a
// proxy, which would read it.
func client() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		},
	}
}

// errCutOff is the end of an answer that has none of its own.
var errCutOff = errors.New("the answer broke off: what it says holds; ask again for the rest, what is resolved is not repeated")

// Follow calls visit with the answer to each letter, and its line, as they come. nil means that every letter asked for was
// answered; an error of visit comes back as it is.
func Follow(answer io.Reader, visit func(line []byte, a Answer) error) error {
	lines := bufio.NewReader(answer)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return errCutOff
		}
		var a Answer
		if err := json.Unmarshal(line, &a); err != nil {
			return fmt.Errorf("the worker's answer cannot be read: %w", err)
		}
		switch {
		case a.Error != "":
			return fmt.Errorf("the worker broke off: %s. Ask again for the rest: what is resolved is not repeated", a.Error)
		case a.Done:
			return nil
		}
		if err := visit(line, a); err != nil {
			return err
		}
	}
}
