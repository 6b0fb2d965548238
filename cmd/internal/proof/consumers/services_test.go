package consumers

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/convstream/convstream/cmd/internal/proof/apicurio"
	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/cmd/internal/proof/maven"
)

// examples is where the files are that users read and that these tests run.
const examples = "../../../../deploy/examples"

// services is what the worker and the consumers need: brokers, a registry, and the consumers' own libraries.
type services struct {
	kafka    *kraft.Cluster
	registry *apicurio.Registry

	worker         string // the built binary
	flink, streams string // directories of jars
	python         string // the interpreter
}

// newServices fetches what is missing and starts everything at once.
func newServices(t *testing.T) *services {
	t.Helper()
	kraft.Skip(t)
	for _, program := range []string{"mvn", "python3", "kcat"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s=required, and %s is missing: install maven, python3-venv and kcat", kraft.Wanted, program)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := &services{worker: filepath.Join(t.TempDir(), "convstream")}
	kafkaDir, registryDir := t.TempDir(), t.TempDir()
	var group errgroup.Group
	group.Go(func() (err error) {
		s.kafka, err = kraft.Start(ctx, kafkaDir, kraft.Config{Nodes: 1, Tied: true})
		return err
	})
	group.Go(func() (err error) { s.registry, err = apicurio.Start(ctx, registryDir); return err })
	group.Go(func() (err error) { s.flink, err = libs(ctx, "flink"); return err })
	group.Go(func() (err error) { s.streams, err = libs(ctx, "streams"); return err })
	group.Go(func() (err error) { s.python, err = venv(ctx); return err })
	group.Go(func() error {
		return exec.CommandContext(ctx, "go", "build", "-o", s.worker, "../../../convstream").Run()
	})
	err := group.Wait()
	t.Cleanup(func() { s.stop(t) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *services) stop(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if s.kafka != nil {
		_ = s.kafka.Stop(ctx)
	}
	if s.registry != nil {
		if t.Failed() {
			t.Logf("the registry's log ends with\n%s", s.registry.LogTail())
		}
		s.registry.Stop()
	}
}

// libs are the jars of an example's pom.xml.
func libs(ctx context.Context, example string) (string, error) {
	pom, err := os.ReadFile(filepath.Join(examples, example, "pom.xml"))
	if err != nil {
		return "", err
	}
	return maven.Libs(ctx, maven.Named("example-"+example, pom), pom)
}

// venv is the interpreter of a virtual environment with the example's requirements.
func venv(ctx context.Context) (string, error) {
	file, err := filepath.Abs(filepath.Join(examples, "python", "requirements.txt"))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	dir, err := maven.Fill(maven.Named("example-python", text), func(dir string) error {
		if out, err := exec.CommandContext(ctx, "python3", "-m", "venv", dir).CombinedOutput(); err != nil {
			return &commandError{"python3 -m venv (is python3-venv installed?)", err, out}
		}
		if out, err := exec.CommandContext(ctx, filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "-q", "-r", file).CombinedOutput(); err != nil {
			return &commandError{"pip install", err, out}
		}
		return nil
	})
	return filepath.Join(dir, "bin", "python"), err
}

type commandError struct {
	what   string
	err    error
	output []byte
}

func (e *commandError) Error() string { return e.what + ": " + e.err.Error() + "\n" + string(e.output) }

// env are the variables that the examples read.
func (s *services) env(more ...string) []string {
	return append([]string{"KAFKA_BROKERS=" + s.brokers(), "SCHEMA_REGISTRY_URL=" + s.registry.URL}, more...)
}

func (s *services) brokers() string { return strings.Join(s.kafka.Brokers(), ",") }

// java runs an example from its source file.
func (s *services) java(t *testing.T, example, class string, p program) *process {
	t.Helper()
	jars := map[string]string{"flink": s.flink, "streams": s.streams}[example]
	source, err := filepath.Abs(filepath.Join(examples, example, class+".java"))
	if err != nil {
		t.Fatal(err)
	}
	p.args = append([]string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", filepath.Join(jars, "*"), source}, p.args...)
	return start(t, p)
}

func (s *services) py(t *testing.T, script string, p program) *process {
	t.Helper()
	p.args = append([]string{s.python, filepath.Join(examples, "python", script)}, p.args...)
	return start(t, p)
}

// client is a Go client of the brokers.
func (s *services) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(s.kafka.Brokers()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (s *services) createTopic(t *testing.T, name string, partitions int32) {
	t.Helper()
	request := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, -1
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(t.Context(), s.client(t))
	if err == nil {
		err = kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
}
