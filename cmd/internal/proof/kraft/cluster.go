package kraft

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config describes a cluster.
type Config struct {
	Version  string            `json:",omitempty"` // of Apache Kafka; "" is Version
	Nodes    int               // three have replication 3 and min.insync.replicas 2; one has 1 and 1
	Doors    int               // see the package's comment
	Secured  []Listener        `json:",omitempty"`
	Settings map[string]string `json:",omitempty"` // of the brokers, beside ours
	System   map[string]string `json:",omitempty"` // system properties of the JVMs
	Tied     bool              // the brokers die with the process that started them
}

// Cluster is Apache Kafka in a directory.
type Cluster struct {
	Config
	ID        string
	FirstPort int

	dir   string
	libs  string
	ports *os.File // the lock
}

const stateFile = "cluster.json"

// Start makes a cluster in the directory, which must not hold one, and waits until it serves.
func Start(ctx context.Context, dir string, cfg Config) (*Cluster, error) {
	if missing := Missing(); missing != "" {
		return nil, fmt.Errorf("start Apache Kafka: %s missing, install default-jdk-headless and maven", missing)
	}
	if cfg.Nodes < 1 || cfg.Nodes*cfg.portsEach() > blockSize {
		return nil, fmt.Errorf("%d nodes with %d doors: at least one, and at most %d ports in all", cfg.Nodes, cfg.Doors, blockSize)
	}
	if cfg.Version == "" {
		cfg.Version = Version
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if exists(filepath.Join(dir, stateFile)) {
		return nil, fmt.Errorf("%s holds a cluster already: stop it, and remove the directory", dir)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	c := &Cluster{Config: cfg, ID: base64.RawURLEncoding.EncodeToString(id), dir: dir}
	if c.ID[0] == '-' { // the tool would take it for an option
		c.ID = "A" + c.ID[1:]
	}
	if c.libs, err = artifacts(ctx, c.Version); err != nil {
		return nil, err
	}
	if c.FirstPort, c.ports, err = takePorts(); err != nil {
		return nil, err
	}
	if err := c.begin(ctx); err != nil {
		_ = c.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return c, nil
}

func (c *Cluster) begin(ctx context.Context) error {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	if err := c.save(); err != nil {
		return err
	}
	var group errgroup.Group
	for _, n := range c.nodes() {
		group.Go(func() error { return n.format(ctx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, n := range c.nodes() {
		if err := n.start(); err != nil {
			return err
		}
	}
	return c.Await(ctx)
}

// save writes what Open reads, and the settings of the nodes.
func (c *Cluster) save() error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, stateFile), text, 0o644); err != nil {
		return err
	}
	for _, n := range c.nodes() {
		if err := n.write(); err != nil {
			return err
		}
	}
	return nil
}

// Open finds the cluster that Start made in the directory.
func Open(ctx context.Context, dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, fmt.Errorf("no cluster there: %w", err)
	}
	c := &Cluster{dir: dir}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, stateFile), err)
	}
	if c.libs, err = artifacts(ctx, c.Version); err != nil {
		return nil, err
	}
	// Brokers that run hold the lock. Where none does it may be taken again for the next.
	if c.ports, err = lockPorts(c.FirstPort); err != nil {
		return nil, err
	}
	if c.ports == nil {
		c.ports, err = os.Open(os.DevNull)
	}
	return c, err
}

func (c *Cluster) nodes() []node {
	out := make([]node, c.Nodes)
	for i := range out {
		out[i] = node{c, i + 1}
	}
	return out
}

// Brokers are the addresses to begin with.
func (c *Cluster) Brokers() []string {
	var out []string
	for _, n := range c.nodes() {
		out = append(out, address(n.port(0)))
	}
	return out
}

// Way is where a proxy of a door listens, and where the broker does.
type Way struct{ Listen, Target string }

// Door gives the ways of a door, one for each node; doors count from 0.
func (c *Cluster) Door(door int) []Way {
	var out []Way
	for _, n := range c.nodes() {
		out = append(out, Way{Listen: address(n.port(3 + 2*door)), Target: address(n.port(2 + 2*door))})
	}
	return out
}

// Kill ends a node as a crash does: kill -9.
func (c *Cluster) Kill(ctx context.Context, id int) error {
	return node{c, id}.end(ctx, syscall.SIGKILL)
}

// Restart starts a node that was killed. It does not wait until the node serves: Await does.
func (c *Cluster) Restart(_ context.Context, id int) error { return node{c, id}.start() }

// Reconfigure kills all nodes and starts them with the settings as change makes them. It waits until they serve.
func (c *Cluster) Reconfigure(ctx context.Context, change func(*Config)) error {
	change(&c.Config)
	errs := []error{c.save()}
	for _, n := range c.nodes() {
		errs = append(errs, n.end(ctx, syscall.SIGKILL))
	}
	for _, n := range c.nodes() {
		errs = append(errs, n.start())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.Await(ctx)
}

// Stop ends all nodes. Nothing is worth an orderly end: what they hold is for tests.
func (c *Cluster) Stop(ctx context.Context) error {
	var errs []error
	for _, n := range c.nodes() {
		errs = append(errs, n.end(ctx, syscall.SIGKILL))
	}
	_ = c.ports.Close()
	return errors.Join(errs...)
}

// until tries until there is no error, or no hope, or the context ends.
func until(ctx context.Context, what string, pause time.Duration, try func(context.Context) error) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, errEnded) {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w; last: %w", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
