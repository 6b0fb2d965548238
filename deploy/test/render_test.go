// Package deploy holds the manifests and the image against what they promise, with the code that a cluster itself would
// use: client-go's strict decoder, kustomize, Helm's engine, and the evaluator of Pod Security admission. It is a module of its own, so
// that none of this becomes a dependency of the worker.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const (
	repository = "../.."
	manifests  = "../kubernetes"
)

// base is the folder that the overlays have in common; overlays are those to copy, each of which Helm makes too, with the values
// of the same name in ../helm/examples.
const base = "base"

var overlays = []string{"example", "many", "strimzi", "msk", "confluent-cloud"}

// decode reads one manifest as an API server does with strict field validation.
func decode(t *testing.T, text []byte) runtime.Object {
	t.Helper()
	object, _, err := strict().Decode(text, nil, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return object
}

// kustomize builds a folder and decodes what comes out.
func kustomize(t *testing.T, name string) []runtime.Object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(manifests, name))
	if err != nil {
		t.Fatal(err)
	}
	var objects []runtime.Object
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, decode(t, text))
	}
	return objects
}

// only returns the one object of its type.
func only[T runtime.Object](t *testing.T, objects []runtime.Object) T {
	t.Helper()
	var found []T
	for _, o := range objects {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

// each runs a check on the base, the overlays and what Helm makes of the same.
func each(t *testing.T, check func(*testing.T, []runtime.Object)) {
	t.Run("kustomize/"+base, func(t *testing.T) { check(t, kustomize(t, base)) })
	eachInstall(t, check)
}

// eachInstall leaves out the base, which says nothing about any account.
func eachInstall(t *testing.T, check func(*testing.T, []runtime.Object)) {
	for _, name := range overlays {
		t.Run("kustomize/"+name, func(t *testing.T) { check(t, kustomize(t, name)) })
		t.Run("helm/"+name, func(t *testing.T) { check(t, helm(t, example(t, name))) })
	}
}

// worker is the pod of the Deployment and its only container.
func worker(t *testing.T, objects []runtime.Object) (*corev1.PodSpec, *corev1.Container) {
	t.Helper()
	pod := &only[*appsv1.Deployment](t, objects).Spec.Template.Spec
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Fatalf("%d containers and %d init containers, want 1 and 0", len(pod.Containers), len(pod.InitContainers))
	}
	return pod, &pod.Containers[0]
}

func TestSourcesDecodeStrictly(t *testing.T) {
	files, err := filepath.Glob(manifests + "/*/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) != "kustomization.yaml" {
			decode(t, text)
			continue
		}
		if err := yaml.UnmarshalStrict(text, &types.Kustomization{}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestNoSourceIsForgotten(t *testing.T) {
	folders, err := os.ReadDir(manifests)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		root := filepath.Join(manifests, folder.Name())
		text, err := os.ReadFile(root + "/kustomization.yaml")
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			use := regexp.MustCompile("(?m)(^ +- |kubectl apply -f )" + regexp.QuoteMeta(e.Name()) + "$")
			if e.IsDir() {
				use = regexp.MustCompile("--from-file=" + e.Name() + "/\n")
			}
			if e.Name() != "kustomization.yaml" && !use.Match(text) {
				t.Errorf("%s/%s is in no list of kustomization.yaml", root, e.Name())
			}
		}
	}
}
