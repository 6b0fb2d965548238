package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/poller"
)

// replayOptions are the flags of dead-letters replay, and the ids it is given.
type replayOptions struct {
	replay.Request
	admin   string
	account string
	asJSON  bool
}

func replayCommand() *command {
	var o replayOptions
	c := newCommand("dead-letters replay", "[ID...]", "asks the active worker to try dead letters again: those with the ids, or --all")
	c.details = "'convstream dead-letters list' tells the ids. What is resolved is not repeated."
	c.flags.BoolVar(&o.All, "all", false, "all that are not resolved")
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a letter, for jq")
	c.flags.StringVar(&o.admin, "admin", "", "the `URL` of the worker's admin port, instead of ADMIN_ADDR")
	c.flags.StringVar(&o.account, "account", "", "the `ID` of the account, where there are several")
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
	if cfg.AdminToken.IsSet() && o.admin != "" && !mayCarry(base) {
		return fmt.Errorf("--admin %s would carry ADMIN_TOKEN over the network in the clear: run this in the pod, or through kubectl port-forward, without a token; or use https; %w", base, errUsage)
	}
	answer, err := replay.Client{URL: base, Token: cfg.AdminToken, Account: o.account}.Ask(ctx, o.Request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	return o.follow(answer, t.out)
}

// mayCarry reports whether a token may go to the URL: encrypted, or no further than this host.
func mayCarry(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip, notIP := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || strings.EqualFold(u.Hostname(), "localhost") || notIP == nil && ip.Unmap().IsLoopback()
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

// follow prints the answer as it comes.
func (o replayOptions) follow(answer io.Reader, out io.Writer) error {
	counts := map[string]int{}
	out = show.Safe(out)
	if err := replay.Follow(answer, func(line []byte, a replay.Answer) error {
		counts[a.Outcome]++
		if !o.asJSON {
			line = []byte(a.ID + " " + became(a) + "\n")
		}
		_, err := out.Write(line)
		return err
	}); err != nil {
		return err
	}
	return o.conclude(counts, out)
}

// became says what became of a letter.
func became(a replay.Answer) string {
	switch a.Outcome {
	case string(poller.LetterPublished):
		return fmt.Sprintf("published as revision %d", a.Revision)
	case string(poller.LetterSuperseded):
		return "superseded: this content of the conversation or a newer one was published since; resolved without publishing it"
	case replay.Resolved:
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
		counts[string(poller.LetterPublished)], counts[string(poller.LetterSuperseded)], counts[replay.Resolved], counts[string(poller.LetterDead)])
	if !o.asJSON {
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	if n, m := counts[replay.Unknown], counts[replay.Untried]; n+m > 0 {
		return fmt.Errorf("dead-letters replay: %d unknown, %d not tried", n, m)
	}
	if n := counts[string(poller.LetterDead)]; n > 0 && !o.All {
		return fmt.Errorf("dead-letters replay: %d still dead", n)
	}
	return nil
}
