package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/producer"
)

func (s *stage) whereToLook() string {
	brokers := strings.Join(s.cfg.Kafka.Brokers, ",")
	return fmt.Sprintf(`convstream demo, seed %d: %g conversations a minute, the last %v to begin with%s
%s
  service  %s  (simulated SmartAssist)
  Kafka    %s  (embedded, topics %s*)
  registry %s  (embedded, subjects %s*-value)
  worker   http://%s/  /status  /metrics  /readyz

look closer:
  export KAFKA_BROKERS=%s SCHEMA_REGISTRY_URL=%s
  go run ./cmd/convstream tail --from beginning
  go run ./cmd/convstream tail voice --rows
  curl %s/subjects
  kcat -b %s -C -t %svoice -X isolation.level=read_committed -f '%%k %%h\n'

`, s.seed, s.perMinute, s.history, map[bool]string{true: ", with faults"}[s.faults], s.elsewhere(),
		s.cfg.URL, brokers, s.cfg.TopicPrefix, s.cfg.Registry.URL, s.cfg.TopicPrefix, s.admin,
		brokers, s.cfg.Registry.URL, s.cfg.Registry.URL, brokers, s.cfg.TopicPrefix)
}

// elsewhere is a line for each default port that was taken: what the documents say does not reach this demonstration.
func (s *stage) elsewhere() string {
	var lines strings.Builder
	for _, where := range [][2]string{
		{s.kafkaAddr, s.cfg.Kafka.Brokers[0]}, {s.registryAddr, s.registry.String()},
		{s.adminAddr, s.admin.String()}, {s.serviceAddr, strings.TrimPrefix(s.cfg.URL, "http://")},
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

func (s *stage) summary() string {
	w := s.current.Load()
	if w == nil {
		return "starting"
	}
	status := w.Status()
	text := fmt.Sprintf("%3.0fs %s", time.Since(s.started).Seconds(), status.Role)
	if p := status.Poller; p != nil {
		text += fmt.Sprintf(", commit %d, %d remembered, complete through %s (%s ago)", p.Sequence, p.Remembered,
			p.CompleteThrough.Format(time.TimeOnly), time.Since(p.CompleteThrough).Round(time.Second))
		if p.Trouble != nil {
			text += ", service trouble: " + p.Trouble.Category
		}
	}
	if status.Kafka != nil {
		text += ", Kafka trouble: " + status.Kafka.Category
	}
	return text + fmt.Sprintf(", %d requests", s.service.Stats().Requests)
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
