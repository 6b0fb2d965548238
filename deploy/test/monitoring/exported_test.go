package monitoring

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestAlertsOnWhatWorkersExported evaluates the alerts on what two replicas really exported in virtual time, in a play of the worker's own
// tests: each trouble calls for those that mean it, in time, and they end with it; nothing else does.
func TestAlertsOnWhatWorkersExported(t *testing.T) {
	scrapes := filepath.Join(t.TempDir(), "scrapes")
	command := exec.Command("go", "test", "-count=1", "-vet=off", "-run", "^TestScrapes$", "./cmd/internal/fleet", "-scrapes", scrapes)
	command.Dir = "../../.."
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	start, all := parse(t, scrapes)
	if len(all) != 250 {
		t.Fatalf("%d scrapes", len(all))
	}
	// The play: from 20 on a rolling update, from 60 to 90 no service, from 120 to 140 no brokers, at 165 a row that is not a
	// conversation, from 200 to 215 no replica.
	expected := []struct {
		alert           string
		begins, ends    int // at the earliest, and at the latest
		within, atLeast int
	}{
		{"ConvstreamServiceUnreadable", 60, 92, 12, 15},
		{"ConvstreamNoProgress", 60, 92, 26, 3},
		{"ConvstreamCommitsFail", 120, 145, 8, 10},
		{"ConvstreamAccountWithoutWorker", 120, 142, 5, 10},
		{"ConvstreamReplicaOutOfGroup", 120, 142, 5, 10},
		{"ConvstreamDeadLetters", 165, 230, 8, 30},
		{"ConvstreamAbsent", 200, 216, 6, 5},
	}
	fired := map[string]bool{}
	for _, e := range stored(t, start, all).alerts(t, rules(t)) {
		t.Logf("%s from %d to %d: %v", e.alert, e.from, e.to, e.sample.Metric)
		wanted := false
		for _, x := range expected {
			if x.alert == e.alert && e.from >= x.begins && e.from <= x.begins+x.within && e.to <= x.ends && e.to-e.from >= x.atLeast {
				wanted, fired[e.alert] = true, true
			}
		}
		if !wanted {
			t.Errorf("%s fires from %d to %d for %v", e.alert, e.from, e.to, e.sample.Metric)
		}
	}
	for _, x := range expected {
		if !fired[x.alert] {
			t.Errorf("%s did not fire", x.alert)
		}
	}
}

// parse reads what TestScrapes writes.
func parse(t *testing.T, file string) (start time.Time, all []scrape) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if unix, ok := strings.CutPrefix(line, "# "); ok {
			if start.IsZero() {
				seconds, err := strconv.ParseInt(unix, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				start = time.Unix(seconds, 0)
			}
			all = append(all, scrape{})
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", line, err))
		}
		all[len(all)-1][line[:at]] = v
	}
	return start, all
}
