package main

import (
	"context"
	"fmt"
	"os"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/fleet"
	"github.com/convstream/convstream/cmd/internal/logging"
	"github.com/convstream/convstream/cmd/internal/worker"
)

func runCommand() *command {
	c := newCommand("run", "", "the worker: polls, publishes, serves the admin port (also with no command)")
	c.details = "Until SIGTERM or SIGINT, at which it commits what it has read and hands over."
	c.instead = "settings are environment variables"
	c.run = run
	return c
}

func run(ctx context.Context, _ []string, t terminal) error {
	cfg, err := config.Load(os.LookupEnv, os.Environ())
	if err != nil {
		return err
	}
	log := logging.New(cfg, t.err)
	log.Info().Str("version", version).Str("commit", commit).Str("account", cfg.AccountID).Str("service", cfg.URL).
		Strs("brokers", cfg.Kafka.Brokers).Str("prefix", cfg.TopicPrefix).Msg("convstream starts")
	for _, text := range cfg.Warnings() {
		log.Warn().Msg(text)
	}
	host, err := os.Hostname() // in Kubernetes the pod's name
	if err != nil {
		host = "unknown host"
	}
	f, err := fleet.New(fleet.Config{
		Process: &cfg.Process, Accounts: []config.AccountFile{{Config: cfg}}, Log: log, Name: fmt.Sprintf("%s/%d", host, os.Getpid()),
	})
	if err == nil {
		err = f.Run(ctx)
	}
	if err != nil {
		log.Error().Msg("convstream ends: " + worker.Explain(err))
		return errLogged
	}
	return nil
}
