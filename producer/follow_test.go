package producer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestFollow returns records as they are committed, not those of open or aborted transactions, and nil when its context ends.
func TestFollow(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		ended := make(chan error)
		r := w.open(func(cfg *Config) { cfg.TransactionalID = "" }).NewReader(state, 0)
		go func() {
			ended <- r.Follow(ctx, func(m Message) error { got = append(got, string(m.Value)); return nil })
		}()
		aborted := errors.New("closing fails")
		for i, value := range []string{"1", "2", "3"} {
			if err := p.Commit(t.Context(), nil, closeWith(value)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if len(got) != i+1 {
				t.Fatalf("a second after commit %s: %v", value, got)
			}
			first, _ := closeWith("aborted")(nil)
			if err := p.Commit(t.Context(), first, func(map[string]int64) ([]Record, error) { return nil, aborted }); !errors.Is(err, aborted) {
				t.Fatal(err)
			}
			if err := p.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		cancel()
		if err := <-ended; err != nil || !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("read %v, %v", got, err)
		}
		refuses := errors.New("no more")
		err := w.open().NewReader(state, 0).Follow(t.Context(), func(Message) error { return refuses })
		if err != refuses {
			t.Errorf("an error of visit came back as %v", err)
		}
	})
}

// TestStableLag counts the offsets from the beginning of the oldest open transaction on, markers of others among them.
func TestStableLag(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		other := w.acquired(func(cfg *Config) { cfg.TransactionalID = "other" })
		lags := func(want int64) {
			t.Helper()
			if lag, err := p.StableLag(t.Context(), state, 0); err != nil || lag != want {
				t.Errorf("lag %d, %v, want %d", lag, err, want)
			}
		}
		commit := func() {
			t.Helper()
			if err := p.Commit(t.Context(), nil, closeWith("ours")); err != nil {
				t.Fatal(err)
			}
		}
		commit()
		lags(0)
		opened, held, ended := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			first, _ := closeWith("other")(nil)
			ended <- other.Commit(t.Context(), first, func(map[string]int64) ([]Record, error) { close(opened); <-held; return nil, nil })
		}()
		<-opened
		lags(1)
		commit() // a record and its marker
		lags(3)
		close(held)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		lags(0)
		e, ok := errors.AsType[*Error](func() error { _, err := p.StableLag(t.Context(), state, 7); return err }())
		if !ok || e.Op != "look up offsets of "+state+"-7" || e.Category != Leader {
			t.Errorf("a partition that does not exist: %v", e)
		}
	})
}

// TestOffsetAfterEmpty: the end counts as reached only after several empty answers, for each partition by itself.
func TestOffsetAfterEmpty(t *testing.T) {
	tl := &tail{empty: map[partition]int{}}
	a, b := &position{partition{"t", 0}, 3}, &position{partition{"t", 1}, 5}
	for i := 1; i < emptyAnswersBelieved; i++ {
		if got := tl.offsetAfterEmpty(a, 9); got != 3 {
			t.Fatalf("after %d empty answers at offset %d", i, got)
		}
	}
	if got := tl.offsetAfterEmpty(b, 9); got != 5 {
		t.Errorf("the first empty answer of another partition: offset %d", got)
	}
	if got := tl.offsetAfterEmpty(a, 9); got != 9 {
		t.Errorf("after %d empty answers at offset %d, want the end", emptyAnswersBelieved, got)
	}
}
