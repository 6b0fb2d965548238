package monitoring

import (
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/template"
)

const rulesFile = "../../alerts/convstream.rules.yaml"

// rules returns the alerts, as Prometheus reads them.
func rules(t *testing.T) (all []rulefmt.Rule) {
	t.Helper()
	groups, errs := rulefmt.ParseFile(rulesFile, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d alerts", len(all))
	}
	return all
}

func TestRulesNameWhatIsExported(t *testing.T) {
	known := exported(t)
	for _, r := range rules(t) {
		if wrong := complaints(known, r.Expr); wrong != "" {
			t.Errorf("%s: %s", r.Alert, wrong)
		}
	}
	for bad, why := range map[string]string{
		"sum(convstream_actve)":                               "does not export",
		`convstream_active{acount="a"}`:                       "has no label acount",
		"sum by (topik) (convstream_active)":                  "has the label topik",
		`convstream_rows_total > 0`:                           "no rate is taken",
		`rate(convstream_commit_seconds[5m])`:                 "does not export",
		`max by (le) (rate(convstream_commit_seconds_sum[1m]`: "parse error",
	} {
		if got := complaints(known, bad); !strings.Contains(got, why) {
			t.Errorf("%s: %q, want %q: this test proves nothing", bad, got, why)
		}
	}
}

// TestEveryAlertHasItsPage: each says how bad it is, what it means and what to do, and leads to a part of the operator's page, whose table
// lists it.
func TestEveryAlertHasItsPage(t *testing.T) {
	text := page(t)
	var anchors []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchors = append(anchors, strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-"))
	}
	listed := regexp.MustCompile("(?m)^\\| `(Convstream\\w+)` \\|").FindAllStringSubmatch(text, -1)
	all := rules(t)
	if len(listed) != len(all) {
		t.Errorf("the page lists %d alerts, there are %d", len(listed), len(all))
	}
	for _, name := range regexp.MustCompile("`(Convstream[A-Z]\\w+)`").FindAllStringSubmatch(text, -1) {
		if !slices.ContainsFunc(all, func(r rulefmt.Rule) bool { return r.Alert == name[1] }) {
			t.Errorf("the page names %s, which is no alert", name[1])
		}
	}
	for _, r := range all {
		if r.For == 0 || r.Annotations["summary"] == "" || !strings.HasSuffix(r.Annotations["description"], ".") || len(r.Annotations) != 3 {
			t.Errorf("%s: for %v, %q", r.Alert, r.For, r.Annotations)
		}
		if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: severity %q", r.Alert, severity)
		}
		anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], "https://github.com/convstream/convstream/blob/main/deploy/OPERATIONS.md#")
		if !ok || !slices.Contains(anchors, anchor) {
			t.Errorf("%s: no part of the page is at %s", r.Alert, r.Annotations["runbook_url"])
		}
		row := fmt.Sprintf("| `%s` | %s |", r.Alert, r.Labels["severity"])
		if at := strings.Index(text, row); at < 0 {
			t.Errorf("not on the page: %s", row)
		} else if line, _, _ := strings.Cut(text[at:], "\n"); !strings.Contains(line, "(#"+anchor+")") {
			t.Errorf("the page does not lead from %s to %s", r.Alert, anchor)
		}
	}
}

// told returns the annotations of an alert as they arrive.
func told(t *testing.T, r rulefmt.Rule, s promql.Sample) map[string]string {
	t.Helper()
	out := map[string]string{}
	data := template.AlertTemplateData(s.Metric.Map(), nil, "", s)
	for name, text := range r.Annotations {
		text = "{{$labels := .Labels}}{{$value := .Value}}" + text
		expanded, err := template.NewTemplateExpander(t.Context(), text, r.Alert, data, model.TimeFromUnix(0), nil, &url.URL{}, nil).Expand()
		if err != nil {
			t.Errorf("%s: %s: %v", r.Alert, name, err)
		}
		out[name] = expanded
		if strings.Contains(expanded, "%!") || strings.Contains(expanded, "  ") || strings.Contains(expanded, "<no value>") || regexp.MustCompile(`account (\W|$)`).MatchString(expanded) {
			t.Errorf("%s: %s is %q", r.Alert, name, expanded)
		}
	}
	return out
}
