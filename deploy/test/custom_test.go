package deploy

import (
	"sync"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
)

// strict decodes the kinds of Kubernetes, those of the operator of Prometheus, and the two below, and refuses fields that they do
// not have.
var strict = sync.OnceValue(func() runtime.Decoder {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(known); err != nil {
			panic(err)
		}
	}
	known.AddKnownTypeWithName(schema.GroupVersionKind{Group: "external-secrets.io", Version: "v1", Kind: "ExternalSecret"}, &externalSecret{})
	known.AddKnownTypeWithName(schema.GroupVersionKind{Group: "kafka.strimzi.io", Version: "v1", Kind: "KafkaUser"}, &kafkaUser{})
	return serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
})

// externalSecret is what the manifests use of External Secrets' kind, as its documentation has it.
type externalSecret struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		RefreshInterval metav1.Duration `json:"refreshInterval"`
		SecretStoreRef  struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"secretStoreRef"`
		Target struct {
			Name           string `json:"name"`
			CreationPolicy string `json:"creationPolicy"`
			DeletionPolicy string `json:"deletionPolicy"`
		} `json:"target"`
		Data []struct {
			SecretKey string    `json:"secretKey"`
			RemoteRef remoteRef `json:"remoteRef"`
		} `json:"data,omitempty"`
		DataFrom []struct {
			Extract *remoteRef `json:"extract,omitempty"`
			Find    *struct {
				Name struct {
					RegExp string `json:"regexp"`
				} `json:"name"`
			} `json:"find,omitempty"`
			Rewrite []struct {
				Regexp struct {
					Source string `json:"source"`
					Target string `json:"target"`
				} `json:"regexp"`
			} `json:"rewrite,omitempty"`
		} `json:"dataFrom,omitempty"`
	} `json:"spec"`
}

type remoteRef struct {
	Key      string `json:"key"`
	Property string `json:"property,omitempty"`
}

func (e *externalSecret) DeepCopyObject() runtime.Object { c := *e; return &c }

// kafkaUser is what the manifests use of Strimzi's kind.
type kafkaUser struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Authentication struct {
			Type string `json:"type"`
		} `json:"authentication"`
		Authorization struct {
			Type string `json:"type"`
			ACLs []struct {
				Resource struct {
					Type        string `json:"type"`
					Name        string `json:"name"`
					PatternType string `json:"patternType"`
				} `json:"resource"`
				Operations []string `json:"operations"`
			} `json:"acls"`
		} `json:"authorization"`
	} `json:"spec"`
}

func (u *kafkaUser) DeepCopyObject() runtime.Object { c := *u; return &c }
