package deploy

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const alertsFile = "../alerts/convstream.rules.yaml"

// alertsCopies are where the alerts stand a second time, since neither Helm nor kustomize takes files from beside its own folder:
// each with its beginning, and how far the lines are indented.
var alertsCopies = []struct{ file, head, indent string }{
	{chartFolder + "/files/convstream.rules.yaml", "", ""},
	{manifests + "/monitoring/prometheus-rule.yaml", `apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: convstream
  labels:
    app.kubernetes.io/name: convstream
spec:
`, "  "},
}

// TestAlertsAreCopied: the copies have the groups of the file, line by line.
func TestAlertsAreCopied(t *testing.T) {
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	_, groups, found := strings.Cut(string(text), "\ngroups:\n")
	if !found {
		t.Fatalf("%s has no groups", alertsFile)
	}
	for _, copied := range alertsCopies {
		var want strings.Builder
		want.WriteString("# Copied from deploy/alerts: cd deploy/test && go test -run TestAlertsAreCopied -update\n" + copied.head)
		for line := range strings.Lines("groups:\n" + groups) {
			if line != "\n" {
				want.WriteString(copied.indent)
			}
			want.WriteString(line)
		}
		if *update {
			if err := os.WriteFile(copied.file, []byte(want.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have, err := os.ReadFile(copied.file); err != nil || string(have) != want.String() {
			t.Errorf("%s is not a copy of %s (%v): go test -run TestAlertsAreCopied -update", copied.file, alertsFile, err)
		}
	}
}

// TestDashboardIsCopied: it is what Grafana gets, and the copies for it are the file.
func TestDashboardIsCopied(t *testing.T) {
	want, err := os.ReadFile("../grafana/convstream.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{chartFolder + "/files/convstream.json", manifests + "/monitoring/convstream.json"} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if have, err := os.ReadFile(file); err != nil || string(have) != string(want) {
			t.Errorf("%s is not a copy of deploy/grafana/convstream.json (%v): go test -run TestDashboardIsCopied -update", file, err)
		}
	}
	eachMonitored(t, func(t *testing.T, objects []runtime.Object) {
		for _, o := range objects {
			if shown, is := o.(*corev1.ConfigMap); is && shown.Labels["grafana_dashboard"] == "1" && shown.Data["convstream.json"] == string(want) {
				return
			}
		}
		t.Error("no ConfigMap has the dashboard as it is")
	})
}

// TestPrometheusRule: what a cluster gets are the alerts of the file, their templates as they stand there.
func TestPrometheusRule(t *testing.T) {
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var want monitoringv1.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Groups) == 0 || len(want.Groups[0].Rules) < 10 {
		t.Fatalf("%d groups in %s", len(want.Groups), alertsFile)
	}
	eachMonitored(t, func(t *testing.T, objects []runtime.Object) {
		if diff := cmp.Diff(want, only[*monitoringv1.PrometheusRule](t, objects).Spec); diff != "" {
			t.Errorf("the file (-) and the PrometheusRule (+) differ:\n%s", diff)
		}
	})
}
