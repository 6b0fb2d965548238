package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dashboardFile = "../../grafana/convstream.json"

// dashboard is what Grafana reads, as far as it is looked at here.
type dashboard struct {
	UID        string
	Title      string
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type, Definition string
			Query                  json.RawMessage
		}
	}
	Annotations struct {
		List []struct {
			Expr       string
			Datasource source
		}
	}
}

type source struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               source
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		RefID, Expr, LegendFormat string
		Datasource                source
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || len(d.Panels) < 20 {
		t.Fatalf("%d panels", len(d.Panels))
	}
	return d
}

// variables are what Grafana puts into an expression.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$job", "a|b", "$account", ".*")

// TestDashboardNamesWhatIsExported: each expression parses, names metrics and labels that the worker exports, and is drawn with labels
// that its result has.
func TestDashboardNamesWhatIsExported(t *testing.T) {
	known := exported(t)
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			expr := variables.Replace(target.Expr)
			if wrong := complaints(known, expr); wrong != "" || strings.Contains(expr, "$") {
				t.Errorf("%s: %s: %s", p.Title, target.Expr, wrong)
			}
			for _, l := range regexp.MustCompile(`{{(.*?)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !regexp.MustCompile(`by \(([\w, ]+, )?` + l[1] + `\b`).MatchString(expr) {
					t.Errorf("%s: the result of %s has no label %s", p.Title, target.Expr, l[1])
				}
			}
			if !strings.Contains(expr, `job=~"a|b"`) {
				t.Errorf("%s: %s does not go by the variable job", p.Title, target.Expr)
			}
		}
	}
}

// TestDashboardVariables: the data source, the job and the account can be chosen, and everything goes by the data source.
func TestDashboardVariables(t *testing.T) {
	known, d := exported(t), readDashboard(t)
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name+" "+v.Type)
		if v.Type != "query" {
			continue
		}
		m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition)
		if m == nil || m[2] != v.Name || complaints(known, fmt.Sprintf("sum by (%s) (%s)", m[2], variables.Replace(m[1]))) != "" || !strings.Contains(string(v.Query), m[2]+")") {
			t.Errorf("variable %s: %s", v.Name, v.Definition)
		}
	}
	if want := []string{"datasource datasource", "job query", "account query"}; !slices.Equal(names, want) {
		t.Errorf("variables %v, want %v", names, want)
	}
	chosen := source{"prometheus", "${datasource}"}
	for _, a := range d.Annotations.List {
		if a.Datasource != chosen || !strings.Contains(a.Expr, `alertname=~"Convstream.+"`) {
			t.Errorf("annotation %v", a)
		}
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			if p.Datasource != chosen || target.Datasource != chosen {
				t.Errorf("%s: data source %v, %v", p.Title, p.Datasource, target.Datasource)
			}
		}
	}
}

// TestDashboardLayout: every panel is described, has a unit, and lies in the width of the page on no other one.
func TestDashboardLayout(t *testing.T) {
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range readDashboard(t).Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s: id %d is there twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Title == "" || !strings.HasSuffix(p.Description, ".") || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0) {
			t.Errorf("%s: description %q, unit %q, %d expressions", p.Title, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets))
		}
		at := p.GridPos
		if at.X+at.W > 24 || at.W == 0 || at.H == 0 {
			t.Errorf("%s lies at %v", p.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
