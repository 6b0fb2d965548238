package consumers

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/child"
)

// program is one to run, with what it needs.
type program struct {
	args  []string
	dir   string
	env   []string // beside PATH and HOME
	stdin string
}

// process is a program that runs. It does not outlive the test.
type process struct {
	name           string
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer // to be read when it has ended
	ended          <-chan struct{}
	began          time.Time
}

func start(t *testing.T, p program) *process {
	t.Helper()
	out := &process{name: p.args[0], cmd: exec.Command(p.args[0], p.args[1:]...), began: time.Now()}
	out.cmd.Dir, out.cmd.Stdin = p.dir, strings.NewReader(p.stdin)
	out.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C.UTF-8"}, p.env...)
	out.cmd.Stdout, out.cmd.Stderr = &out.stdout, &out.stderr
	var err error
	if out.ended, err = child.Start(out.cmd); err != nil {
		t.Fatalf("%s: %v", p.args[0], err)
	}
	t.Cleanup(out.kill)
	return out
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// output waits for the end, which must be a good one, and gives what the program wrote.
func (p *process) output(t *testing.T, within time.Duration) string {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		p.kill()
		t.Fatalf("%s did not end within %v\n%s", p.name, within, tail(p.stderr.String()))
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("%s: exit %d\n%s", p.name, code, tail(p.stderr.String()))
	}
	return p.stdout.String()
}

// terminate ends it as an orchestrator does.
func (p *process) terminate(t *testing.T, within time.Duration) string {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.output(t, within)
}

func tail(text string) string { return text[max(0, len(text)-4000):] }

// within waits until there is no error.
func within(t *testing.T, limit time.Duration, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			last = err // not that time ran out
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v: %v", what, limit, last)
		}
	}
}
