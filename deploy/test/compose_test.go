package deploy

import (
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"
)

const composeFile = "../compose.yaml"

// compose reads the file as Compose does: against its schema, and with everything resolved that one service says of another.
func compose(t *testing.T, text string) (*types.Project, error) {
	t.Helper()
	folder, err := filepath.Abs(filepath.Dir(composeFile))
	if err != nil {
		t.Fatal(err)
	}
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: folder, ConfigFiles: []types.ConfigFile{{Filename: composeFile, Content: []byte(text)}}, Environment: types.Mapping{},
	})
}

// laptop is what is in the file.
func laptop(t *testing.T) *types.Project {
	t.Helper()
	text, err := os.ReadFile(composeFile)
	if err != nil {
		t.Fatal(err)
	}
	project, err := compose(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// setIn is what a service's environment sets.
func setIn(service types.ServiceConfig) map[string]string {
	env := map[string]string{}
	for name, value := range service.Environment {
		if value != nil {
			env[name] = *value
		}
	}
	return env
}

func TestComposeIsStrict(t *testing.T) {
	text, err := os.ReadFile(composeFile)
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"environment:": "enviroment:", "depends_on: [kafka,": "depends_on: [kafk,", "go: {}": "gone: {}"} {
		wrong := strings.Replace(string(text), from, to, 1)
		if _, err := compose(t, wrong); wrong == string(text) || err == nil {
			t.Errorf("%s instead of %s is taken (%v): this proves nothing", to, from, err)
		}
	}
}

func TestComposeServices(t *testing.T) {
	project := laptop(t)
	got := slices.Sorted(maps.Keys(project.Services))
	if want := []string{"convstream", "grafana", "kafka", "prometheus", "registry", "simulator"}; !slices.Equal(got, want) {
		t.Errorf("services %v, want %v", got, want)
	}
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if _, err := os.Stat(volume.Source); volume.Type == types.VolumeTypeBind && (err != nil || !volume.ReadOnly) {
				t.Errorf("%s mounts %s, read-only %v: %v", name, volume.Source, volume.ReadOnly, err)
			}
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s to %q, not to loopback alone", name, port.Published, port.HostIP)
			}
		}
		if service.Image != "" && !strings.Contains(service.Image, ":") {
			t.Errorf("the image of %s has no version", name)
		}
	}
	if build := project.Services["convstream"].Build; build == nil || filepath.Join(build.Context, build.Dockerfile) != absolute(t, dockerfile) {
		t.Errorf("the worker is built with %+v", build)
	}
	if image := project.Services["simulator"].Image; !strings.Contains(rests(stages(t)[0], "FROM")[0], image) {
		t.Errorf("the simulator is compiled with %s, unlike the worker", image)
	}
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheWorkerTakesCompose: the worker knows every variable, and finds no fault with any.
func TestTheWorkerTakesCompose(t *testing.T) {
	env, settings := setIn(laptop(t).Services["convstream"]), knownSettings(t)
	for name := range env {
		if _, known := settings[name]; !known {
			t.Errorf("the worker has no setting %s", name)
		}
	}
	if output, err := convstream(t, env, "config"); err != nil || strings.Contains(output, "warning") {
		t.Errorf("%v\n%s", err, output)
	}
}

// TestComposeAddresses: who is asked is a service that listens there.
func TestComposeAddresses(t *testing.T) {
	project := laptop(t)
	worker, kafka := setIn(project.Services["convstream"]), setIn(project.Services["kafka"])
	for _, listener := range []string{"INSIDE://" + worker["KAFKA_BROKERS"], "OUTSIDE://127.0.0.1:" + published(project, "kafka")} {
		if !slices.Contains(strings.Split(kafka["KAFKA_ADVERTISED_LISTENERS"], ","), listener) {
			t.Errorf("Kafka advertises %s, not %s", kafka["KAFKA_ADVERTISED_LISTENERS"], listener)
		}
	}
	for _, base := range []string{worker["SMARTASSIST_URL"], worker["SCHEMA_REGISTRY_URL"], dataSource(t)} {
		address, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		if service, is := project.Services[address.Hostname()]; !is || !listens(service, address.Port()) {
			t.Errorf("%s: no service listens there", base)
		}
	}
	_, port, err := net.SplitHostPort(scraped(t))
	if err != nil || !strings.HasPrefix(scraped(t), "convstream:") || worker["ADMIN_ADDR"] != ":"+port {
		t.Errorf("Prometheus asks %s, the worker serves %s (%v)", scraped(t), worker["ADMIN_ADDR"], err)
	}
}

