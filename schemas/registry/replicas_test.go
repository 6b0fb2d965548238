package registry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestReplicas: a replica that starts at the same time is ahead of us with every write, and the registry says so as Apicurio
// does. Where it has done what we wanted, all is well; where that is not to be seen yet, it is asked again.
func TestReplicas(t *testing.T) {
	for _, done := range []bool{true, false} {
		f := &fake{}
		f.answer = func(method, path string) (int, string) {
			switch {
			case method != http.MethodPut && !strings.HasSuffix(path, "/versions"):
				return 0, ""
			case done:
				f.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, strings.NewReader(f.bodies[len(f.bodies)-1])))
			}
			return http.StatusConflict, `{"error_code":409,"message":"A rule named 'COMPATIBILITY' already exists."}`
		}
		r, log := open(t, f, nil)
		ids, err := r.IDs(t.Context(), topics)
		if !done {
			if e := failure(t, err); e.Final || !strings.Contains(e.Error(), "already exists") {
				t.Errorf("final %t: %v", e.Final, e)
			}
			continue
		}
		if err != nil || len(ids) != len(topics) || log.Len() > 0 || f.count("PUT") != len(topics) {
			t.Errorf("%v, %v, %s, %v", ids, err, log, f.requests)
		}
		for topic := range topics {
			if there, _ := f.GetSchema(topic+"-value", 1); uint32(there.ID) != ids[topic] {
				t.Errorf("%s: id %d, there is %d", topic, ids[topic], there.ID)
			}
		}
	}
}

// TestConflictElsewhere: only a schema that is not taken ends the process.
func TestConflictElsewhere(t *testing.T) {
	for _, status := range []int{http.StatusConflict, http.StatusUnprocessableEntity} {
		f := &fake{answer: func(method, path string) (int, string) {
			if !strings.HasSuffix(path, "/versions") && method == http.MethodPost {
				return status, fmt.Sprintf(`{"error_code":%d,"message":"busy"}`, status)
			}
			return 0, ""
		}}
		r, _ := open(t, f, nil)
		if e := failure(t, second(r.IDs(t.Context(), topics))); e.Final || e.Category != Schema {
			t.Errorf("status %d, final %t: %v", status, e.Final, e)
		}
	}
}
