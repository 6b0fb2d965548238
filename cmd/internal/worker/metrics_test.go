package worker

import (
	"bytes"
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
		"SMARTASSIST_URL": "https://example.com", "SMARTASSIST_ACCOUNT_ID": account, "SMARTASSIST_JWT": "a.to.ken", "KAFKA_BROKERS": kafkaAddr,
	}
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(cfg, zerolog.Nop(), Network{})
	if err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc, 1000)
	w.metrics.registry.Describe(descs)
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

// TestUnknownMembersDoNotFloodTheLog: a service that has a new member in every row is told of by so many names, and once
// more to say that it goes on.
func TestUnknownMembersDoNotFloodTheLog(t *testing.T) {
	var out bytes.Buffer
	m := &metrics{unknown: map[string]bool{}}
	for i := range 10 * knownUnknowns {
		m.logUnknown(zerolog.New(&out), []string{fmt.Sprint("member", i), "member0"})
	}
	lines := strings.Count(out.String(), "\n")
	if named := strings.Count(out.String(), `"member":"member`); named != knownUnknowns || lines != named+1 || len(m.unknown) != named+1 {
		t.Errorf("%d names in %d lines, %d remembered, want %d names", named, lines, len(m.unknown), knownUnknowns)
	}
	if last := out.String()[strings.LastIndexByte(strings.TrimSpace(out.String()), '\n')+1:]; !strings.Contains(last, "further ones are not named here") {
		t.Errorf("the last line is %s", last)
	}
}
