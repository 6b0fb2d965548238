package kraft

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAnOlderEpochIsFenced: a producer that names its epoch when it asks for the next one (KIP-360) is refused once another has
// taken one. The worker relies on that after a commit that is in doubt; kfake is made to do the same in the worker's tests.
func TestAnOlderEpochIsFenced(t *testing.T) {
	c := ForTest(t, Config{Nodes: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client := clientOf(t, c)
	acquire := func(id int64, epoch int16) (int64, int16, error) {
		for {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = kmsg.StringPtr("worker"), 30_000, id, epoch
			res, err := req.RequestWith(ctx, client)
			if err == nil {
				err = kerr.ErrorForCode(res.ErrorCode)
			}
			if !kerr.IsRetriable(err) {
				if err != nil {
					return 0, 0, err
				}
				return res.ProducerID, res.ProducerEpoch, nil
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	id, first, err := acquire(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, next, err := acquire(id, first); err != nil || next != first+1 {
		t.Fatalf("the present epoch: %d, %v", next, err)
	}
	_, other, err := acquire(-1, -1)
	if err != nil || other != first+2 {
		t.Fatalf("another one: %d, %v", other, err)
	}
	for _, older := range []int16{first, first + 1} {
		if _, epoch, err := acquire(id, older); !errors.Is(err, kerr.ProducerFenced) {
			t.Errorf("epoch %d, when %d is another's: %d, %v", older, other, epoch, err)
		}
	}
}
