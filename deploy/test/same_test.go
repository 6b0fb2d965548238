package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// helmLabels are those that Helm's charts have and kustomize's folders have not: they tell the releases in a namespace apart.
var helmLabels = []string{"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"}

// TestHelmAndKustomizeAreTheSame: what differs is the labels of Helm, the Namespace (which Helm does not make), and how a changed
// setting rolls the pods: by an annotation, not by a hash in the name of the ConfigMap. Each of these must differ.
func TestHelmAndKustomizeAreTheSame(t *testing.T) {
	for _, name := range overlays {
		t.Run(name, func(t *testing.T) {
			used := map[string]bool{}
			one, other := stripped(t, kustomize(t, name), used), stripped(t, helm(t, example(t, name)), used)
			if diff := cmp.Diff(one, other); diff != "" {
				t.Errorf("kustomize (-) and Helm (+) differ:\n%s", diff)
			}
			for _, difference := range append([]string{"Namespace", settingsAnnotation, "hash"}, helmLabels...) {
				if !used[difference] {
					t.Errorf("%s is said to differ, and does not", difference)
				}
			}
		})
	}
}

// stripped are the objects by kind and name, without what may differ; what it takes away goes into used.
func stripped(t *testing.T, objects []runtime.Object, used map[string]bool) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, object := range objects {
		named, err := meta.Accessor(object)
		if err != nil {
			t.Fatal(err)
		}
		kind := object.GetObjectKind().GroupVersionKind().Kind
		if kind == "Namespace" {
			used[kind] = true
			continue
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if kind == "ConfigMap" && hashed.MatchString(named.GetName()) {
			used["hash"] = true
			named.SetName("convstream")
		}
		var tree any
		if err := json.Unmarshal(text, &tree); err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprintf("%s %s/%s", kind, named.GetNamespace(), named.GetName())] = without(tree, used)
	}
	return all
}

// without takes away Helm's labels, the annotation and the hash, wherever they are.
func without(tree any, used map[string]bool) any {
	switch node := tree.(type) {
	case []any:
		for i := range node {
			node[i] = without(node[i], used)
		}
	case map[string]any:
		for _, name := range append([]string{settingsAnnotation}, helmLabels...) {
			if _, there := node[name]; there {
				used[name] = true
				delete(node, name)
			}
		}
		for name := range maps.Clone(node) {
			node[name] = without(node[name], used)
			if empty, is := node[name].(map[string]any); is && len(empty) == 0 && name == "annotations" {
				delete(node, name)
			}
		}
	case string:
		if strings.HasPrefix(node, "convstream-") && hashed.MatchString(node) {
			return "convstream"
		}
	}
	return tree
}
