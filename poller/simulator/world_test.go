package simulator

import (
	"encoding/json"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	s := serve(t, world30(1, nil))
	a := s.do(t, ask{limit: 100})
	t.Log(a.status, a.numResults, len(a.rows), a.header, s.Stats())
	n, bytes := 0, 0
	for r := range s.RowsAt(time.Now(), noon.Add(-time.Hour), noon) {
		if !json.Valid(r.Raw) {
			t.Fatalf("%s", r.Raw)
		}
		if n < 4 {
			t.Logf("%s", r.Raw)
		}
		n++
		bytes += len(r.Raw)
	}
	t.Log(n, bytes/n)
}
