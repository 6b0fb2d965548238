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

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// row is a line of the table of settings: name, default.
var row = regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| (.*?) \\|")

// table asks the worker itself for its settings.
var table = sync.OnceValues(func() (string, error) {
	binary, err := built()
	if err != nil {
		return "", err
	}
	output, err := exec.Command(binary, "config", "--markdown").Output()
	return string(output), err
})

// knownSettings are all settings of the worker: name to default.
func knownSettings(t *testing.T) map[string]string {
	t.Helper()
	table, err := table()
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, cells := range row.FindAllStringSubmatch(table, -1) {
		settings[cells[1]] = strings.Trim(cells[2], "`")
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
		for name, value := range configMap(t, objects, from.ConfigMapRef.Name).Data {
			env[name] = value
		}
	}
	for _, e := range container.Env {
		env[e.Name] = e.Value
	}
	return env
}

// configMap returns the one of that name.
func configMap(t *testing.T, objects []runtime.Object, name string) *corev1.ConfigMap {
	t.Helper()
	for _, o := range objects {
		if found, is := o.(*corev1.ConfigMap); is && found.Name == name {
			return found
		}
	}
	t.Fatalf("there is no ConfigMap %s", name)
	return nil
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

// hashed is the name of a ConfigMap as kustomize makes it.
var hashed = regexp.MustCompile(`^convstream-[a-z0-9]{10}$`)

// TestSettingsRollThePod: by the ConfigMap's name with kustomize, by an annotation with Helm.
func TestSettingsRollThePod(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		_, container := worker(t, objects)
		name := container.EnvFrom[0].ConfigMapRef.Name
		_, annotated := only[*appsv1.Deployment](t, objects).Spec.Template.Annotations[settingsAnnotation]
		if hashed.MatchString(name) == annotated {
			t.Errorf("ConfigMap %s, pod with annotation %s: %v", name, settingsAnnotation, annotated)
		}
	})
}

// TestSecretsAreFiles: secrets and certificates come through *_FILE variables and ACCOUNTS_DIR, which point into mounted Secrets
// that the worker's group can read, and through nothing else.
func TestSecretsAreFiles(t *testing.T) {
	settings := knownSettings(t)
	each(t, func(t *testing.T, objects []runtime.Object) {
		pod, container := worker(t, objects)
		for name, value := range environment(t, objects) {
			if _, twin := settings[name+"_FILE"]; twin {
				t.Errorf("%s holds a secret; set %s_FILE", name, name)
			}
			folder := value
			if strings.HasSuffix(name, "_FILE") {
				folder = path.Dir(value)
			} else if name != "ACCOUNTS_DIR" {
				continue
			}
			if !inSecret(pod, container, folder) {
				t.Errorf("%s=%s lies in no mounted Secret of mode 0440", name, value)
			}
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
