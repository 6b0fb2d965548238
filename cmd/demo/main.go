// Command demo is the whole system in one process, with nothing to install: a simulated SmartAssist, an embedded broker
// that speaks Kafka's protocol, an embedded schema registry, and the real worker between them. It prints where to look closer, a live summary, and
// some of the records. With --for it ends with a verified summary.
//
// With --accounts there are several, each with a simulated service of its own and a file in a temporary ACCOUNTS_DIR; with --replicas
// several processes share the accounts, or stand by for the one that works.
//
// With --faults the services err, the brokers err, connections break, and the worker is torn down and started again while
// it runs: of several replicas one at a time, so that accounts move. The verified summary must hold all the same.
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
	accounts  int
	replicas  int

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
	flags.Float64Var(&o.perMinute, "conversations-per-minute", 60, "how many conversations of each account begin in a minute")
	flags.DurationVar(&o.history, "history", 10*time.Minute, "how far back conversations lie at the start, and how far back the worker begins")
	flags.BoolVar(&o.faults, "faults", false, "let the service, the brokers and the network fail, and tear the worker down again and again, of several replicas one at a time")
	flags.Uint64Var(&o.seed, "seed", 1, "decides every conversation and every fault")
	flags.IntVar(&o.accounts, "accounts", 1, "how many accounts there are, 1 to 100; with more than one, in an ACCOUNTS_DIR that is removed at the end")
	flags.IntVar(&o.replicas, "replicas", 1, "how many replicas share the accounts, 1 to 10")
	flags.StringVar(&o.kafkaAddr, "kafka-addr", "127.0.0.1:19092", "the embedded broker listens here; port 0 takes any")
	flags.StringVar(&o.registryAddr, "registry-addr", "127.0.0.1:18081", "the embedded schema registry listens here; port 0 takes any")
	flags.StringVar(&o.adminAddr, "admin-addr", "127.0.0.1:18080", "the worker's admin port; port 0 takes any; further replicas take the next free ones")
	flags.StringVar(&o.serviceAddr, "service-addr", "127.0.0.1:18181", "the simulated service listens here; port 0 takes any")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	wrong := o.wrong()
	if flags.NArg() > 0 {
		wrong = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	}
	if wrong != "" {
		fmt.Fprintf(os.Stderr, "demo: %s; see --help\n", wrong)
		return o, errors.New(wrong)
	}
	return o, nil
}

// mostConversations is how many may begin in a minute: beyond, a laptop shows nothing but its limits.
const mostConversations = 6000

// wrong is what cannot be; "" where all can.
func (o *options) wrong() string {
	switch {
	case o.duration < 0 || o.history < 0:
		return "--for and --history cannot be negative"
	case !(o.perMinute > 0 && o.perMinute <= mostConversations):
		return "--conversations-per-minute takes a number above 0 and up to 6000"
	case o.accounts < 1 || o.accounts > 100:
		return "--accounts takes a number from 1 to 100"
	case o.replicas < 1 || o.replicas > 10:
		return "--replicas takes a number from 1 to 10"
	case o.perMinute*float64(o.accounts) > mostConversations:
		return "--conversations-per-minute is for each account, and may be up to 6000 for all of them"
	}
	return ""
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
	fmt.Fprintf(out, "\n%s stopped after %s; verifying what is in the topics\n", o.workers(), time.Since(began).Round(time.Second))
	return s.verify(out)
}

// several reports whether there is more to tell of than one worker for one account.
func (o *options) several() bool { return o.accounts > 1 || o.replicas > 1 }

// workers are the processes, in a sentence.
func (o *options) workers() string {
	if o.replicas > 1 {
		return fmt.Sprintf("%d replicas", o.replicas)
	}
	return "worker"
}
