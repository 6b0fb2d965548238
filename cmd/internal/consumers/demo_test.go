package consumers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/kraft"
)

// TestKafkaDemo: who has only Go, Java and Maven tries Flink SQL on the demo, whose broker and registry are embedded.
func TestKafkaDemo(t *testing.T) {
	kraft.Skip(t)
	jars, err := libs(t.Context(), "flink")
	if err != nil {
		t.Fatal(err)
	}
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", demo, "../../demo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	const any = "127.0.0.1:0"
	running := exec.CommandContext(ctx, demo, "--kafka-addr", any, "--registry-addr", any, "--service-addr", any, "--admin-addr", any)
	stdout, err := running.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = running.Wait() }()
	var env []string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if export, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "export "); found {
			env = strings.Fields(export)
		}
		if strings.Contains(lines.Text(), "complete through") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // it would stop when nobody reads
	s := &services{flink: jars}
	dir, err := filepath.Abs(filepath.Join(examples, "flink"))
	if err != nil {
		t.Fatal(err)
	}
	p := program{args: []string{"conversations.sql", "progress.sql", "present.sql", "coverage.sql"}, dir: dir, env: env}
	_, rows, _ := strings.Cut(s.java(t, "flink", "RunSql", p).output(t, 2*deadline), "\n")
	answer := lines(t, strings.TrimSpace(rows))
	if len(answer) != 1 || fmt.Sprint(answer[0]["published"]) == "0" {
		t.Errorf("of the demo Flink says %v", answer)
	}
	t.Logf("%v", answer)
}
