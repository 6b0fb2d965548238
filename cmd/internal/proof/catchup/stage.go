package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
)

const (
	prefix     = "conversations."
	barePrefix = "bare."
)

var topics = verify.Topics{Topics: encoder.Topics{Prefix: prefix}}

func startBrokers(ctx context.Context, dir, on string) (brokers []string, stop func(), err error) {
	switch on {
	case "kafka":
		c, err := kraft.Start(ctx, filepath.Join(dir, "kafka"), kraft.Config{Nodes: 1, Tied: true})
		if err != nil {
			return nil, nil, err
		}
		return c.Brokers(), func() { _ = c.Stop(context.WithoutCancel(ctx)) }, nil
	case "kfake":
		c, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return nil, nil, err
		}
		return c.ListenAddrs(), c.Close, nil
	}
	return nil, nil, fmt.Errorf("brokers %q: want kafka or kfake", on)
}

// stage is what the measured processes work on.
type stage struct {
	brokers  []string
	service  *service
	file     string // of transactions
	profiles string
}

// work measures the worker, checks what it did, and leaves its transactions in the file.
func (s stage) work(ctx context.Context, what string) error {
	s.service.journal = &verify.Journal{}
	server := httptest.NewServer(s.service)
	defer server.Close()
	p, err := s.start(ctx, what, asWorker, map[string]string{
		"SMARTASSIST_URL": server.URL, "SMARTASSIST_ACCOUNT_ID": account, "SMARTASSIST_JWT": token,
		"SMARTASSIST_SELECTED_FIELDS": selectedFields, "START_FROM": s.service.begin.UTC().Format(time.RFC3339),
		"KAFKA_BROKERS": strings.Join(s.brokers, ","), "TOPIC_PREFIX": prefix, "ADMIN_ADDR": "127.0.0.1:0", "LOG_LEVEL": "warn",
	})
	if err != nil {
		return err
	}
	defer p.kill()
	wall, err := s.await(ctx, p)
	if err != nil {
		return err
	}
	c, err := p.drain()
	if err != nil {
		return err
	}
	c.Wall = wall
	list, err := s.check(ctx)
	if err != nil {
		return err
	}
	c.print(what, len(s.service.rows), len(list))
	return writeTransactions(s.file, list)
}

// loop measures the bare loop.
func (s stage) loop(ctx context.Context, what string) error {
	p, err := s.start(ctx, what, asBare, map[string]string{"KAFKA_BROKERS": strings.Join(s.brokers, ","), fileVariable: s.file})
	if err != nil {
		return err
	}
	defer p.kill()
	if err := p.cmd.Wait(); err != nil {
		return err
	}
	var c cost
	if err := json.Unmarshal(p.stdout.Bytes(), &c); err != nil {
		return err
	}
	transactions, rows, err := countTransactions(s.file)
	if err != nil {
		return err
	}
	c.print(what, rows, transactions)
	return nil
}

// process is a measured process.
type process struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
}

func (s stage) start(ctx context.Context, what, as string, env map[string]string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, as)}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, os.Stderr
	if s.profiles != "" {
		env[profileVariable] = filepath.Join(s.profiles, strings.ReplaceAll(strings.ReplaceAll(what, ",", ""), " ", "-")+".pprof")
	}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG"} {
		if value, ok := os.LookupEnv(name); ok {
			p.cmd.Env = append(p.cmd.Env, name+"="+value)
		}
	}
	return p, p.cmd.Start()
}

func (p *process) kill() { _ = p.cmd.Process.Kill() }

// drain ends the worker as an orchestrator does and gives what it has cost.
func (p *process) drain() (c cost, err error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return c, err
	}
	if err := p.cmd.Wait(); err != nil {
		return c, err
	}
	return c, json.Unmarshal(p.stdout.Bytes(), &c)
}

// await waits until a commit says that all is read, and gives the time from the first request to then.
func (s stage) await(ctx context.Context, p *process) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeTopics(topics.Progress()), kgo.UnknownTopicRetries(-1), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var first time.Time
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return 0, fmt.Errorf("the worker did not catch up: %w", ctx.Err())
		}
		for _, rec := range fetches.Records() {
			progress, err := encoder.DecodeProgress(rec.Value)
			if err != nil {
				return 0, err
			}
			if first.IsZero() {
				first = progress.ReadAt
			}
			if !progress.CompleteThrough.Before(s.service.end) {
				return rec.Timestamp.Sub(first), nil
			}
		}
	}
}

// check has another client read everything, and gives the transactions.
func (s stage) check(ctx context.Context) ([]transaction, error) {
	records, err := verify.Consume(ctx, s.brokers, nil, topics.Published())
	if err != nil {
		return nil, err
	}
	report := verify.Check(records, topics, s.service.journal)
	if len(report.Problems) > 0 {
		return nil, fmt.Errorf("not exactly once: %q", report.Problems)
	}
	if report.Conversations != len(s.service.rows) || report.Revisions != len(s.service.rows) {
		return nil, fmt.Errorf("%d conversations, %d revisions, want %d of both", report.Conversations, report.Revisions, len(s.service.rows))
	}
	state, err := verify.Consume(ctx, s.brokers, nil, []string{topics.State()})
	if err != nil {
		return nil, err
	}
	return transactionsOf(append(records, state...))
}