func published(project *types.Project, name string) string {
	return project.Services[name].Ports[0].Published
}

// listens goes by what is published: each service publishes the port that others ask, too.
func listens(service types.ServiceConfig, port string) bool {
	return slices.ContainsFunc(service.Ports, func(p types.ServicePortConfig) bool { return strconv.Itoa(int(p.Target)) == port })
}

// scraped is the only target of Prometheus.
func scraped(t *testing.T) string {
	t.Helper()
	var config struct {
		Global    map[string]string `json:"global"`
		RuleFiles []string          `json:"rule_files"`
		Scrape    []struct {
			Job    string `json:"job_name"`
			Static []struct {
				Targets []string          `json:"targets"`
				Labels  map[string]string `json:"labels"`
			} `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	parseFile(t, "../compose/prometheus.yaml", &config)
	if len(config.Scrape) != 1 || len(config.Scrape[0].Static) != 1 || len(config.Scrape[0].Static[0].Targets) != 1 {
		t.Fatalf("scrape_configs %v, want one target", config.Scrape)
	}
	if len(config.RuleFiles) != 1 || !mounted(laptop(t).Services["prometheus"], config.RuleFiles[0]) {
		t.Errorf("rule_files %v are not mounted", config.RuleFiles)
	}
	return config.Scrape[0].Static[0].Targets[0]
}

// dataSource is the URL of Grafana's.
func dataSource(t *testing.T) string {
	t.Helper()
	var config struct {
		APIVersion  int `json:"apiVersion"`
		DataSources []struct {
			Name, Type, Access, URL string
			IsDefault               bool
		} `json:"datasources"`
	}
	parseFile(t, "../compose/datasources.yaml", &config)
	if len(config.DataSources) != 1 || config.DataSources[0].Type != "prometheus" || !config.DataSources[0].IsDefault {
		t.Fatalf("datasources %v", config.DataSources)
	}
	return config.DataSources[0].URL
}

func parseFile(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func mounted(service types.ServiceConfig, path string) bool {
	return slices.ContainsFunc(service.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == path })
}

// TestComposeDashboards: the dashboard lies in the folder that Grafana is told to load.
func TestComposeDashboards(t *testing.T) {
	var config struct {
		Providers []struct{ Options struct{ Path string } }
	}
	text, err := os.ReadFile("../grafana/dashboards.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	grafana := laptop(t).Services["grafana"]
	home := setIn(grafana)["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if len(config.Providers) != 1 || filepath.Dir(home) != config.Providers[0].Options.Path || !mounted(grafana, home) {
		t.Errorf("the home dashboard is %s, Grafana loads %v", home, config.Providers)
	}
}

// TestTheSimulatorTakesCompose: it knows all its arguments, and lets in the account with the login that the worker has.
func TestTheSimulatorTakesCompose(t *testing.T) {
	project := laptop(t)
	command := project.Services["simulator"].Command
	if len(command) < 3 || !slices.Equal(command[:3], []string{"go", "run", "./cmd/simulator"}) {
		t.Fatalf("command %q", command)
	}
	// Asked for help, it ends with 0 once it has understood what stands before.
	if output, err := inRepository("go", append(slices.Clone(command[1:]), "--help")...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	env := setIn(project.Services["convstream"])
	for flag, setting := range map[string]string{"--account-id": "SMARTASSIST_ACCOUNT_ID", "--client-id": "SMARTASSIST_CLIENT_ID", "--client-secret": "SMARTASSIST_CLIENT_SECRET"} {
		if i := slices.Index(command, flag); i < 0 || i+1 == len(command) || command[i+1] != env[setting] {
			t.Errorf("%s of the simulator is not the worker's %s", flag, setting)
		}
	}
}
