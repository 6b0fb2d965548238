package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller"
)

// replayOptions are the flags of dead-letters replay, and the ids it is given.
type replayOptions struct {
	worker.ReplayRequest
	admin  string
	asJSON bool
}

func replayCommand() *command {
	var o replayOptions
	c := newCommand("dead-letters replay", "[ID...]", "asks the active worker to try dead letters again: those with the ids, or --all")
	c.details = "'convstream dead-letters list' tells the ids. What is resolved is not repeated."
	c.flags.BoolVar(&o.All, "all", false, "all that are not resolved")
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a letter, for jq")
	c.flags.StringVar(&o.admin, "admin", "", "the `URL` of the worker's admin port, instead of ADMIN_ADDR")
	c.run = func(ctx context.Context, ids []string, t terminal) error {
		o.IDs = ids
		if err := o.check(); err != nil {
			return err
		}
		return o.run(ctx, t)
	}
	return c
}

func (o replayOptions) check() error {
	for _, id := range o.IDs {
		if _, ok := poller.ParseLetterID(id); !ok {
			return fmt.Errorf("dead-letters replay: %q is no id; 'convstream dead-letters list' tells them; %w", id, errUsage)
		}
	}
	if o.All == (len(o.IDs) > 0) {
		return fmt.Errorf("dead-letters replay: expected ids, or --all; %w", errUsage)
	}
	return nil
}

func (o replayOptions) run(ctx context.Context, t terminal) error {
	cfg, err := config.LoadForAsking(os.LookupEnv, os.Environ())
	if err != nil {
		return err
	}
	base, err := adminURL(cmp.Or(o.admin, cfg.AdminAddr))
	if err != nil {
		return err
	}
	body, err := json.Marshal(o.ReplayRequest)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/dead-letters/replay", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("content-type", "application/json")
	if err := authorize(req, cfg); err != nil {
		return err
	}
	res, err := adminClient().Do(req)
	if err != nil {
		return fmt.Errorf("ask the worker: %w. Is it the active one, and is this its ADMIN_ADDR? --admin URL names another", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return fmt.Errorf("the worker at %s answers %d: %s", base, res.StatusCode, strings.TrimSpace(string(text)))
	}
	return o.follow(res.Body, t.out)
}

// adminURL is the address of an admin port as others reach it, from what ADMIN_ADDR or --admin says: a worker that listens
// on all addresses is asked by loopback.
func adminURL(addr string) (string, error) {
	if u, err := url.Parse(addr); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return strings.TrimRight(addr, "/"), nil
	}
	host, port, err := net.SplitHostPort(addr)
	switch ip, notIP := netip.ParseAddr(host); {
	case err != nil || strings.Contains(addr, "/"):
		return "", fmt.Errorf("--admin %q is no URL like http://10.1.2.3:8080; %w", addr, errUsage)
	case port == "0":
		return "", fmt.Errorf("ADMIN_ADDR %s says no port: name the worker's with --admin; %w", addr, errUsage)
	case host == "" || notIP == nil && ip.IsUnspecified():
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// adminClient waits for as long as a replay takes, and carries the token nowhere else.
func adminClient() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		},
	}
}

func authorize(req *http.Request, cfg *config.Config) error {
	token := worker.AdminToken(cfg)
	if token == nil {
		return nil
	}
	value, err := token.Read()
	if err == nil {
		req.Header.Set("authorization", "Bearer "+value)
	}
	return err
}

// errCutOff is the end of an answer that has none of its own.
var errCutOff = errors.New("the answer broke off: what it says holds; ask again for the rest, what is resolved is not repeated")

// follow prints the answer as it comes.
func (o replayOptions) follow(body io.Reader, out io.Writer) error {
	counts := map[string]int{}
	lines := bufio.NewReader(body)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return errCutOff
		}
		var a worker.LetterAnswer
		if err := json.Unmarshal(text, &a); err != nil {
			return fmt.Errorf("the worker's answer cannot be read: %w", err)
		}
		switch {
		case a.Error != "":
			return fmt.Errorf("the worker broke off: %s. Ask again for the rest: what is resolved is not repeated", a.Error)
		case a.Done:
			return o.conclude(counts, out)
		}
		counts[a.Outcome]++
		if !o.asJSON {
			text = []byte(a.ID + " " + became(a) + "\n")
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
}

// became says what became of a letter.
func became(a worker.LetterAnswer) string {
	switch a.Outcome {
	case string(poller.LetterPublished):
		return fmt.Sprintf("published as revision %d", a.Revision)
	case string(poller.LetterSuperseded):
		return "superseded: this content of the conversation or a newer one was published since; resolved without publishing it"
	case worker.LetterResolved:
		res := poller.Resolution{Fate: poller.Fate(a.As), Revision: a.Revision}
		if a.Resolved != nil {
			res.At = *a.Resolved
		}
		return "resolved before: " + show.Resolved(res)
	case string(poller.LetterDead):
		return "still dead: " + a.Why
	}
	return a.Outcome + ": " + a.Why
}

// conclude sums up. Letters that nobody has, or that were not tried, make it a failure; one that is still dead does where it was
// asked for by its id.
func (o replayOptions) conclude(counts map[string]int, out io.Writer) error {
	text := fmt.Sprintf("%d published, %d superseded, %d resolved before, %d still dead",
		counts[string(poller.LetterPublished)], counts[string(poller.LetterSuperseded)], counts[worker.LetterResolved], counts[string(poller.LetterDead)])
	if !o.asJSON {
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	if n, m := counts[worker.LetterUnknown], counts[worker.LetterUntried]; n+m > 0 {
		return fmt.Errorf("dead-letters replay: %d unknown, %d not tried", n, m)
	}
	if n := counts[string(poller.LetterDead)]; n > 0 && !o.All {
		return fmt.Errorf("dead-letters replay: %d still dead", n)
	}
	return nil
}
