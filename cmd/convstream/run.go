package main

import (
	"context"
	"fmt"
	"os"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/logging"
	"github.com/convstream/convstream/cmd/internal/worker"
)

func run(ctx context.Context, args []string, t terminal) error {
	if len(args) > 0 {
		return fmt.Errorf("run takes no arguments, settings are environment variables; %w", errUsage)
	}
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
	w, err := worker.New(cfg, log, worker.Network{Name: fmt.Sprintf("%s/%d", host, os.Getpid())})
	if err == nil {
		err = w.Run(ctx)
	}
	if err != nil {
		log.Error().Msg("convstream ends: " + worker.Explain(err))
		return errLogged
	}
	return nil
}
