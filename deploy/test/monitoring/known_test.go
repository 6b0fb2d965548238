// Package monitoring holds the alerts and the dashboard against what the worker exports, with Prometheus' own parser and engine.
package monitoring

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

const operations = "../../OPERATIONS.md"

// metric is what the worker exports under a name.
type metric struct {
	kind   string // counter, gauge or histogram
	labels []string
}

// page returns the operator's page.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exported returns the series that a worker exports, by name: those of the list on the operator's page, which a test of the worker holds
// to the code, and those of Go's and the process' collectors.
func exported(t *testing.T) map[string]metric {
	t.Helper()
	all := map[string]metric{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(convstream_\\w+)` \\| (\\w+) \\| ([\\w, -]+) \\|").FindAllStringSubmatch(page(t), -1) {
		m := metric{kind: row[2]}
		if row[3] != "-" {
			m.labels = strings.Split(row[3], ", ")
		}
		if m.kind != "histogram" {
			all[row[1]] = m
			continue
		}
		all[row[1]+"_sum"], all[row[1]+"_count"] = m, m
		all[row[1]+"_bucket"] = metric{m.kind, append(slices.Clone(m.labels), model.BucketLabel)}
	}
	if len(all) < 40 {
		t.Fatalf("only %d series on the page: does the form of its list still hold?", len(all))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		all[f.GetName()] = metric{kind: strings.ToLower(f.GetType().String())}
	}
	return all
}

// ofTargets are the labels that Prometheus gives to what it scrapes in Kubernetes.
var ofTargets = []string{"job", "pod", "namespace"}

// complaints returns what is wrong with an expression: that it does not parse, or uses a metric or a label that the worker does not
// export, or a counter that no rate is taken of.
func complaints(known map[string]metric, expr string) string {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return err.Error()
	}
	var wrong []string
	there := slices.Clone(ofTargets) // labels of all metrics in the expression
	parser.Inspect(parsed, func(n parser.Node, path []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			there = append(there, known[v.Name].labels...)
			wrong = append(wrong, selectorComplaints(known, v, path)...)
		}
		return nil
	})
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		for _, name := range labelsOf(n) {
			if !slices.Contains(there, name) {
				wrong = append(wrong, "no metric in it has the label "+name)
			}
		}
		return nil
	})
	return strings.Join(wrong, "; ")
}

// labelsOf returns the labels that an operator names.
func labelsOf(n parser.Node) []string {
	switch n := n.(type) {
	case *parser.AggregateExpr:
		return n.Grouping
	case *parser.BinaryExpr:
		if n.VectorMatching != nil {
			return append(slices.Clone(n.VectorMatching.MatchingLabels), n.VectorMatching.Include...)
		}
	}
	return nil
}

// cumulative are the functions that take the range of a counter.
var cumulative = []string{"rate", "increase", "resets"}

func selectorComplaints(known map[string]metric, v *parser.VectorSelector, path []parser.Node) (wrong []string) {
	m, ok := known[v.Name]
	if !ok {
		return []string{"the worker does not export " + v.Name}
	}
	for _, matcher := range v.LabelMatchers {
		if matcher.Name != model.MetricNameLabel && !slices.Contains(append(slices.Clone(ofTargets), m.labels...), matcher.Name) {
			wrong = append(wrong, v.Name+" has no label "+matcher.Name)
		}
	}
	if m.kind != "gauge" && !slices.ContainsFunc(path, isCumulative) {
		wrong = append(wrong, v.Name+" is a "+m.kind+", and no rate is taken of it")
	}
	return wrong
}

func isCumulative(n parser.Node) bool {
	call, ok := n.(*parser.Call)
	return ok && slices.Contains(cumulative, call.Func.Name)
}
