package main

import (
	"context"
	"fmt"
	"os"

	"github.com/rs/zerolog"

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
	process, accounts, err := config.LoadAll(os.LookupEnv, os.Environ())
	if err != nil {
		return err
	}
	log := logging.New(process, t.err)
	log.Info().Str("version", version).Str("commit", commit).Int("accounts", len(accounts)).
		Strs("brokers", process.Kafka.Brokers).Str("prefix", process.TopicPrefix).Msg("convstream starts")
	for _, text := range process.Warnings() {
		log.Warn().Msg(text)
	}
	for _, a := range accounts {
		log.Info().Str("account", a.Config.AccountID).Str("file", a.Name).Str("service", a.Config.URL).Msg("account")
		for _, text := range a.Config.Warnings() {
			log.Warn().Str("account", a.Config.AccountID).Msg(text)
		}
	}
	c := fleet.Config{Process: process, Accounts: accounts, Log: log, Name: processName()}
	if process.AccountsDir != "" {
		c.Reload = func() ([]config.AccountFile, error) { return process.Accounts(os.LookupEnv, os.Environ()) }
	}
	f, err := fleet.New(c)
	if err == nil {
		err = f.Run(ctx)
	}
	if err != nil {
		log.Error().Str(zerolog.ErrorFieldName, worker.Explain(err)).Msg("convstream ends")
		return errLogged
	}
	return nil
}

// processName returns a name that distinguishes this process from the other replicas: in Kubernetes it begins with the pod's name.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
