package fleet

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
)

// TestPageListsTheMetrics keeps the list of metrics in deploy/OPERATIONS.md true: every metric with the help it is exported with, and
// no others.
func TestPageListsTheMetrics(t *testing.T) {
	env := map[string]string{
		"SMARTASSIST_URL": "https://example.com", "SMARTASSIST_ACCOUNT_ID": accountID, "SMARTASSIST_JWT": "a.to.ken", "KAFKA_BROKERS": kafkaAddr, "REDACT": "/userId=drop",
	}
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Config{Process: &cfg.Process, Accounts: []config.AccountFile{{Config: cfg}}, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer f.closeUnused()
	descs := make(chan *prometheus.Desc, 1000)
	f.metrics.Describe(descs)
	f.Worker(accountID).Metrics().(prometheus.Collector).Describe(descs)
	close(descs)
	page, err := os.ReadFile("../../../deploy/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`fqName: "(convstream_\w+)", help: "([^"]*)"`)
	exported := map[string]bool{}
	for d := range descs {
		if m := form.FindStringSubmatch(d.String()); m != nil {
			exported[m[1]] = true
			if line := fmt.Sprintf("| `%s` | %s |", m[1], m[2]); !strings.Contains(string(page), line) {
				t.Errorf("not on the page: %s", line)
			}
		}
	}
	if len(exported) < 10 {
		t.Fatalf("only %d metrics found: does the form of a description still hold?", len(exported))
	}
	for _, m := range regexp.MustCompile("`(convstream_\\w+)` \\|").FindAllStringSubmatch(string(page), -1) {
		if !exported[m[1]] {
			t.Errorf("on the page, but not exported: %s", m[1])
		}
	}
}
