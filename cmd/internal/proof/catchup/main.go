// Command catchup measures what it costs to catch up: the worker reads 100,000 conversations of 2.7 KB as fast as it can and
// publishes them to Apache Kafka. The budget of requests is lifted, which no setting can do.
//
//	this process                           a process of its own, measured
//	service: rendered pages ---HTTP------> worker, as "convstream run" runs it
//	Apache Kafka, or kfake <--------------
//	                                       bare loop: the same transactions again, from
//	                                       a file: no service, no encoding, no memory
//
// Each run ends with a check by another client that every conversation came exactly once. Counted are CPU seconds of the
// measured process, user and system: other processes of the machine disturb them little, and wall time much.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// The measured process is this program again, with one of these as its first argument.
const (
	asWorker = "as-worker"
	asBare   = "as-bare-loop"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "catchup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == asWorker {
		return measured(func() (cost, error) { return worked(ctx) })
	}
	if len(args) == 1 && args[0] == asBare {
		return measured(func() (cost, error) { return bare(ctx) })
	}
	o := options{}
	flags := flag.NewFlagSet("catchup", flag.ContinueOnError)
	flags.IntVar(&o.conversations, "conversations", 100_000, "how many")
	flags.StringVar(&o.on, "on", "kafka,kfake", "brokers, comma-separated: kafka is Apache Kafka (needs Java 17 and Maven), kfake the one of tests, in this process")
	flags.StringVar(&o.profiles, "profiles", "", "directory for profiles of the measured processes; profiling costs a little itself")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return compare(ctx, o)
}

type options struct {
	conversations int
	on            string
	profiles      string
}

// compare prints one row of the table for each thing that was measured.
func compare(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "catchup")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	service, err := newService(o.conversations)
	if err != nil {
		return err
	}
	fmt.Printf("%d conversations of %d bytes\n\n", len(service.rows), service.meanBytes())
	fmt.Println("| measured | CPU s | user | system | wall s | rows/s | transactions | transactions/s | peak RSS MiB |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for on := range strings.SplitSeq(o.on, ",") {
		if err := onBrokers(ctx, dir, on, service, o.profiles); err != nil {
			return err
		}
	}
	return nil
}

func onBrokers(ctx context.Context, dir, on string, service *service, profiles string) error {
	brokers, stop, err := startBrokers(ctx, dir, on)
	if err != nil {
		return err
	}
	defer stop()
	s := stage{brokers: brokers, service: service, file: dir + "/transactions", profiles: profiles}
	if err := s.work(ctx, "worker, "+on); err != nil {
		return err
	}
	return s.loop(ctx, "bare loop, "+on)
}
