package fleet

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
)

// TestPageListsTheMetrics keeps the list of metrics in deploy/OPERATIONS.md true: every metric with its type, its labels and the help it
// is exported with, and no others.
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
	all := []prometheus.Collector{f.metrics, f.Worker(accountID).Metrics().(prometheus.Collector)}
	types := typesOf(t, all)
	page, err := os.ReadFile("../../../deploy/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`fqName: "(convstream_\w+)", help: "([^"]*)", .*constLabels: {(.*?)}, variableLabels: {(.*?)}`)
	exported := map[string]bool{}
	for _, d := range descriptions(all) {
		m := form.FindStringSubmatch(d)
		if m == nil {
			continue
		}
		exported[m[1]] = true
		labels := append(names(m[3]), strings.FieldsFunc(m[4], func(r rune) bool { return r == ',' })...)
		if line := fmt.Sprintf("| `%s` | %s | %s | %s |", m[1], types[m[1]], cmp.Or(strings.Join(labels, ", "), "-"), m[2]); !strings.Contains(string(page), line) {
			t.Errorf("not on the page: %s", line)
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

// descriptions returns what the collectors say of their metrics.
func descriptions(of []prometheus.Collector) (all []string) {
	descs := make(chan *prometheus.Desc, 1000)
	for _, c := range of {
		c.Describe(descs)
	}
	close(descs)
	for d := range descs {
		all = append(all, d.String())
	}
	return all
}

// names returns the names of the labels in name="value",...
func names(labels string) (all []string) {
	for _, m := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(labels, -1) {
		all = append(all, m[1])
	}
	return all
}

// typesOf returns the type of each metric. A vector without series does not say which it has.
func typesOf(t *testing.T, of []prometheus.Collector) map[string]string {
	t.Helper()
	types := map[string]string{"convstream_registry_request_seconds": "histogram", "convstream_last_stable_offset_lag": "gauge"}
	for _, c := range of {
		for _, d := range descriptions([]prometheus.Collector{c}) {
			if name := regexp.MustCompile(`convstream_\w+_total`).FindString(d); name != "" {
				types[name] = "counter"
			}
		}
		families, err := c.(prometheus.Gatherer).Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			types[f.GetName()] = strings.ToLower(f.GetType().String())
		}
	}
	return types
}
