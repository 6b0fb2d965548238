package kraft

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/child"
)

// node is one broker and controller, numbered from 1.
type node struct {
	c  *Cluster
	id int
}

func (n node) dir() string  { return filepath.Join(n.c.dir, "node"+strconv.Itoa(n.id)) }
func (n node) file() string { return filepath.Join(n.dir(), "server.properties") }

// port gives the node's ports: 0 is the broker's, 1 the controller's; then two for each door, where it listens and where
// clients are sent; then one for each secured listener.
func (n node) port(i int) int { return n.c.FirstPort + (n.id-1)*n.c.portsEach() + i }

func (c Config) portsEach() int { return 2 + 2*c.Doors + len(c.Secured) }

// listener is one of a node, as the settings list them.
type listener struct {
	name, protocol    string
	bound, advertised int // ports; advertised 0: clients are not told of it
}

func (n node) listeners() []listener {
	list := []listener{{"CLIENTS", "PLAINTEXT", n.port(0), n.port(0)}, {"CONTROLLERS", "PLAINTEXT", n.port(1), 0}}
	for d := range n.c.Doors {
		list = append(list, listener{"DOOR" + strconv.Itoa(d), "PLAINTEXT", n.port(2 + 2*d), n.port(3 + 2*d)})
	}
	for i, s := range n.c.Secured {
		list = append(list, listener{s.Name, s.Protocol, n.securedPort(i), n.securedPort(i)})
	}
	return list
}

func (n node) securedPort(i int) int { return n.port(2 + 2*n.c.Doors + i) }

// properties are the node's settings. Brokers' own timeouts stay as Kafka has them: what tests measure is what users meet.
func (n node) properties() map[string]string {
	replicas := strconv.Itoa(min(3, n.c.Nodes))
	inSync := strconv.Itoa(min(2, n.c.Nodes))
	var voters, listeners, advertised, protocols []string
	for id := 1; id <= n.c.Nodes; id++ {
		voters = append(voters, fmt.Sprintf("%d@%s", id, address(node{n.c, id}.port(1))))
	}
	for _, l := range n.listeners() {
		listeners = append(listeners, l.name+"://"+address(l.bound))
		protocols = append(protocols, l.name+":"+l.protocol)
		if l.advertised != 0 {
			advertised = append(advertised, l.name+"://"+address(l.advertised))
		}
	}
	p := map[string]string{
		"process.roles": "broker,controller", "node.id": strconv.Itoa(n.id), "log.dirs": filepath.Join(n.dir(), "data"),
		"controller.quorum.voters": strings.Join(voters, ","), "controller.listener.names": "CONTROLLERS",
		"inter.broker.listener.name": "CLIENTS", "listeners": strings.Join(listeners, ","),
		"advertised.listeners": strings.Join(advertised, ","), "listener.security.protocol.map": strings.Join(protocols, ","),
		"default.replication.factor": replicas, "min.insync.replicas": inSync, "auto.create.topics.enable": "false",
		"offsets.topic.num.partitions": "3", "offsets.topic.replication.factor": replicas,
		"transaction.state.log.num.partitions": "3", "transaction.state.log.replication.factor": replicas,
		"transaction.state.log.min.isr": inSync, "group.initial.rebalance.delay.ms": "0",
		"num.network.threads": "1", "num.io.threads": "4", "log.cleaner.dedupe.buffer.size": "16777216",
		"log.segment.bytes": "67108864", "log.index.size.max.bytes": "1048576",
	}
	for _, s := range n.c.Secured {
		for name, value := range s.Settings {
			p[s.property(name)] = value
		}
	}
	maps.Copy(p, n.c.Settings)
	return p
}

// write writes the settings.
func (n node) write() error {
	if err := os.MkdirAll(n.dir(), 0o755); err != nil {
		return err
	}
	var text bytes.Buffer
	p := n.properties()
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&text, "%s=%s\n", name, p[name])
	}
	return os.WriteFile(n.file(), text.Bytes(), 0o644)
}

// format prepares the node's disk.
func (n node) format(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "java", n.c.java("kafka.tools.StorageTool", "format", "-t", n.c.ID, "-c", n.file())...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format the disk of node %d: %w\n%s", n.id, err, out)
	}
	return nil
}

func (c *Cluster) java(main string, args ...string) []string {
	all := []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx384m",
		"-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"}
	for _, name := range slices.Sorted(maps.Keys(c.System)) {
		all = append(all, "-D"+name+"="+c.System[name])
	}
	return append(append(all, "-cp", filepath.Join(c.libs, "*"), main), args...)
}

// start starts the JVM. Its log goes to the file "log" in the node's directory.
func (n node) start() error {
	if n.pid() != 0 {
		return fmt.Errorf("node %d runs already", n.id)
	}
	log, err := os.OpenFile(filepath.Join(n.dir(), "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("java", n.c.java("kafka.Kafka", n.file())...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{n.c.ports}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is for the tests alone
	if n.c.Tied {
		_, err = child.Start(cmd)
	} else if err = cmd.Start(); err == nil {
		go func() { _ = cmd.Wait() }()
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.dir(), "pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
}

// pid is the node's process; 0 where it does not run.
func (n node) pid() int {
	text, err := os.ReadFile(filepath.Join(n.dir(), "pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return 0
	}
	// The number may be another process's by now. A zombie's command line is empty.
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !bytes.Contains(command, []byte(n.file())) {
		return 0
	}
	return pid
}

// end sends the signal and waits until the process is gone.
func (n node) end(ctx context.Context, signal syscall.Signal) error {
	pid := n.pid()
	if pid == 0 {
		return nil
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("end node %d: %w", n.id, err)
	}
	return until(ctx, fmt.Sprintf("node %d ends", n.id), 5*time.Millisecond, func(context.Context) error {
		if n.pid() != 0 {
			return fmt.Errorf("process %d is there", pid)
		}
		return nil
	})
}

// logTail is the end of the node's log.
func (n node) logTail() string {
	text, _ := os.ReadFile(filepath.Join(n.dir(), "log"))
	return string(text[max(0, len(text)-4000):])
}
