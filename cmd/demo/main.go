// Command demo is the whole system in one process, with nothing to install: a simulated SmartAssist, an embedded broker
// that speaks Kafka's protocol, an embedded schema registry, and the real worker between them. It prints where to look closer, a live summary, and
// some of the records. With --for it ends with a verified summary.
//
// With --faults the service errs, the brokers err, connections break, and the worker is torn down and started again while
// it runs. The verified summary must hold all the same.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	duration  time.Duration // 0: until interrupted
	perMinute float64
	history   time.Duration
	faults    bool
	seed      uint64

	kafkaAddr, registryAddr, adminAddr, serviceAddr string
}

func main() {
	o, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, o, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.DurationVar(&o.duration, "for", 0, "end after this long, with a verified summary; 0 is until interrupted, which verifies as well")
	flags.Float64Var(&o.perMinute, "conversations-per-minute", 60, "how many conversations begin in a minute")
	flags.DurationVar(&o.history, "history", 10*time.Minute, "how far back conversations lie at the start, and how far back the worker begins")
	flags.BoolVar(&o.faults, "faults", false, "let the service, the brokers and the network fail, and tear the worker down again and again")
	flags.Uint64Var(&o.seed, "seed", 1, "decides every conversation and every fault")
	flags.StringVar(&o.kafkaAddr, "kafka-addr", "127.0.0.1:19092", "the embedded broker listens here; port 0 takes any")
	flags.StringVar(&o.registryAddr, "registry-addr", "127.0.0.1:18081", "the embedded schema registry listens here; port 0 takes any")
	flags.StringVar(&o.adminAddr, "admin-addr", "127.0.0.1:18080", "the worker's admin port; port 0 takes any")
	flags.StringVar(&o.serviceAddr, "service-addr", "127.0.0.1:18181", "the simulated service listens here; port 0 takes any")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	case o.duration < 0 || o.history < 0:
		wrong = "--for and --history cannot be negative"
	case !(o.perMinute > 0 && o.perMinute <= 6000):
		wrong = "--conversations-per-minute takes a number above 0 and up to 6000"
	}
	if wrong != "" {
		fmt.Fprintf(os.Stderr, "demo: %s; see --help\n", wrong)
		return o, errors.New(wrong)
	}
	return o, nil
}

// demo starts everything, shows it until the time is over, ends it in order and verifies what came out.
func demo(ctx context.Context, o options, out io.Writer) error {
	s, err := start(o)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprint(out, s.whereToLook())
	shown := s.show(ctx, out)
	began := time.Now()
	err = s.work(ctx, o.duration)
	shown()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nworker stopped after %s; verifying what is in the topics\n", time.Since(began).Round(time.Second))
	return s.verify(out)
}
