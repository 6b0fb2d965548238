package deploy

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestNetworkPolicy: the admin port may be reached by those that are named, and what the settings name may be reached.
func TestNetworkPolicy(t *testing.T) {
	eachMonitored(t, func(t *testing.T, objects []runtime.Object) {
		policy := only[*networkingv1.NetworkPolicy](t, objects).Spec
		selects(t, "the NetworkPolicy", &policy.PodSelector, only[*appsv1.Deployment](t, objects).Spec.Template.Labels)
		if want := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}; !slices.Equal(policy.PolicyTypes, want) {
			t.Errorf("policyTypes %v, want %v", policy.PolicyTypes, want)
		}
		in := policy.Ingress
		if len(in) != 1 || len(in[0].From) == 0 || len(in[0].Ports) != 1 || in[0].Ports[0].Port.IntVal != adminPort(t, objects) {
			t.Errorf("ingress %v", in)
		}
		open := map[string]bool{}
		for _, rule := range policy.Egress {
			if len(rule.Ports) == 0 {
				t.Errorf("every port is open to %v", rule.To)
			}
			for _, port := range rule.Ports {
				open[port.Port.String()] = true
			}
		}
		for _, port := range append(portsNeeded(t, environment(t, objects)), "53") {
			if !open[port] {
				t.Errorf("port %s is needed and not open, unlike %v", port, open)
			}
			delete(open, port)
		}
		for port := range open {
			t.Errorf("port %s is open, and no setting needs it", port)
		}
	})
}

// portsNeeded are those of the brokers, of the registry and of the service.
func portsNeeded(t *testing.T, env map[string]string) (ports []string) {
	t.Helper()
	for broker := range strings.SplitSeq(env["KAFKA_BROKERS"], ",") {
		_, port, err := net.SplitHostPort(broker)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	for _, name := range []string{"SMARTASSIST_URL", "SCHEMA_REGISTRY_URL"} {
		address, err := url.Parse(env[name])
		if err != nil {
			t.Fatal(err)
		}
		if port := address.Port(); port != "" {
			ports = append(ports, port)
		} else if address.Scheme == "https" {
			ports = append(ports, "443")
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

func TestPodMonitor(t *testing.T) {
	eachMonitored(t, func(t *testing.T, objects []runtime.Object) {
		monitor := only[*monitoringv1.PodMonitor](t, objects).Spec
		selects(t, "the PodMonitor", &monitor.Selector, only[*appsv1.Deployment](t, objects).Spec.Template.Labels)
		_, container := worker(t, objects)
		endpoints := monitor.PodMetricsEndpoints
		if len(endpoints) != 1 || endpoints[0].Port == nil || portNumber(container, *endpoints[0].Port) != adminPort(t, objects) || endpoints[0].Path != "/metrics" {
			t.Errorf("endpoints %v", endpoints)
		}
	})
}

// eachMonitored runs a check on the installs that have the components for the network and for Prometheus.
func eachMonitored(t *testing.T, check func(*testing.T, []runtime.Object)) {
	for _, name := range []string{"strimzi", "msk", "confluent-cloud"} {
		t.Run("kustomize/"+name, func(t *testing.T) { check(t, kustomize(t, name)) })
		t.Run("helm/"+name, func(t *testing.T) { check(t, helm(t, example(t, name))) })
	}
}

// TestPortsOfAddresses: the chart takes the ports of its policy from the settings.
func TestPortsOfAddresses(t *testing.T) {
	objects := helm(t, with(example(t, "confluent-cloud"), parseValues(t, `
settings:
  SMARTASSIST_URL: https://smartassist.example:8443/base
  SCHEMA_REGISTRY_URL: http://registry.kafka.svc/apis/ccompat/v7
  KAFKA_BROKERS: "a:19092, b:29092,[::1]:19092"
`)))
	var ports []string
	for _, rule := range only[*networkingv1.NetworkPolicy](t, objects).Spec.Egress {
		for _, port := range rule.Ports {
			ports = append(ports, port.Port.String())
		}
	}
	if got, want := strings.Join(ports, " "), "53 53 19092 29092 80 8443"; got != want {
		t.Errorf("ports %s, want %s", got, want)
	}
}
