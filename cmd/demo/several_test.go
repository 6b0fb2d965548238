package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// TestSeveral runs three accounts on two replicas for some seconds of real time, at the same time with and without faults.
func TestSeveral(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the demonstration in real time: takes fifteen seconds")
	}
	t.Parallel()
	for _, faults := range []bool{false, true} {
		t.Run(fmt.Sprintf("faults %t", faults), func(t *testing.T) {
			t.Parallel()
			const anyPort = "127.0.0.1:0"
			var out screen
			err := demo(t.Context(), options{
				duration: 14 * time.Second, perMinute: 60, history: 2 * time.Minute, faults: faults, seed: 11, accounts: 3, replicas: 2,
				kafkaAddr: anyPort, registryAddr: anyPort, adminAddr: anyPort, serviceAddr: anyPort,
			}, &out)
			if err != nil || !strings.HasSuffix(out.String(), "verified: nothing lost, nothing twice, in each account by itself\n") {
				t.Errorf("%v\n%s", err, &out)
			}
			for _, want := range []string{
				"demo, seed 11: 3 accounts on 2 replicas, 60 conversations a minute each", `worker +http://127.0.0.1:\d+/ .*\(replica 1\)`, `worker +http://127.0.0.1:\d+/ .*\(replica 2\)`,
				`\n +\d+s replica 1: .*, replica 2: .*; .*; \d+ requests\n`, "65269fe0dd9c622245c10000 .* complete through", "65269fe0dd9c622245c10001 .* complete through", "65269fe0dd9c622245c10002 .* complete through",
			} {
				if !regexp.MustCompile(want).MatchString(out.String()) {
					t.Errorf("does not say %q:\n%s", want, &out)
				}
			}
			if moved := regexp.MustCompile(`replicas torn down [1-9]\d* times, accounts moved [1-9]\d* times`).MatchString(out.String()); moved != faults {
				t.Errorf("tells of accounts that moved: %t, want %t\n%s", moved, faults, &out)
			}
			folder := regexp.MustCompile(`accounts (\S+)  \(ACCOUNTS_DIR`).FindStringSubmatch(out.String())
			if folder == nil {
				t.Fatalf("it does not say where the accounts' files are\n%s", &out)
			}
			if _, err := os.Stat(folder[1]); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there: %v", folder[1], err)
			}
		})
	}
}

// TestAddressThatIsTaken leaves nothing behind.
func TestAddressThatIsTaken(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out screen
	err = demo(t.Context(), options{
		perMinute: 60, accounts: 2, replicas: 1,
		kafkaAddr: "127.0.0.1:0", registryAddr: "127.0.0.1:0", adminAddr: l.Addr().String(), serviceAddr: "127.0.0.1:0",
	}, &out)
	left, _ := filepath.Glob(filepath.Join(temporary, "*"))
	if err == nil || !strings.Contains(err.Error(), "--admin-addr") || len(left) > 0 {
		t.Errorf("%v, left %v\n%s", err, left, &out)
	}
}

func TestNextFreePorts(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().(*net.TCPAddr)
	last := at.Port
	for range 3 {
		l, err := listenBeyond(at, false)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		if port <= last || port > last+50 {
			t.Errorf("%d after %d", port, last)
		}
		last = port
	}
	if ports, err := adminPorts("127.0.0.1:0", 10); err != nil || len(ports) != 10 {
		t.Errorf("%v, %v", ports, err)
	}
}

// severalStage is a stage of so many accounts that nothing runs on.
func severalStage(t *testing.T, accounts int) *stage {
	t.Helper()
	s := &stage{options: options{perMinute: 1, history: time.Minute, seed: 5, accounts: accounts, replicas: 1}}
	s.topics.Topics = encoder.Topics{Prefix: "conversations."}
	for i := range accounts {
		a, err := s.openTenant(i)
		if err != nil {
			t.Fatal(err)
		}
		s.tenants = append(s.tenants, a)
	}
	return s
}

// TestServices: under one address each account is answered by its own service, to which no other's login is good.
func TestServices(t *testing.T) {
	t.Parallel()
	s := severalStage(t, 3)
	for i, path := range []string{simulator.Path(s.tenants[0].id), simulator.Path(s.tenants[1].id), simulator.Path(s.tenants[2].id), simulator.Path("another"), "/"} {
		w := httptest.NewRecorder()
		services(s.tenants).ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}")))
		if w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s without a login: %d", path, w.Code)
		}
		if i < 3 && s.tenants[i].service.Stats().Requests != 1 {
			t.Errorf("%s: its service had %d requests", path, s.tenants[i].service.Stats().Requests)
		}
	}
	if s.tenants[0].secret == s.tenants[1].secret || s.tenants[1].secret == s.tenants[2].secret {
		t.Error("accounts share a secret")
	}
}

func (s *stage) outcomes() []outcome {
	var all []outcome
	for i, a := range s.tenants {
		all = append(all, outcome{a, &verify.Report{Revisions: 1, ByTopic: map[string]int64{}, CompleteThrough: time.Unix(int64(1000-i), 0)}})
	}
	return all
}

// TestSummaryOfMany: a line for each account, and of more than ten only the worst.
func TestSummaryOfMany(t *testing.T) {
	t.Parallel()
	for accounts, lines := range map[int]int{1: 0, 2: 2, 10: 10, 11: 1, 100: 1} {
		s := severalStage(t, accounts)
		outcomes := s.outcomes()
		outcomes[accounts/2].Problems = []string{"lost"}
		var out strings.Builder
		s.report(&out, outcomes)
		if n := strings.Count(out.String(), "\n  65269fe0dd9c622245c1") + strings.Count(out.String()[:22], "  65269fe0dd9c622245c1"); n != lines {
			t.Errorf("%d accounts: %d lines, want %d\n%s", accounts, n, lines, &out)
		}
		bad := s.tenants[accounts/2].id
		if accounts > 10 && !strings.Contains(out.String(), "  "+bad+" ") || accounts > 1 && !strings.Contains(out.String(), "PROBLEM of account "+bad+" lost\n") {
			t.Errorf("%d accounts: it does not tell of %s\n%s", accounts, bad, &out)
		}
		if want := fmt.Sprintf("  0 conversations in %d revisions", accounts); !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q\n%s", want, &out)
		}
	}
}

// TestJudge: one account that does not hold is enough.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says    string
		spoil   func(outcome)
		records map[string][]*kgo.Record
	}{
		{"", func(outcome) {}, nil},
		{"3 problems", func(o outcome) { o.Problems, o.More = []string{"lost", "twice"}, 1 }, nil},
		{"nothing was published of account 65269fe0dd9c622245c10002", func(o outcome) { o.Revisions = 0 }, nil},
		{`1 records of "/smartassist/another"`, func(outcome) {}, map[string][]*kgo.Record{"/smartassist/another": {{}}}},
	} {
		s := severalStage(t, 4)
		outcomes := s.outcomes()
		c.spoil(outcomes[2])
		if err := s.judge(outcomes, c.records); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}
