package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/child"
)

// process is a running convstream.
type process struct {
	cmd   *exec.Cmd
	admin string
	ended <-chan struct{}
}

func start(ctx context.Context, binary string, env map[string]string) (*process, error) {
	admin, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, binary, "run"), admin: admin}
	p.cmd.Stderr = os.Stderr
	env["ADMIN_ADDR"] = admin
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG"} {
		if value, ok := os.LookupEnv(name); ok {
			p.cmd.Env = append(p.cmd.Env, name+"="+value)
		}
	}
	p.ended, err = child.Start(p.cmd)
	return p, err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (p *process) kill() { _ = p.cmd.Process.Kill(); <-p.ended }

// drain ends it as an orchestrator does.
func (p *process) drain() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("convstream ended with exit code %d", code)
	}
	return nil
}

// accountStatus is a part of what /status tells of an account.
type accountStatus struct {
	Role   string
	Ended  string
	Poller *struct {
		Sequence        int64
		CompleteThrough time.Time
		Remembered      int
	}
}

func (p *process) accounts(ctx context.Context) ([]accountStatus, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/status", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var s struct{ Accounts []accountStatus }
	return s.Accounts, json.NewDecoder(res.Body).Decode(&s)
}

// fresh is how long ago the end of what is complete may be: SETTLE, and some polls.
const fresh = 4 * time.Minute

// awaitUpToDate waits until all accounts have been read up to the present.
func (p *process) awaitUpToDate(ctx context.Context, n int, longest time.Duration) ([]accountStatus, error) {
	for began := time.Now(); time.Since(began) < longest; {
		list, err := p.accounts(ctx)
		ready := 0
		for _, a := range list {
			if a.Ended != "" {
				return nil, fmt.Errorf("an account is not worked on any more: %s", a.Ended)
			}
			if a.Role == "active" && a.Poller != nil && time.Since(a.Poller.CompleteThrough) < fresh {
				ready++
			}
		}
		if err == nil && ready == n {
			return list, nil
		}
		select {
		case <-p.ended:
			return nil, errors.New("convstream ended")
		case <-time.After(time.Second):
		}
	}
	return nil, fmt.Errorf("not all accounts were up to date within %v", longest)
}

var (
	resident  = regexp.MustCompile(`VmRSS:\s*(\d+) kB`)
	highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)
)

// memory returns the resident set as it is, and as it was at most.
func (p *process) memory() (rss, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for pattern, to := range map[*regexp.Regexp]*int64{resident: &rss, highWater: &peak} {
		found := pattern.FindSubmatch(status)
		if found == nil {
			return 0, 0, fmt.Errorf("/proc/PID/status has no %v", pattern)
		}
		kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
		if err != nil {
			return 0, 0, err
		}
		*to = kilobytes << 10
	}
	return rss, peak, nil
}

// tick is the unit of /proc/PID/stat, USER_HZ on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpu returns the time that all threads have run, in user mode and in the system.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // the name before it may hold anything
	if len(fields) < 13 {
		return 0, errors.New("/proc/PID/stat is too short")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
}
