package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/convstream/convstream/cmd/internal/check"
	"github.com/convstream/convstream/cmd/internal/config"
)

func checkCommand() *command {
	c := newCommand("check", "", "tries the service, the brokers, every topic and permission, and the registry, before a worker runs")
	c.details = "For all accounts, within a minute. A line for each: ok, warn, FAIL and what to do, or skip and why. It publishes nothing, does not disturb running workers, and requests at most three pages of each account from the service."
	asJSON := c.flags.Bool("json", false, "one object, for jq")
	c.run = func(ctx context.Context, _ []string, t terminal) error { return runCheck(ctx, *asJSON, t) }
	return c
}

func runCheck(ctx context.Context, asJSON bool, t terminal) error {
	process, accounts, err := config.LoadAll(os.LookupEnv, os.Environ())
	if err != nil {
		if asJSON {
			err = errors.Join(err, check.Wrong(err).JSON(t.out))
		}
		return err
	}
	report := check.Run(ctx, check.Config{Process: process, Accounts: accounts})
	write := report.Text
	if asJSON {
		write = report.JSON
	}
	switch err := write(t.out); {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return errors.New("check: interrupted")
	case report.Failed() > 0:
		return fmt.Errorf("check: %d failed", report.Failed())
	}
	return nil
}
