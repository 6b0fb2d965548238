package consumers

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/convstream/convstream/cmd/internal/proof/apicurio"
	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/schemas"
	"github.com/convstream/convstream/schemas/registry"
)

// TestKafkaReplicas has two processes register the same new subjects at once, with a registry that answers the second of
// two writes with a conflict. Neither may give up, and both get the same ids.
func TestKafkaReplicas(t *testing.T) {
	kraft.Skip(t)
	served, err := apicurio.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(served.Stop)
	again := 0
	const rounds = 20
	for round := range rounds {
		topics := map[string]schemas.Schema{}
		for i := range 3 {
			topics[fmt.Sprintf("replicas-%d.%d", round, i)] = schemas.Conversation
		}
		var ids [2]map[string]uint32
		var tries [2]int
		var group errgroup.Group
		for i := range ids {
			r, err := registry.Open(registry.Config{URL: served.URL, Register: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			group.Go(func() (err error) {
				for ; tries[i] < 10; tries[i]++ {
					ids[i], err = r.IDs(t.Context(), topics)
					if e, ok := errors.AsType[*registry.Error](err); !ok || e.Final {
						return err
					}
				}
				return err
			})
		}
		if err := group.Wait(); err != nil || !maps.Equal(ids[0], ids[1]) || len(ids[0]) != len(topics) {
			t.Errorf("round %d: %v and %v, %v", round, ids[0], ids[1], err)
		}
		again += tries[0] + tries[1]
	}
	t.Logf("two replicas, %d rounds, asked again %d times", rounds, again)
}
