package main

import (
	"context"
	"os"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/fleet"
	"github.com/convstream/convstream/cmd/internal/logging"
)

// unthrottled is a budget that never makes a request wait: no setting may say so.
const unthrottled = 10_000_000

// worked runs the worker as "convstream run" does, but for the budget, until the context ends. All that it uses counts.
func worked(ctx context.Context) (cost, error) {
	cfg, err := config.Load(os.LookupEnv, os.Environ())
	if err != nil {
		return cost{}, err
	}
	cfg.RequestsPerMinute = unthrottled
	f, err := fleet.New(fleet.Config{
		Process: &cfg.Process, Accounts: []config.AccountFile{{Config: cfg}}, Log: logging.New(&cfg.Process, os.Stderr), Name: "catchup",
	})
	if err != nil {
		return cost{}, err
	}
	if err := f.Run(ctx); err != nil {
		return cost{}, err
	}
	return used()
}
