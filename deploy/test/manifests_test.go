package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// forbidden is what Pod Security at level restricted has against a pod.
func forbidden(t *testing.T, meta *metav1.ObjectMeta, pod *corev1.PodSpec) string {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, meta, pod))
	if result.Allowed {
		return ""
	}
	return result.ForbiddenDetail()
}

func TestRestrictedNamespaceAdmitsThePod(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		template := only[*appsv1.Deployment](t, objects).Spec.Template
		if why := forbidden(t, &template.ObjectMeta, &template.Spec); why != "" {
			t.Error(why)
		}
		for name, spoil := range map[string]func(*corev1.PodSpec){
			"runAsNonRoot": func(p *corev1.PodSpec) { p.SecurityContext.RunAsNonRoot = nil },
			"seccomp":      func(p *corev1.PodSpec) { p.SecurityContext.SeccompProfile = nil },
			"capabilities": func(p *corev1.PodSpec) { p.Containers[0].SecurityContext.Capabilities = nil },
			"escalation":   func(p *corev1.PodSpec) { p.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
		} {
			spoilt := template.Spec.DeepCopy()
			spoil(spoilt)
			if forbidden(t, &template.ObjectMeta, spoilt) == "" {
				t.Errorf("admitted without %s: this test proves nothing", name)
			}
		}
	})
}

func TestNamespaceIsRestricted(t *testing.T) {
	for _, name := range overlays {
		namespace := only[*corev1.Namespace](t, kustomize(t, name))
		if got := namespace.Labels[api.EnforceLevelLabel]; got != string(api.LevelRestricted) {
			t.Errorf("%s: %s is %q", name, api.EnforceLevelLabel, got)
		}
	}
}

func TestPodHardening(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		pod, container := worker(t, objects)
		account := only[*corev1.ServiceAccount](t, objects)
		for what, holds := range map[string]bool{
			"the pod mounts no token":             isFalse(pod.AutomountServiceAccountToken),
			"the account mounts no token":         isFalse(account.AutomountServiceAccountToken),
			"the pod uses its own account":        pod.ServiceAccountName == account.Name,
			"service links are off":               isFalse(pod.EnableServiceLinks),
			"the uid is 65532":                    pod.SecurityContext.RunAsUser != nil && *pod.SecurityContext.RunAsUser == 65532,
			"the gid is 65532":                    pod.SecurityContext.RunAsGroup != nil && *pod.SecurityContext.RunAsGroup == 65532,
			"the root file system is read-only":   container.SecurityContext.ReadOnlyRootFilesystem != nil && *container.SecurityContext.ReadOnlyRootFilesystem,
			"CPU is requested":                    !container.Resources.Requests.Cpu().IsZero(),
			"memory is requested":                 !container.Resources.Requests.Memory().IsZero(),
			"memory is limited":                   !container.Resources.Limits.Memory().IsZero(),
			"CPU is not limited":                  container.Resources.Limits.Cpu().IsZero(),
			"GOMEMLIMIT is nine tenths of memory": nineTenths(t, container),
			"the command is one there is":         len(container.Command) == 0 && len(container.Args) == 1 && container.Args[0] == "run",
			"no volume is writable":               allReadOnly(container),
			"no file is mounted by a subPath":     noSubPath(container),
			"a registry's name is left to others": !strings.Contains(container.Image, "latest"),
		} {
			if !holds {
				t.Errorf("not so: %s", what)
			}
		}
	})
}

func isFalse(b *bool) bool { return b != nil && !*b }

// nineTenths reports whether GOMEMLIMIT is that of the memory limit, in whole MiB.
func nineTenths(t *testing.T, c *corev1.Container) bool {
	t.Helper()
	for _, e := range c.Env {
		if e.Name == "GOMEMLIMIT" {
			return e.ValueFrom == nil && e.Value == fmt.Sprintf("%dMiB", c.Resources.Limits.Memory().Value()*9/10>>20)
		}
	}
	return false
}

func allReadOnly(c *corev1.Container) bool {
	for _, m := range c.VolumeMounts {
		if !m.ReadOnly {
			return false
		}
	}
	return true
}

func noSubPath(c *corev1.Container) bool {
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" || m.SubPathExpr != "" {
			return false
		}
	}
	return true
}

