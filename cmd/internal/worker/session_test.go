package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/convstream/convstream/poller"
)

// committing is a Sink that commits for as long as its context allows.
type committing struct{ poller.Sink }

func (committing) Commit(ctx context.Context, _ poller.Bundle) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestACommitThatHasBegun: the poller's context does not cut it off, the end of the drain does.
func TestACommitThatHasBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		polling, stop := context.WithCancel(t.Context())
		hard, cutOff := context.WithCancel(t.Context())
		var err error
		go func() { err = finishing{committing{}, hard}.Commit(polling, poller.Bundle{}) }()
		stop()
		if synctest.Wait(); err != nil {
			t.Fatalf("cut off by the poller's context: %v", err)
		}
		cutOff()
		if synctest.Wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
	})
}
