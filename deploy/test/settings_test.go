package deploy

import (
	"net"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// row is a line of the table of settings: name, default.
var row = regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| (.*?) \\|")

// known asks the worker itself for its settings: name to default.
var known = sync.OnceValues(func() (map[string]string, error) {
	command := exec.Command("go", "run", "./cmd/convstream", "config", "--markdown")
	command.Dir = repository
	command.Stderr = nil
	table, err := command.Output()
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	for _, cells := range row.FindAllStringSubmatch(string(table), -1) {
		settings[cells[1]] = strings.Trim(cells[2], "`")
	}
	return settings, nil
})

func knownSettings(t *testing.T) map[string]string {
	t.Helper()
	settings, err := known()
	if err != nil {
		if failed, ok := err.(*exec.ExitError); ok {
			t.Fatalf("convstream config --markdown: %v\n%s", err, failed.Stderr)
		}
		t.Fatal(err)
	}
	if settings["SMARTASSIST_URL"] != "required" || len(settings) < 20 {
		t.Fatalf("settings as read from the table: %v", settings)
	}
	return settings
}

// environment is what the container's manifest and the ConfigMaps it takes in set, values from elsewhere as "".
func environment(t *testing.T, objects []runtime.Object) map[string]string {
	t.Helper()
	_, container := worker(t, objects)
	env := map[string]string{}
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef == nil || from.Prefix != "" {
			t.Fatalf("environment from something else than a ConfigMap: %v", from)
		}
		settings := only[*corev1.ConfigMap](t, objects)
		if from.ConfigMapRef.Name != settings.Name {
			t.Fatalf("the container wants ConfigMap %s, there is %s", from.ConfigMapRef.Name, settings.Name)
		}
		for name, value := range settings.Data {
			env[name] = value
		}
	}
	for _, e := range container.Env {
		env[e.Name] = e.Value
	}
	return env
}

// effective is the value a setting has in the pod, its default included.
func effective(t *testing.T, objects []runtime.Object, name string) string {
	t.Helper()
	if value, set := environment(t, objects)[name]; set {
		return value
	}
	return knownSettings(t)[name]
}

func adminPort(t *testing.T, objects []runtime.Object) int32 {
	t.Helper()
	_, port, err := net.SplitHostPort(effective(t, objects, "ADMIN_ADDR"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int32(n)
}

func TestEveryVariableExists(t *testing.T) {
	settings := knownSettings(t)
	each(t, func(t *testing.T, objects []runtime.Object) {
		for name := range environment(t, objects) {
			if _, exists := settings[name]; !exists && name != "GOMEMLIMIT" {
				t.Errorf("the worker has no setting %s", name)
			}
		}
	})
}

func TestExampleSetsWhatIsRequired(t *testing.T) {
	env := environment(t, render(t, one))
	for name, def := range knownSettings(t) {
		if def == "required" && env[name] == "" {
			t.Errorf("%s is required and not set", name)
		}
	}
}

// TestTheWorkerTakesManyAccounts hands the settings and the accounts' files of the overlay to the worker, which must find fault with
// neither.
func TestTheWorkerTakesManyAccounts(t *testing.T) {
	command := exec.Command("go", "run", "./cmd/convstream", "config")
	command.Dir = repository
	command.Env = command.Environ()
	env := environment(t, render(t, many))
	env["ACCOUNTS_DIR"] = "deploy/kubernetes/many/accounts"
	for name, value := range env {
		if value != "" {
			command.Env = append(command.Env, name+"="+value)
		}
	}
	output, err := command.CombinedOutput()
	if text := string(output); err != nil || !strings.Contains(text, "eu.env: account") || !strings.Contains(text, "us.env: account") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestTheWorkerTakesTheExample hands the example's settings to the worker, which must find fault with nothing but the
// secret's file, which is not here.
func TestTheWorkerTakesTheExample(t *testing.T) {
	command := exec.Command("go", "run", "./cmd/convstream", "run")
	command.Dir = repository
	command.Env = command.Environ()
	for name, value := range environment(t, render(t, one)) {
		if value != "" {
			command.Env = append(command.Env, name+"="+value)
		}
	}
	output, err := command.CombinedOutput()
	if err == nil {
		t.Fatal("the worker ran without its secret")
	}
	if text := string(output); !strings.Contains(text, "SMARTASSIST_CLIENT_SECRET_FILE: ") || strings.Contains(text, "settings are wrong") {
		t.Errorf("want a complaint about SMARTASSIST_CLIENT_SECRET_FILE alone, got\n%s", text)
	}
}

func TestSettingsRollThePod(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		name := only[*corev1.ConfigMap](t, objects).Name
		if !regexp.MustCompile(`^convstream-[a-z0-9]{10}$`).MatchString(name) {
			t.Errorf("the ConfigMap's name %s has no hash", name)
		}
	})
}

// TestSecretsAreFiles: secrets come through one *_FILE variable, or ACCOUNTS_DIR, that points into a mounted Secret which the worker's
// group can read, and through nothing else.
func TestSecretsAreFiles(t *testing.T) {
	settings := knownSettings(t)
	each(t, func(t *testing.T, objects []runtime.Object) {
		pod, container := worker(t, objects)
		files := 0
		for name, value := range environment(t, objects) {
			if _, twin := settings[name+"_FILE"]; twin {
				t.Errorf("%s holds a secret; set %s_FILE", name, name)
			}
			if _, secret := settings[strings.TrimSuffix(name, "_FILE")]; !secret || !strings.HasSuffix(name, "_FILE") {
				continue
			}
			files++
			if !inSecret(pod, container, path.Dir(value)) {
				t.Errorf("%s=%s lies in no mounted Secret of mode 0440", name, value)
			}
		}
		if folder := effective(t, objects, "ACCOUNTS_DIR"); folder != "" {
			files++
			if !inSecret(pod, container, folder) {
				t.Errorf("ACCOUNTS_DIR=%s is no mounted Secret of mode 0440", folder)
			}
		}
		if files != 1 {
			t.Errorf("%d secrets, want 1", files)
		}
		if pod.SecurityContext.FSGroup == nil || *pod.SecurityContext.FSGroup != *pod.SecurityContext.RunAsGroup {
			t.Error("the worker's group cannot read the mounted secret")
		}
	})
}

// inSecret reports whether a folder is a mounted Secret, which the worker's group can read, and whose files stay where the Secret is
// deleted.
func inSecret(pod *corev1.PodSpec, c *corev1.Container, folder string) bool {
	for _, mount := range c.VolumeMounts {
		for _, volume := range pod.Volumes {
			if volume.Name == mount.Name && folder == mount.MountPath && volume.Secret != nil {
				optional := volume.Secret.Optional != nil && *volume.Secret.Optional
				return volume.Secret.DefaultMode != nil && *volume.Secret.DefaultMode == 0o440 && !optional
			}
		}
	}
	return false
}