// TestOneWorksOneStandsBy: two replicas, or three for many accounts, need the lease, and an update that starts a standby before it
// ends the active one.
func TestOneWorksOneStandsBy(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		spec := only[*appsv1.Deployment](t, objects).Spec
		replicas := int32(2)
		if effective(t, objects, "ACCOUNTS_DIR") != "" {
			replicas = 3
		}
		if spec.Replicas == nil || *spec.Replicas != replicas || effective(t, objects, "LEASE") != "on" {
			t.Errorf("replicas %v, LEASE %s", spec.Replicas, effective(t, objects, "LEASE"))
		}
		update := spec.Strategy.RollingUpdate
		if spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || update == nil ||
			update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() != 1 {
			t.Errorf("strategy %v", spec.Strategy)
		}
		selects(t, "the Deployment", spec.Selector, spec.Template.Labels)
	})
}

// selects holds that a selector means the worker's pods.
func selects(t *testing.T, whose string, selector *metav1.LabelSelector, pod map[string]string) {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil || s.Empty() || !s.Matches(labels.Set(pod)) {
		t.Errorf("%s selects %v, the pod has %v (%v)", whose, selector, pod, err)
	}
}

func TestDisruptionBudget(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		budget := only[*policyv1.PodDisruptionBudget](t, objects).Spec
		if budget.MaxUnavailable == nil || budget.MaxUnavailable.IntValue() != 1 || budget.MinAvailable != nil {
			t.Errorf("maxUnavailable %v, minAvailable %v", budget.MaxUnavailable, budget.MinAvailable)
		}
		if p := budget.UnhealthyPodEvictionPolicy; p == nil || *p != policyv1.AlwaysAllow {
			t.Errorf("unhealthyPodEvictionPolicy %v", p)
		}
		selects(t, "the PodDisruptionBudget", budget.Selector, only[*appsv1.Deployment](t, objects).Spec.Template.Labels)
	})
}

// TestSpread: the replicas are wanted apart, but one node is enough to run them.
func TestSpread(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		template := only[*appsv1.Deployment](t, objects).Spec.Template
		wanted := map[string]bool{corev1.LabelHostname: true, corev1.LabelTopologyZone: true}
		for _, c := range template.Spec.TopologySpreadConstraints {
			delete(wanted, c.TopologyKey)
			if c.WhenUnsatisfiable != corev1.ScheduleAnyway || !slices.Equal(c.MatchLabelKeys, []string{appsv1.DefaultDeploymentUniqueLabelKey}) {
				t.Errorf("spread over %s: %s, %v", c.TopologyKey, c.WhenUnsatisfiable, c.MatchLabelKeys)
			}
			selects(t, "the spread over "+c.TopologyKey, c.LabelSelector, template.Labels)
		}
		if len(wanted) > 0 {
			t.Errorf("not spread over %v", wanted)
		}
	})
}

func TestProbes(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		_, container := worker(t, objects)
		for name, probe := range map[string]struct {
			probe *corev1.Probe
			path  string
		}{
			"startup":   {container.StartupProbe, "/healthz"},
			"liveness":  {container.LivenessProbe, "/healthz"},
			"readiness": {container.ReadinessProbe, "/readyz"},
		} {
			switch get := probe.probe; {
			case get == nil || get.HTTPGet == nil:
				t.Errorf("no %s probe", name)
			case get.HTTPGet.Path != probe.path || portNumber(container, get.HTTPGet.Port.String()) != adminPort(t, objects):
				t.Errorf("%s probe asks %s on port %s", name, get.HTTPGet.Path, get.HTTPGet.Port.String())
			}
		}
	})
}

func portNumber(c *corev1.Container, name string) int32 {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}

func TestGraceIsLongerThanTheDrain(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		pod, _ := worker(t, objects)
		drain, err := time.ParseDuration(effective(t, objects, "SHUTDOWN_TIMEOUT"))
		if err != nil {
			t.Fatal(err)
		}
		if pod.TerminationGracePeriodSeconds == nil || time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second < drain+5*time.Second {
			t.Errorf("terminationGracePeriodSeconds %v leaves too little beyond a drain of %v", pod.TerminationGracePeriodSeconds, drain)
		}
	})
}
