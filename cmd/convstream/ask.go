package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/config"
)

// askOptions are the flags of commands that ask a worker.
type askOptions struct{ admin, account string }

func (o *askOptions) declare(c *command) {
	c.flags.StringVar(&o.admin, "admin", "", "the `URL` of the worker's admin port, instead of ADMIN_ADDR")
	c.flags.StringVar(&o.account, "account", "", "the `ID` of the account, where there are several")
}

// worker returns the way to the worker.
func (o *askOptions) worker() (client.Client, error) {
	cfg, err := config.LoadForAsking(os.LookupEnv, os.Environ())
	if err != nil {
		return client.Client{}, err
	}
	base, err := adminURL(cmp.Or(o.admin, cfg.AdminAddr))
	if err != nil {
		return client.Client{}, err
	}
	if cfg.AdminToken.IsSet() && o.admin != "" && !mayCarry(base) {
		return client.Client{}, fmt.Errorf("--admin %s would send ADMIN_TOKEN over the network in the clear: run this in the pod, or through kubectl port-forward, without a token; or use https; %w", base, errUsage)
	}
	return client.Client{URL: base, Token: cfg.AdminToken, Account: o.account}, nil
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
		return "", fmt.Errorf("--admin %q is not a URL like http://10.1.2.3:8080; %w", addr, errUsage)
	case port == "0":
		return "", fmt.Errorf("ADMIN_ADDR %s has no fixed port: set --admin to the URL of the worker; %w", addr, errUsage)
	case host == "" || notIP == nil && ip.IsUnspecified():
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// status asks the worker, of the account alone where one is named.
func (o askOptions) status(ctx context.Context) (s admin.Status, err error) {
	worker, err := o.worker()
	if err != nil {
		return s, err
	}
	answer, err := worker.Get(ctx, "/status")
	if err != nil {
		return s, err
	}
	defer func() { _ = answer.Close() }()
	if err := json.NewDecoder(answer).Decode(&s); err != nil {
		return s, fmt.Errorf("the worker's status cannot be read: %w. Is %s the admin port of a worker of this version?", err, worker.URL)
	}
	if o.account == "" {
		return s, nil
	}
	var ids []string
	for i, a := range s.Accounts {
		if a.Account == o.account {
			s.Accounts = s.Accounts[i : i+1]
			return s, nil
		}
		ids = append(ids, a.Account)
	}
	return s, fmt.Errorf("the worker has no account %q: it has %s", o.account, cmp.Or(strings.Join(ids, ", "), "none"))
}

// printLines writes each line by itself, as show.Safe wants it.
func printLines(out io.Writer, text string) error {
	for line := range strings.Lines(text) {
		if _, err := io.WriteString(out, line); err != nil {
			return err
		}
	}
	return nil
}
