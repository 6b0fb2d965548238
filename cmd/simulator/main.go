// Command simulator serves a simulated SmartAssist "interactionDetails" service,
// for trying convstream without an account. It prints how to ask it with curl, and
// the environment variables with which convstream reads it.
//
// Its tokens and secrets are make-believe: they open nothing but this simulator,
// and it prints them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// Exit codes: 0 ended by a signal, 1 failed, 2 wrong usage.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // the flag package has said what is wrong
	}
	service, err := simulator.New(o.config)
	if err != nil {
		fmt.Fprintf(stderr, "simulator: %v\n", err)
		return 2
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		fmt.Fprintf(stderr, "simulator: %v\n", err)
		return 1
	}
	base := "http://" + listener.Addr().String()
	greet(stdout, base, o.config, time.Now())
	if err := serve(ctx, listener, service); err != nil {
		fmt.Fprintf(stderr, "simulator: %v\n", err)
		return 1
	}
	farewell(stdout, service.Stats())
	return 0
}

// drainTime is how long answers under way may take once the end was asked for.
const drainTime = 5 * time.Second

// serve answers until the context ends, and then lets the requests under way finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if server.Shutdown(draining) != nil {
		return server.Close() // requests that the fault "hang" holds never finish
	}
	return nil
}

func greet(w io.Writer, base string, c simulator.Config, now time.Time) {
	token := c.JWT
	if token == "" {
		token = simulator.Token(c.ClientID, c.ClientSecret)
	}
	from := now.Add(-time.Hour).UTC().Format(time.DateTime)
	to := now.Add(24 * time.Hour).UTC().Format(time.DateTime)
	fmt.Fprintf(w, "simulated SmartAssist on %s, seed %d, %v conversations a minute, %v of history\n\n",
		base, c.Seed, c.PerMinute, c.History)
	fmt.Fprintf(w, "curl -s '%s%s?limit=3&offset=0' \\\n  -H 'auth: %s' \\\n  -H 'accountId: %s' \\\n  -H 'content-type: application/json;charset=UTF-8' \\\n",
		base, simulator.Path(c.AccountID), token, c.AccountID)
	fmt.Fprintf(w, "  -d '{\"startDate\":\"%s\",\"endDate\":\"%s\",\"timeZoneOffset\":0}'\n\n", from, to)
	fmt.Fprintf(w, "export SMARTASSIST_URL=%s\nexport SMARTASSIST_ACCOUNT_ID=%s\n", base, c.AccountID)
	if c.StreamID != "" {
		fmt.Fprintf(w, "export SMARTASSIST_STREAM_ID=%s\n", c.StreamID)
	}
	if c.JWT != "" {
		fmt.Fprintf(w, "export SMARTASSIST_JWT=%s\n", c.JWT)
		return
	}
	fmt.Fprintf(w, "export SMARTASSIST_CLIENT_ID=%s\nexport SMARTASSIST_CLIENT_SECRET=%s\n", c.ClientID, c.ClientSecret)
}

func farewell(w io.Writer, s simulator.Stats) {
	fmt.Fprintf(w, "\n%d requests (at most %d in a minute), %d pages, %d rows, %d bytes; faults %v; refused %v\n",
		s.Requests, s.MaxPerMinute, s.Pages, s.Rows, s.Bytes, s.Faults, s.Refused)
}
