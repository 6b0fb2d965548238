package main

import (
	"context"
	"os"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/logging"
	"github.com/convstream/convstream/cmd/internal/worker"
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
	w, err := worker.New(cfg, logging.New(cfg, os.Stderr), worker.Network{Name: "catchup"})
	if err != nil {
		return cost{}, err
	}
	if err := w.Run(ctx); err != nil {
		return cost{}, err
	}
	return used()
}
