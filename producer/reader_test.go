package producer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// TestResume continues with the record at the offset. While a transaction that began before it is open, the last stable offset lies
// before it; that is not taken for a truncation, but an offset out of range is.
func TestResume(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		other := w.acquired(func(cfg *Config) { cfg.TransactionalID = "other" })
		held, ended := make(chan struct{}), make(chan error)
		opened := make(chan struct{})
		go func() {
			first, _ := closeWith("other")(nil)
			ended <- other.Commit(t.Context(), first, func(map[string]int64) ([]Record, error) { close(opened); <-held; return nil, nil })
		}()
		<-opened
		for _, value := range []string{"1", "2"} {
			if err := p.Commit(t.Context(), nil, closeWith(value)); err != nil {
				t.Fatal(err)
			}
		}
		at := p.LastWritten(state, 0)
		var got []string
		visit := func(m Message) error { got = append(got, string(m.Value)); return nil }
		first := p.NewReader(state, 0)
		if err := first.CatchUpStable(t.Context(), visit); err != nil {
			t.Fatal(err)
		}
		r := p.Resume(first, at)
		if err := r.CatchUpStable(t.Context(), visit); err != nil || len(got) > 0 {
			t.Errorf("while a transaction is open: %v, %v", got, err)
		}
		time.AfterFunc(5*time.Second, func() { close(held) })
		if err := r.CatchUp(t.Context(), visit); err != nil || !slices.Equal(got, []string{"2"}) {
			t.Errorf("got %v, %v", got, err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		beyond := p.Resume(first, at+100)
		for _, read := range []func(context.Context, func(Message) error) error{beyond.CatchUpStable, beyond.CatchUp} {
			if err := read(t.Context(), visit); !errors.Is(err, ErrTruncated) {
				t.Errorf("an offset that is not there: %v", err)
			}
		}
		if err := w.kafka.DeleteRecords(state, 0, 1); err != nil {
			t.Fatal(err)
		}
		if err := p.Resume(first, at).CatchUp(t.Context(), visit); !errors.Is(err, ErrTruncated) {
			t.Errorf("its beginning is not there: %v", err)
		}
	})
}
