package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
)

const (
	// A demonstration cannot wait for two minutes: the simulated service shows its rows within settle less a second.
	settle   = 4 * time.Second
	interval = 4 * time.Second

	// A worker that was torn down is to be replaced within seconds. The workers of many accounts, all of them in this one process,
	// keep it from its heartbeats for longer than a second while they begin.
	leaseTimeout     = time.Second
	leaseTimeoutMany = 4 * time.Second
)

// stage is everything that runs: the services, the broker, the schema registry, and the replicas.
type stage struct {
	options
	tenants   []*tenant
	folder    string // ACCOUNTS_DIR; "" for one account, which the environment tells
	servers   []*http.Server
	service   net.Addr
	registry  net.Addr
	cluster   *kfake.Cluster
	processes []*replica
	cfg       *config.Config // the first account's, as the first replica has it
	topics    verify.Topics
	log       zerolog.Logger
	started   time.Time

	brokerFaults atomic.Int32
	restarts     int // of replicas that were torn down; to be read when none is any more, as moves
	moves        int // of accounts to another replica
}

func start(o options) (*stage, error) {
	s := &stage{options: o, started: time.Now(), log: zerolog.Nop()}
	if err := s.open(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) open() error {
	for i := range s.accounts {
		t, err := s.openTenant(i)
		if err != nil {
			return err
		}
		s.tenants = append(s.tenants, t)
	}
	if s.accounts > 1 {
		if err := s.fill(); err != nil {
			return err
		}
	}
	var err error
	if s.service, err = s.serve("--service-addr", s.serviceAddr, services(s.tenants)); err != nil {
		return err
	}
	if s.registry, err = s.serve("--registry-addr", s.registryAddr, srfake.NewRegistry().Handler()); err != nil {
		return err
	}
	kafka, err := listen("--kafka-addr", s.kafkaAddr)
	if err != nil {
		return err
	}
	if s.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(leaseTimeout), kfake.MaxVersions(readable()), kfake.ListenFn(func(string, string) (net.Listener, error) { return kafka, nil })); err != nil {
		return err
	}
	ports, err := adminPorts(s.adminAddr, s.replicas)
	if err != nil {
		return err
	}
	for i, admin := range ports {
		s.processes = append(s.processes, &replica{number: i + 1, admin: admin, lookup: s.environment(kafka.Addr(), admin)})
	}
	return s.readSettings()
}

// readSettings reads them as the first replica will, for what is printed and read back.
func (s *stage) readSettings() error {
	_, accounts, err := config.LoadAll(s.processes[0].lookup, nil)
	if err != nil {
		return err
	}
	s.cfg = accounts[0].Config
	s.topics.Topics = s.cfg.Topics()
	_, s.topics.Decoder, err = worker.OpenRegistry(s.cfg, worker.Network{}, s.log, nil)
	return err
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

// adminPorts are so many addresses: the one that was asked for, and the next ones that are free. Every replica opens its own again
// and again.
func adminPorts(address string, replicas int) ([]net.Addr, error) {
	first, err := listen("--admin-addr", address)
	if err != nil {
		return nil, err
	}
	defer first.Close()
	ports := []net.Addr{first.Addr()}
	_, asked, _ := net.SplitHostPort(address)
	for len(ports) < replicas {
		l, err := listenBeyond(ports[len(ports)-1].(*net.TCPAddr), asked == "0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr())
	}
	return ports, nil
}

// listenBeyond takes the next free port.
func listenBeyond(address *net.TCPAddr, anyPort bool) (net.Listener, error) {
	next := *address
	for next.Port++; !anyPort && next.Port < min(address.Port+100, 1<<16); next.Port++ {
		if l, err := net.ListenTCP("tcp", &next); err == nil {
			return l, nil
		}
	}
	next.Port = 0
	return net.ListenTCP("tcp", &next)
}

func (s *stage) close() {
	for _, server := range s.servers {
		_ = server.Close()
	}
	if s.cluster != nil {
		s.cluster.Close()
	}
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
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
