package deploy

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const (
	chartFolder        = "../helm/convstream"
	settingsAnnotation = "checksum/settings"
)

// example reads the values of an install.
func example(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../helm/examples/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parseValues(t, string(text))
}

func parseValues(t *testing.T, text string) map[string]any {
	t.Helper()
	values := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// with lays changes over values; a null takes away what is there.
func with(values, changes map[string]any) map[string]any {
	for name, change := range changes {
		below, isTable := change.(map[string]any)
		there, wasTable := values[name].(map[string]any)
		switch _, exists := values[name]; {
		case isTable && wasTable:
			values[name] = with(there, below)
		case change == nil && exists:
			delete(values, name)
		default:
			values[name] = change
		}
	}
	return values
}

// template does what `helm template convstream -n convstream` does with these values: check them against the schema, then render.
func template(t *testing.T, values map[string]any) (map[string]string, error) {
	t.Helper()
	return templateAs(t, "convstream", values)
}

func templateAs(t *testing.T, name string, values map[string]any) (map[string]string, error) {
	t.Helper()
	chart, err := loader.LoadDir(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: name, Namespace: "convstream", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(chart, values, release, nil)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.RenderWithContext(t.Context(), chart, all)
}

// helm renders the chart and decodes what comes out.
func helm(t *testing.T, values map[string]any) []runtime.Object {
	t.Helper()
	files, err := template(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return decodeAll(t, files)
}

func decodeAll(t *testing.T, files map[string]string) (objects []runtime.Object) {
	t.Helper()
	for name, text := range files {
		if path.Ext(name) != ".yaml" {
			continue
		}
		for document := range strings.SplitSeq(text, "\n---\n") {
			if document = strings.TrimSpace(document); document != "" {
				objects = append(objects, decode(t, []byte(document)))
			}
		}
	}
	return objects
}

func TestEveryValuesFileIsAnInstall(t *testing.T) {
	files, err := filepath.Glob("../helm/examples/*")
	if err != nil || len(files) != len(overlays) {
		t.Errorf("%d files in helm/examples, %d overlays (%v)", len(files), len(overlays), err)
	}
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range overlays {
		if !strings.Contains(string(page), "(helm/examples/"+name+".yaml) | [`"+name+"`](kubernetes/"+name+"/kustomization.yaml) |") {
			t.Errorf("deploy/README.md has no row for %s", name)
		}
	}
}

// TestWrongValues: what is wrong is refused, and named.
func TestWrongValues(t *testing.T) {
	for _, c := range []struct{ values, names string }{
		{"replica: 3", "'replica'"},
		{"replicas: two", "'/replicas'"},
		{"settings: {KAFKA_BROKER: b:9092}", "at '/settings': additional properties 'KAFKA_BROKER' not allowed"},
		{"settings: {SMARTASSIST_CLIENT_SECRET: geheim}", "'SMARTASSIST_CLIENT_SECRET'"},
		{"settings: {KAFKA_TLS: on}", "'/settings/KAFKA_TLS'"},
		{"settings: {SMARTASSIST_REQUESTS_PER_MINUTE: many}", "'/settings/SMARTASSIST_REQUESTS_PER_MINUTE'"},
		{"settings: {SMARTASSIST_ACCOUNT_ID: 123}", "'/settings/SMARTASSIST_ACCOUNT_ID'"},
		{"secrets: {login: {existing: a, create: {f: g}}}", "'/secrets/login'"},
		{"secrets: {login: {exists: a}}", "'exists'"},
		{"secrets: {Login: {existing: a}}", "'Login'"},
		{"secrets: {login: {external: {store: {kind: SecretStore, name: vault}}}}", "'/secrets/login/external'"},
		{"resources: {limits: {memory: 1G}}", "'/resources/limits/memory'"},
		{"networkPolicy: {kafka: {to: [{namespace: kafka}]}}", "'namespace'"},
		{"networkPolicy: {kafka: {ports: [99999]}}", "'/networkPolicy/kafka/ports/0'"},
		{"podMonitor: {interval: often}", "'/podMonitor/interval'"},
		{"podMonitor: {tokenSecret: {name: a}}", "'/podMonitor/tokenSecret'"},
		{"secrets: {login: {existing: null, token: {}}}", "'audience'"},
		{"image: {digest: abc}", "'/image/digest'"},
		{"settings: {KAFKA_BROKERS: null}", "settings.KAFKA_BROKERS is not set"},
		{"settings: {SMARTASSIST_URL: ''}", "settings.SMARTASSIST_URL is not set"},
		{"settings: {SMARTASSIST_ACCOUNT_ID: null}", "settings.SMARTASSIST_ACCOUNT_ID is not set"},
		{"settings: {ACCOUNTS_DIR: /etc/convstream/login}", "are both set"},
		{"settings: {KAFKA_TLS_CA_FILE: /etc/convstream/ca/ca.crt}", "settings.KAFKA_TLS_CA_FILE is /etc/convstream/ca/ca.crt"},
		{"settings: {KAFKA_TLS_CA_FILE: /var/ca.crt}", "settings.KAFKA_TLS_CA_FILE is /var/ca.crt"},
		{"settings: {SHUTDOWN_TIMEOUT: 40s}", "terminationGracePeriodSeconds is 40"},
	} {
		values := with(example(t, "example"), parseValues(t, c.values))
		if _, err := template(t, values); err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: want an error that says %s, got %v", c.values, c.names, err)
		}
	}
}

// TestOtherValues are those that no install has.
func TestOtherValues(t *testing.T) {
	objects := helm(t, with(example(t, "example"), parseValues(t, `
image: {tag: null, digest: "sha256:`+strings.Repeat("0a", 32)+`", pullPolicy: Always}
imagePullSecrets: [{name: pull}]
fullnameOverride: other
settings: {ADMIN_ADDR: ":9999", SMARTASSIST_REQUESTS_PER_MINUTE: 100000, TOPIC_CREATE: false, LOG_FORMAT: null}
secrets: {login: {existing: null, create: {client-secret: "a\"b"}}}
nodeSelector: {disk: fast}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {}}
podLabels: {team: data}
podAnnotations: {note: "yes"}
networkPolicy: {enabled: true, monitoring: {from: []}, extraEgress: [{to: [{ipBlock: {cidr: 10.0.0.1/32}}]}]}
podMonitor: {enabled: true, labels: {release: prometheus}, tokenSecret: {name: other-login, key: admin-token}}
prometheusRule: {enabled: true, labels: {release: prometheus}}
`)))
	pod, container := worker(t, objects)
	env := environment(t, objects)
	secret, monitor := only[*corev1.Secret](t, objects), only[*monitoringv1.PodMonitor](t, objects)
	for what, holds := range map[string]bool{
		"the digest":         container.Image == "registry.example/convstream@sha256:"+strings.Repeat("0a", 32),
		"the pull policy":    container.ImagePullPolicy == corev1.PullAlways,
		"the pull secret":    len(pod.ImagePullSecrets) == 1 && pod.ImagePullSecrets[0].Name == "pull",
		"the name":           pod.ServiceAccountName == "other",
		"the port":           container.Ports[0].ContainerPort == 9999,
		"a number":           env["SMARTASSIST_REQUESTS_PER_MINUTE"] == "100000",
		"a boolean":          env["TOPIC_CREATE"] == "false",
		"a setting unset":    env["LOG_FORMAT"] == "",
		"the Secret":         secret.StringData["client-secret"] == `a"b`,
		"the Secret's mount": pod.Volumes[0].Secret.SecretName == secret.Name,
		"the labels":         monitor.Labels["release"] == "prometheus" && only[*monitoringv1.PrometheusRule](t, objects).Labels["release"] == "prometheus",
		"the token's Secret": monitor.Spec.PodMetricsEndpoints[0].Authorization.Credentials.Name == "other-login",
		"the node":           pod.NodeSelector["disk"] == "fast" && len(pod.Tolerations) == 1 && pod.Affinity != nil,
	} {
		if !holds {
			t.Errorf("not rendered as it should be: %s", what)
		}
	}
}

// TestTokenOfTheServiceAccount: it is mounted beside what does not mount the account's own, and a restricted namespace admits it.
func TestTokenOfTheServiceAccount(t *testing.T) {
	objects := helm(t, with(example(t, "example"), parseValues(t, `
settings: {KAFKA_SASL_MECHANISM: OAUTHBEARER, KAFKA_SASL_OAUTH_TOKEN_FILE: /etc/convstream/kafka-token/token}
secrets: {kafka-token: {token: {audience: kafka}}}
`)))
	template := only[*appsv1.Deployment](t, objects).Spec.Template
	if why := forbidden(t, &template.ObjectMeta, &template.Spec); why != "" {
		t.Error(why)
	}
	volume := template.Spec.Volumes[0]
	if volume.Name != "kafka-token" || volume.Secret != nil || volume.Projected == nil || len(volume.Projected.Sources) != 1 {
		t.Fatalf("volume %v", volume)
	}
	token := volume.Projected.Sources[0].ServiceAccountToken
	if token == nil || token.Path != "token" || token.Audience != "kafka" || *token.ExpirationSeconds != 3600 {
		t.Errorf("token %v", token)
	}
	_, container := worker(t, objects)
	if container.VolumeMounts[0].MountPath != "/etc/convstream/kafka-token" {
		t.Errorf("mounts %v", container.VolumeMounts)
	}
}

// TestReleaseNames: several releases in one namespace have names and pods of their own.
func TestReleaseNames(t *testing.T) {
	for release, want := range map[string]string{"convstream": "convstream", "eu": "eu-convstream", "my-convstream-2": "my-convstream-2"} {
		files, err := templateAs(t, release, with(example(t, "example"), parseValues(t, "secrets: {login: {existing: null, create: {client-secret: a}}}")))
		if err != nil {
			t.Fatal(err)
		}
		objects := decodeAll(t, files)
		deployment := only[*appsv1.Deployment](t, objects)
		labels := deployment.Spec.Selector.MatchLabels
		if deployment.Name != want || labels["app.kubernetes.io/instance"] != release || only[*corev1.Secret](t, objects).Name != want+"-login" {
			t.Errorf("release %s: %s, pods %v", release, deployment.Name, labels)
		}
		if notes := files["convstream/templates/NOTES.txt"]; !strings.Contains(notes, "kubectl -n convstream exec deployment/"+want+" -- /convstream check") {
			t.Errorf("notes of release %s:\n%s", release, notes)
		}
	}
}
