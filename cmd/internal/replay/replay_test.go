package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// account has so many letters and does not take some.
type account struct {
	letters int
	refuses func(poller.Letter) bool
	fails   error // whatever is tried
	tried   []string

	redaction *smartassist.Redaction
}

func id(i int) string { return fmt.Sprintf("%016x", i) }

func (a *account) Letters(_ context.Context, visit func(encoder.Letter, error) error) error {
	for i := range a.letters {
		if err := visit(encoder.Letter{ID: id(i), At: time.Now(), Row: []byte("{}")}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (a *account) Redaction() *smartassist.Redaction { return a.redaction }

// Replay tells, as a worker does, of a refusal first, and of the verdict when the same letters are tried again.
func (a *account) Replay(_ context.Context, letters []poller.Letter, p *Prepared) ([]poller.Replayed, error) {
	a.tried = append(a.tried, fmt.Sprintf("%d letters, %+v", len(letters), *p))
	known := p.Forgotten
	p.Inspected, p.Forgotten = true, true
	out := make([]poller.Replayed, len(letters))
	for i, l := range letters {
		refused := a.refuses != nil && a.refuses(l)
		switch {
		case a.fails != nil:
			return nil, a.fails
		case refused && !known:
			return nil, &producer.RefusedError{Topic: "t", Records: []int{i}, Err: kafka.InvalidRecord}
		case refused:
			out[i] = poller.Replayed{Resolution: poller.Resolution{Fate: poller.LetterDead}, Err: ErrRefused}
		default:
			out[i] = poller.Replayed{Resolution: poller.Resolution{Fate: poller.LetterPublished, Revision: 1}}
		}
	}
	return out, nil
}

// run replays what a body asks for and returns how often each outcome was answered.
func run(t *testing.T, a *account, body string) (outcomes map[string]int, err error) {
	t.Helper()
	r, err := Read(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	outcomes = map[string]int{}
	err = r.Run(t.Context(), a, zerolog.Nop(), func(answer Answer) error {
		outcomes[answer.Outcome]++
		return nil
	})
	return outcomes, err
}

// TestOneOfABatchIsRefused: the batch is tried once, then its letters one by one, each without what was said of it before. The
// topics are inspected once.
func TestOneOfABatchIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &account{letters: 3, refuses: func(l poller.Letter) bool { return l.ID.String() == id(1) }}
		outcomes, err := run(t, a, `{"all":true}`)
		if err != nil || outcomes[string(poller.LetterPublished)] != 2 || outcomes[string(poller.LetterDead)] != 1 {
			t.Errorf("%v, %v", outcomes, err)
		}
		want := []string{
			"3 letters, {Inspected:false Forgotten:false}",
			"1 letters, {Inspected:true Forgotten:false}",
			"1 letters, {Inspected:true Forgotten:false}", "1 letters, {Inspected:true Forgotten:true}",
			"1 letters, {Inspected:true Forgotten:false}",
		}
		if !slices.Equal(a.tried, want) {
			t.Errorf("tried\n%s\nwant\n%s", strings.Join(a.tried, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestManyAreRefused: each costs the worker a recovery, so that the rest is left untried.
func TestManyAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &account{letters: 10, refuses: func(poller.Letter) bool { return true }}
		outcomes, err := run(t, a, `{"all":true}`)
		if err != nil || outcomes[string(poller.LetterDead)] != mostRefused || outcomes[Untried] != 10-mostRefused {
			t.Errorf("%v, %v", outcomes, err)
		}
	})
}

// TestWhatEndsAReplay: what another try would not mend ends it at once, a second refusal that points to no letter too, and
// everything else when its time is over.
func TestWhatEndsAReplay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fails error
		tries int // -1: for as long as they may
	}{
		{ErrNotActive, 1}, {fmt.Errorf("topics: %w", ErrEnds), 1}, {ErrUnblamed, mostUnblamed}, {errors.New("brokers away"), -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, begun := &account{letters: 1, fails: c.fails}, time.Now()
			outcomes, err := run(t, a, `{"ids":["`+id(0)+`"]}`)
			if !errors.Is(err, c.fails) || len(outcomes) != 0 {
				t.Errorf("%v: %v, %v", c.fails, outcomes, err)
			}
			if took := time.Since(begun); c.tries >= 0 && len(a.tried) != c.tries || c.tries < 0 && (took != longestReplay || !errors.Is(err, errTime)) {
				t.Errorf("%v: %d tries in %v: %v", c.fails, len(a.tried), took, err)
			}
		})
	}
}

// TestALetterThatIsNotThere is answered for, and nothing is tried.
func TestALetterThatIsNotThere(t *testing.T) {
	t.Parallel()
	a := &account{letters: 2}
	if outcomes, err := run(t, a, `{"ids":["`+id(7)+`"]}`); err != nil || outcomes[Unknown] != 1 || len(a.tried) > 0 {
		t.Errorf("%v, %v, tried %v", outcomes, err, a.tried)
	}
}

// TestALetterIsNotRedactedTwice, which would hash hashes; nor is one published that holds what is redacted now.
func TestALetterIsNotRedactedTwice(t *testing.T) {
	now, before := redaction(t, "the key of the test"), redaction(t, "the key before that")
	clear, plain, broken := `{"sessionId":"s","userId":"u-1"}`, `{"sessionId":"s"}`, `{"sessionId":"s","userId":"u-1",}`
	redacted := func(by *smartassist.Redaction, row string) encoder.Letter {
		return encoder.Letter{Row: by.Row(smartassist.ParseRow([]byte(row))).Raw, Redaction: by.ID()}
	}
	for name, c := range map[string]struct {
		by     *smartassist.Redaction
		letter encoder.Letter
		want   error
	}{
		"as it would be now":             {now, redacted(now, clear), nil},
		"with another key":               {now, redacted(before, clear), errRedaction},
		"before there was REDACT":        {now, encoder.Letter{Row: []byte(clear)}, errRedaction},
		"of which nothing is taken":      {now, encoder.Letter{Row: []byte(plain)}, nil},
		"with another key, nothing":      {now, redacted(before, plain), nil},
		"there is no REDACT any more":    {nil, redacted(before, clear), nil},
		"without REDACT":                 {nil, encoder.Letter{Row: []byte(clear)}, nil},
		"withheld":                       {now, redacted(now, broken), errWithheld},
		"withheld, and not any more":     {nil, redacted(now, broken), errWithheld},
		"broken before there was REDACT": {now, encoder.Letter{Row: []byte(broken)}, errRedaction},
	} {
		row := (&Replay{account: &account{redaction: c.by}}).row(c.letter)
		if row.Err != c.want || string(row.Raw) != string(c.letter.Row) {
			t.Errorf("%s: %v, want %v; %s became %s", name, row.Err, c.want, c.letter.Row, row.Raw)
		}
	}
}

func redaction(t *testing.T, key string) *smartassist.Redaction {
	t.Helper()
	r, err := smartassist.ParseRedaction([]string{"/userId=hash"})
	if err == nil {
		r, err = r.WithKey(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
