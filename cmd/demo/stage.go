package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/fleet"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller/simulator"
)

const (
	account  = "65269fe0dd9c622245c10000"
	clientID = "cs-0a6f3f4e-demo"
	secret   = "demo-secret"

	// A demonstration cannot wait for two minutes: the simulated service shows its rows within settle less a second.
	settle   = 4 * time.Second
	interval = 4 * time.Second

	// A worker that was torn down is to be replaced within seconds.
	leaseTimeout = time.Second
)

// stage is everything that runs: the service, the broker, the schema registry, and one worker after the other.
type stage struct {
	options
	service  *simulator.Service
	journal  verify.Journal
	servers  []*http.Server
	registry net.Addr
	cluster  *kfake.Cluster
	admin    net.Addr
	cfg      *config.Config
	topics   verify.Topics
	log      zerolog.Logger
	started  time.Time
	restarts atomic.Int32
	current  atomic.Pointer[worker.Worker]
	outages  outages
}

func start(o options) (*stage, error) {
	s := &stage{options: o, started: time.Now(), log: zerolog.Nop()}
	var err error
	if s.service, err = simulator.New(s.world()); err != nil {
		return nil, err
	}
	service, err := s.serve("--service-addr", o.serviceAddr, s.service)
	if err != nil {
		return nil, err
	}
	if s.registry, err = s.serve("--registry-addr", o.registryAddr, srfake.NewRegistry().Handler()); err != nil {
		return nil, err
	}
	kafka, err := listen("--kafka-addr", o.kafkaAddr)
	if err != nil {
		return nil, err
	}
	if s.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(leaseTimeout), kfake.MaxVersions(readable()), kfake.ListenFn(func(string, string) (net.Listener, error) { return kafka, nil })); err != nil {
		return nil, err
	}
	admin, err := listen("--admin-addr", o.adminAddr)
	if err != nil {
		return nil, err
	}
	s.admin = admin.Addr()
	admin.Close() // every worker opens it again
	if s.cfg, err = s.settings(service, kafka.Addr()); err != nil {
		return nil, err
	}
	s.topics.Topics = s.cfg.Topics()
	_, s.topics.Decoder, err = worker.OpenRegistry(s.cfg, worker.Network{}, s.log)
	return s, err
}

// serve serves until the stage is closed, and tells where.
func (s *stage) serve(flag, address string, h http.Handler) (net.Addr, error) {
	l, err := listen(flag, address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(l) }()
	return l.Addr(), nil
}

// world is the simulated service: a busy one, whose rows appear and change within seconds rather than hours.
func (s *stage) world() simulator.Config {
	c := simulator.Config{
		Seed: s.seed, AccountID: account, ClientID: clientID, ClientSecret: secret, History: s.history, PerMinute: s.perMinute,
		LateBy: settle - 2*time.Second, SurveyBy: 2 * time.Minute, RateLimit: 60, Observe: s.journal.Observe,
		Switches: simulator.Switches{TwinSessions: 0.01, VeryLate: 0.002},
	}
	c.Faults.Poison = 0.002
	if s.faults {
		c.Faults = simulator.Mixed(0.15)
		c.Faults.RetryAfter = time.Second
		delete(c.Faults.Rate, simulator.Hang)         // a minute of waiting shows nothing here
		delete(c.Faults.Rate, simulator.Unauthorized) // and neither does the minute's pause after it
	}
	return c
}

// settings are the worker's, as they would come from the environment.
func (s *stage) settings(service, kafka net.Addr) (*config.Config, error) {
	env := map[string]string{
		"SMARTASSIST_URL": "http://" + service.String(), "SMARTASSIST_ACCOUNT_ID": account,
		"SMARTASSIST_CLIENT_ID": clientID, "SMARTASSIST_CLIENT_SECRET": secret, "SMARTASSIST_REQUESTS_PER_MINUTE": "60",
		"KAFKA_BROKERS": kafka.String(), "SCHEMA_REGISTRY_URL": "http://" + s.registry.String(), "ADMIN_ADDR": s.admin.String(), "START_FROM": max(s.history, time.Second).String(),
		"POLL_INTERVAL": interval.String(), "SETTLE": settle.String(), "REREAD": "1m:10s,10m:30s,24h:2m", "SHUTDOWN_TIMEOUT": "10s",
		"LEASE_TIMEOUT": leaseTimeout.String(),
	}
	return config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
}

// listen takes the address; where a default port is taken, any other: two demonstrations may run beside each other.
func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	host, port, split := net.SplitHostPort(address)
	if n, _ := strconv.Atoi(port); split == nil && (n == 19092 || n == 18081 || n == 18080 || n == 18181) {
		return net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	return nil, fmt.Errorf("%s %s: %w", flag, address, err)
}

func (s *stage) close() {
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.cluster.Close()
}

// work runs the worker for the duration, or until interrupted, and drains it. With faults it is torn down in between.
func (s *stage) work(ctx context.Context, duration time.Duration) error {
	if duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	stop := s.disturb(ctx)
	defer stop()
	for ctx.Err() == nil {
		if err := s.life(ctx); err != nil {
			return err
		}
	}
	stop() // the last worker drains in peace
	return nil
}

// life is one worker from start to end: drained when ctx ends, or torn down in the middle of what it does.
func (s *stage) life(ctx context.Context) error {
	line := &lifeline{}
	f, err := fleet.New(fleet.Config{
		Process: &s.cfg.Process, Accounts: []config.AccountFile{{Config: s.cfg}}, Log: s.log,
		Name: fmt.Sprint("worker ", s.restarts.Load()+1), Network: worker.Network{Dial: line.dial},
	})
	if err != nil {
		return err
	}
	s.current.Store(f.Worker(account))
	ended := make(chan error, 1)
	alive, kill := context.WithCancel(ctx)
	defer kill()
	go func() { ended <- f.Run(alive) }()
	select {
	case err := <-ended:
		return err
	case <-s.outages.tearDown(ctx, s.faults, s.seed, int(s.restarts.Load())):
	}
	if s.faults && ctx.Err() == nil {
		line.cut() // as if the process had died: nothing it still wants to say gets out
		s.restarts.Add(1)
		kill()
	}
	err = <-ended
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// readable are the requests that the embedded broker answers, and how new: not those whose answers other clients cannot
// read. Each client falls back to what it does with older brokers.
func readable() *kversion.Versions {
	v := kversion.Stable()
	// kfake leaves a list out that is never null, which breaks the Java client's admin: it asks for metadata instead.
	v.SetMaxKeyVersion(int16(kmsg.DescribeTopicPartitions), -1)
	// From version 5 on the answer names each setting with a source of -1, or leaves the list out where none was set. The
	// Java client refuses both: neither it nor Kafka Streams could create a topic.
	v.SetMaxKeyVersion(int16(kmsg.CreateTopics), 4)
	// Nobody looks at clients' metrics here, and librdkafka complains of those that are asked for.
	v.SetMaxKeyVersion(int16(kmsg.GetTelemetrySubscriptions), -1)
	v.SetMaxKeyVersion(int16(kmsg.PushTelemetry), -1)
	return v
}
