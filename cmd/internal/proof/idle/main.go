// Command idle measures what a process needs that works on accounts with little to do: memory, and CPU seconds. Each account has 1,000
// conversations a day, and a week of them is remembered before anything is measured.
//
//	this process                          convstream run, measured
//	a simulated service for each account <-- with so many of the accounts in its ACCOUNTS_DIR
//	Apache Kafka, one node               <--
//
// The week is published once, with a large budget of requests; then convstream is started with each number of accounts, recovers, and
// is measured when all accounts are up to date. What is measured is a process after a restart, with the defaults.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

type options struct {
	accounts      string
	spare         string
	conversations int
	settle        time.Duration
	measure       time.Duration
}

func run(ctx context.Context, args []string) error {
	o := options{}
	flags := flag.NewFlagSet("idle", flag.ContinueOnError)
	flags.StringVar(&o.accounts, "accounts", "1,10,40", "numbers of accounts, comma-separated")
	flags.StringVar(&o.spare, "spare", "true,false", "values of REREAD_SPARE, comma-separated: whether the whole budget of requests is used")
	flags.IntVar(&o.conversations, "conversations", 1000, "of each account, a day")
	flags.DurationVar(&o.settle, "settle", 30*time.Second, "from the moment when all accounts are up to date until the measurement begins")
	flags.DurationVar(&o.measure, "for", 2*time.Minute, "how long each is measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var sizes []int
	for text := range strings.SplitSeq(o.accounts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("-accounts: %q is not a number of accounts", text)
		}
		sizes = append(sizes, n)
	}
	return compare(ctx, o, sizes)
}

// compare prints one row of the table for each thing that was measured.
func compare(ctx context.Context, o options, sizes []int) error {
	dir, err := os.MkdirTemp("", "idle")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newStage(ctx, dir, o.conversations)
	if err != nil {
		return err
	}
	defer s.close()
	most := 0
	for _, n := range sizes {
		most = max(most, n)
	}
	if err := s.add(most); err != nil {
		return err
	}
	remembered, err := s.fill(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d conversations a day for each account, %d remembered of each, mean; %v each\n\n", o.conversations, remembered/most, o.measure)
	fmt.Println("| accounts | REREAD_SPARE | RSS MiB | peak | CPU ms per second | requests a minute | commits a minute | up to date after s |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for spare := range strings.SplitSeq(o.spare, ",") {
		for _, n := range sizes {
			if err := s.measure(ctx, n, spare, o); err != nil {
				return err
			}
		}
	}
	return nil
}
