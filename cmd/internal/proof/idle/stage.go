package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/poller/simulator"
)

// week is what the default of REREAD remembers.
const week = 7 * 24 * time.Hour

// stage is what the measured processes work on.
type stage struct {
	binary   string
	dir      string
	kafka    *kraft.Cluster
	perDay   int
	accounts []account
	closers  []func()
}

// account is a simulated service, and the file with which it is worked on.
type account struct {
	service *simulator.Service
	name    string
	text    string
}

func newStage(ctx context.Context, dir string, perDay int) (*stage, error) {
	s := &stage{binary: filepath.Join(dir, "convstream"), dir: dir, perDay: perDay}
	build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "github.com/convstream/convstream/cmd/convstream")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	var err error
	if s.kafka, err = kraft.Start(ctx, filepath.Join(dir, "kafka"), kraft.Config{Nodes: 1, Tied: true}); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() { _ = s.kafka.Stop(context.WithoutCancel(ctx)) })
	return s, nil
}

func (s *stage) close() {
	for _, f := range s.closers {
		f()
	}
}

// add adds so many accounts.
func (s *stage) add(n int) error {
	for i := range n {
		a := account{name: fmt.Sprintf("account-%02d", i)}
		var err error
		a.service, err = simulator.New(simulator.Config{
			AccountID: a.name, Seed: uint64(i + 1), JWT: "a.to.ken", History: 2 * week, PerMinute: float64(s.perDay) / (24 * 60), Forgetful: true,
		})
		if err != nil {
			return err
		}
		server := httptest.NewServer(a.service)
		s.closers = append(s.closers, server.Close)
		a.text = fmt.Sprintf("SMARTASSIST_URL=%s\nSMARTASSIST_ACCOUNT_ID=%s\nSMARTASSIST_JWT=a.to.ken\n", server.URL, a.name)
		s.accounts = append(s.accounts, a)
	}
	return nil
}

// start starts convstream with the first n accounts.
func (s *stage) start(ctx context.Context, n int, env map[string]string) (*process, error) {
	folder, err := os.MkdirTemp(s.dir, "accounts")
	if err != nil {
		return nil, err
	}
	for _, a := range s.accounts[:n] {
		if err := os.WriteFile(filepath.Join(folder, a.name+".env"), []byte(a.text), 0o600); err != nil {
			return nil, err
		}
	}
	all := map[string]string{
		"ACCOUNTS_DIR": folder, "KAFKA_BROKERS": strings.Join(s.kafka.Brokers(), ","), "START_FROM": "168h", "LOG_LEVEL": "warn",
	}
	for name, value := range env {
		all[name] = value
	}
	return start(ctx, s.binary, all)
}

// fill has a week of all accounts published, and returns how many entries the memories have then.
func (s *stage) fill(ctx context.Context) (remembered int, err error) {
	p, err := s.start(ctx, len(s.accounts), map[string]string{"SMARTASSIST_REQUESTS_PER_MINUTE": "1000", "REREAD_SPARE": "false"})
	if err != nil {
		return 0, err
	}
	defer p.kill()
	all, err := p.awaitUpToDate(ctx, len(s.accounts), 20*time.Minute)
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		remembered += a.Poller.Remembered
	}
	return remembered, p.drain()
}

// measure prints what a process with so many accounts uses.
func (s *stage) measure(ctx context.Context, n int, spare string, o options) error {
	began := time.Now()
	p, err := s.start(ctx, n, map[string]string{"REREAD_SPARE": spare})
	if err != nil {
		return err
	}
	defer p.kill()
	if _, err := p.awaitUpToDate(ctx, n, 10*time.Minute); err != nil {
		return err
	}
	upToDate := time.Since(began)
	if err := wait(ctx, o.settle); err != nil {
		return err
	}
	from, err := s.used(ctx, p, n)
	if err != nil {
		return err
	}
	if err := wait(ctx, o.measure); err != nil {
		return err
	}
	to, err := s.used(ctx, p, n)
	if err != nil {
		return err
	}
	took := to.at.Sub(from.at)
	fmt.Printf("| %d | %s | %d | %d | %.1f | %.1f | %.1f | %.1f |\n", n, spare, to.rss>>20, to.peak>>20, float64((to.cpu-from.cpu).Milliseconds())/took.Seconds(),
		float64(to.requests-from.requests)/took.Minutes(), float64(to.commits-from.commits)/took.Minutes(), upToDate.Seconds())
	return p.drain()
}

// usage is what has been used up to an instant.
type usage struct {
	at                time.Time
	cpu               time.Duration
	rss, peak         int64 // bytes
	requests, commits int64
}

func (s *stage) used(ctx context.Context, p *process, n int) (u usage, err error) {
	list, err := p.accounts(ctx)
	if err != nil {
		return u, err
	}
	for _, a := range list {
		if a.Poller != nil {
			u.commits += a.Poller.Sequence
		}
	}
	for _, a := range s.accounts[:n] {
		u.requests += int64(a.service.Stats().Requests)
	}
	if u.rss, u.peak, err = p.memory(); err != nil {
		return u, err
	}
	u.cpu, err = p.cpu()
	u.at = time.Now()
	return u, err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
