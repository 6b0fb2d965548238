// Command kafka starts Apache Kafka on this machine, kills and restarts its nodes, and stops it: what tests do, by hand.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
)

const usage = `Apache Kafka in KRaft mode on loopback, everything of it in one directory.

  .ci/kafka start NODES DIR    one node, or three (replication 3, min.insync.replicas 2); prints KAFKA_BROKERS
  .ci/kafka kill DIR NODE      kill -9 of a node, counted from 1
  .ci/kafka restart DIR NODE   and start it again
  .ci/kafka leader DIR TOPIC PARTITION
  .ci/kafka coordinator DIR TRANSACTIONAL-ID
  .ci/kafka stop DIR           kill -9 of all; the directory, with the logs in it, stays
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	err := run(ctx, os.Args[1:])
	cancel()
	stop()
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	if args[0] == "start" {
		return start(ctx, args[1:])
	}
	c, err := kraft.Open(ctx, args[1])
	if err != nil {
		return err
	}
	rest := args[2:]
	switch {
	case args[0] == "stop" && len(rest) == 0:
		return c.Stop(ctx)
	case args[0] == "kill" && len(rest) == 1:
		return onNode(ctx, c, rest[0], c.Kill)
	case args[0] == "restart" && len(rest) == 1:
		if err := onNode(ctx, c, rest[0], c.Restart); err != nil {
			return err
		}
		return c.Await(ctx)
	case args[0] == "leader" && len(rest) == 2:
		partition, err := strconv.ParseInt(rest[1], 10, 32)
		if err != nil {
			return errUsage
		}
		return say(c.LeaderOf(ctx, rest[0], int32(partition)))
	case args[0] == "coordinator" && len(rest) == 1:
		return say(c.TransactionCoordinatorOf(ctx, rest[0]))
	}
	return errUsage
}

func start(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	nodes, err := strconv.Atoi(args[0])
	if err != nil {
		return errUsage
	}
	c, err := kraft.Start(ctx, args[1], kraft.Config{Nodes: nodes})
	if err != nil {
		return err
	}
	fmt.Println("KAFKA_BROKERS=" + strings.Join(c.Brokers(), ","))
	return nil
}

func onNode(ctx context.Context, c *kraft.Cluster, id string, do func(context.Context, int) error) error {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > c.Nodes {
		return errUsage
	}
	return do(ctx, n)
}

func say(node int, err error) error {
	if err == nil {
		fmt.Println(node)
	}
	return err
}
