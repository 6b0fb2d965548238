package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/producer"
)

func (s *stage) whereToLook() string {
	brokers := strings.Join(s.cfg.Kafka.Brokers, ",")
	return fmt.Sprintf(`convstream demo, seed %d: %s, the last %v to begin with%s
%s
  service  %s  (simulated SmartAssist%s)
  Kafka    %s  (embedded, topics %s*)
  registry %s  (embedded, subjects %s*-value)
%s
look closer:
  export KAFKA_BROKERS=%s SCHEMA_REGISTRY_URL=%s
  go run ./cmd/convstream tail --from beginning
  go run ./cmd/convstream tail voice --rows
  curl %s/subjects
  kcat -b %s -C -t %svoice -X isolation.level=read_committed -f '%%k %%h\n'

`, s.seed, s.load(), s.history, map[bool]string{true: ", with faults"}[s.faults], s.elsewhere(),
		s.cfg.URL, map[bool]string{true: ", one for each account"}[s.accounts > 1], brokers, s.cfg.TopicPrefix, s.cfg.Registry.URL, s.cfg.TopicPrefix, s.whoWorks(),
		brokers, s.cfg.Registry.URL, s.cfg.Registry.URL, brokers, s.cfg.TopicPrefix)
}

// load is how much there is to do.
func (s *stage) load() string {
	each := fmt.Sprintf("%g conversations a minute", s.perMinute)
	if !s.several() {
		return each
	}
	return fmt.Sprintf("%s on %s, %s each", count(s.accounts, "account"), count(s.replicas, "replica"), each)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// whoWorks is a line for each replica, and one for the accounts' files.
func (s *stage) whoWorks() string {
	var lines strings.Builder
	for _, r := range s.processes {
		fmt.Fprintf(&lines, "  worker   http://%s/  /status  /metrics  /readyz", r.admin)
		if s.replicas > 1 {
			fmt.Fprintf(&lines, "  (replica %d)", r.number)
		}
		lines.WriteByte('\n')
	}
	if s.folder != "" {
		fmt.Fprintf(&lines, "  accounts %s  (ACCOUNTS_DIR, removed at the end)\n", s.folder)
	}
	return lines.String()
}

// elsewhere is a line for each default port that was taken: what the documents say does not reach this demonstration.
func (s *stage) elsewhere() string {
	var lines strings.Builder
	for _, where := range [][2]string{
		{s.kafkaAddr, s.cfg.Kafka.Brokers[0]}, {s.registryAddr, s.registry.String()},
		{s.adminAddr, s.processes[0].admin.String()}, {s.serviceAddr, strings.TrimPrefix(s.cfg.URL, "http://")},
	} {
		_, asked, _ := net.SplitHostPort(where[0])
		if _, got, _ := net.SplitHostPort(where[1]); asked != "0" && asked != got {
			fmt.Fprintf(&lines, "%s is taken, listening on %s\n", where[0], where[1])
		}
	}
	return lines.String()
}

const sampleRecords = 5 // shown at the start

// show prints the first records and then, every second, what is going on; stop ends it.
func (s *stage) show(ctx context.Context, out io.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.sample(ctx, out)
		s.live(ctx, out)
	}()
	return func() { cancel(); <-done }
}

// sample prints the first few conversations, read back from the topics.
func (s *stage) sample(ctx context.Context, out io.Writer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cluster := s.cfg.Kafka.Cluster("demo", nil, zerolog.Nop())
	line, left := show.Lines(ctx, out, show.Topics(s.topics)), sampleRecords
	for left == sampleRecords && ctx.Err() == nil {
		_ = producer.Tail(ctx, cluster, producer.TailOptions{Topics: s.topics.Conversations(), Follow: false}, func(m producer.Message) error {
			if left > 0 {
				left--
				return line(m)
			}
			return io.EOF
		})
		pause(ctx, 500*time.Millisecond)
	}
	fmt.Fprintln(out)
}

func (s *stage) live(ctx context.Context, out io.Writer) {
	f, ok := out.(*os.File)
	terminal := ok && isatty.IsTerminal(f.Fd())
	every, before, after := 5*time.Second, "", "\n"
	if terminal {
		every, before, after = time.Second, "\r\x1b[K", ""
	}
	for pause(ctx, every) {
		fmt.Fprint(out, before, s.summary(), after)
	}
	if terminal {
		fmt.Fprintln(out)
	}
}

// summary is one line about what is going on.
func (s *stage) summary() string {
	text := fmt.Sprintf("%3.0fs ", time.Since(s.started).Seconds())
	if s.several() {
		return text + s.summaryOfSeveral()
	}
	l := s.processes[0].current.Load()
	if l == nil {
		return "starting"
	}
	status := l.Worker(s.tenants[0].id).Status()
	text += string(status.Role)
	if p := status.Poller; p != nil {
		text += fmt.Sprintf(", commit %d, %d remembered, complete through %s", p.Sequence, p.Remembered, ago(p.CompleteThrough))
		if p.Trouble != nil {
			text += ", service trouble: " + p.Trouble.Category
		}
	}
	if status.Kafka != nil {
		text += ", Kafka trouble: " + status.Kafka.Category
	}
	return text + fmt.Sprintf(", %d requests", s.served().Requests)
}

func ago(t time.Time) string {
	return fmt.Sprintf("%s (%s ago)", t.Format(time.TimeOnly), time.Since(t).Round(time.Second))
}

// summaryOfSeveral says how many accounts each replica works on, and how far behind the slowest is.
func (s *stage) summaryOfSeveral() string {
	works := map[*replica]int{}
	troubled := 0
	for _, t := range s.tenants {
		r, status := s.worksOn(t)
		if r == nil {
			continue
		}
		works[r]++
		if p := status.Poller; p != nil {
			t.through = p.CompleteThrough
		}
		if status.Kafka != nil || status.Poller != nil && status.Poller.Trouble != nil {
			troubled++
		}
	}
	var parts []string
	for _, r := range s.processes {
		text := count(works[r], "account")
		if l := r.current.Load(); l == nil || l.torn.Load() {
			text = "down"
		}
		parts = append(parts, fmt.Sprintf("replica %d: %s", r.number, text))
	}
	text := strings.Join(parts, ", ") + "; " + s.slowest()
	if troubled > 0 {
		text += fmt.Sprintf("; trouble with %s", count(troubled, "account"))
	}
	return text + fmt.Sprintf("; %d requests", s.served().Requests)
}

// slowest is how far the slowest account was complete when it was last known.
func (s *stage) slowest() string {
	last := slices.MinFunc(s.tenants, func(a, b *tenant) int { return a.through.Compare(b.through) })
	if last.through.IsZero() {
		return fmt.Sprintf("account %s has not begun", last.id)
	}
	return "the slowest complete through " + ago(last.through)
}

// pause waits; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
