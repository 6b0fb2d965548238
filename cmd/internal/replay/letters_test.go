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

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// topic is an account whose letters, and what becomes of each, are given.
type topic struct {
	letters []encoder.Letter
	damaged map[string]error
	verdict func(poller.Letter) poller.Replayed
	fails   []error // of the tries, one after the other
	fades   error   // what reading the letters ends with
	batches []string
}

func letter(i int, at time.Time) encoder.Letter {
	return encoder.Letter{ID: id(i), At: at, Row: []byte(`{"sessionId":"s"}`)}
}

func (a *topic) Letters(_ context.Context, visit func(encoder.Letter, error) error) error {
	for _, l := range a.letters {
		if err := visit(l, a.damaged[l.ID]); err != nil {
			return err
		}
	}
	return a.fades
}

func (*topic) Redaction() *smartassist.Redaction { return nil }

func (a *topic) Replay(_ context.Context, letters []poller.Letter, _ *Prepared) ([]poller.Replayed, error) {
	var ids []string
	out := make([]poller.Replayed, len(letters))
	for i, l := range letters {
		ids = append(ids, strings.TrimLeft(l.ID.String(), "0"))
		if out[i] = published(1); a.verdict != nil {
			out[i] = a.verdict(l)
		}
	}
	a.batches = append(a.batches, strings.Join(ids, " "))
	if len(a.fails) > 0 {
		err := a.fails[0]
		a.fails = a.fails[1:]
		return nil, err
	}
	return out, nil
}

func published(revision int32) poller.Replayed {
	return poller.Replayed{Resolution: poller.Resolution{Fate: poller.LetterPublished, Revision: revision}}
}

func dead(err error) poller.Replayed {
	return poller.Replayed{Resolution: poller.Resolution{Fate: poller.LetterDead}, Err: err}
}

// answersOf runs a request for all letters, or those of the ids, and returns the answers by id; each may come once.
func answersOf(t *testing.T, a Account, ids ...string) (map[string]Answer, error) {
	t.Helper()
	body := `{"all":true}`
	if len(ids) > 0 {
		body = fmt.Sprintf(`{"ids":["%s"]}`, strings.Join(ids, `","`))
	}
	r, err := Read(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Answer{}
	err = r.Run(t.Context(), a, zerolog.Nop(), func(answer Answer) error {
		if before, twice := got[answer.ID]; twice {
			t.Errorf("%s was answered with %+v, and again with %+v", answer.ID, before, answer)
		}
		got[answer.ID] = answer
		return nil
	})
	return got, err
}

// TestWhatARequestSays: ids, or all; whatever else it is, the error says what was expected.
func TestWhatARequestSays(t *testing.T) {
	for _, body := range []string{``, `{}`, `[]`, `{"all":false}`, `{"ids":[]}`, `{"all":true,"ids":["` + id(1) + `"]}`, `{"ids":[7]}`, `all`} {
		if _, err := Read(strings.NewReader(body)); err == nil || !strings.Contains(err.Error(), `{"all": true}`) {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, not := range []string{"", "12", id(1) + "0", "000000000000000g", strings.Repeat("é", 1000)} {
		if _, err := Read(strings.NewReader(`{"ids":["` + id(1) + `","` + not + `"]}`)); err == nil || !strings.Contains(err.Error(), "16 hex digits") || len(err.Error()) > 200 {
			t.Errorf("%.30s: %v", not, err)
		}
	}
	upper := &topic{letters: []encoder.Letter{{ID: "00000000000000ab", Row: []byte("{}")}}}
	if got, err := answersOf(t, upper, "00000000000000AB"); err != nil || got["00000000000000ab"].Outcome != string(poller.LetterPublished) {
		t.Errorf("an id in capitals: %v, %v", got, err)
	}
}

// TestOnlyWhatIsWantedIsTried, once, though the topic may hold a letter twice.
func TestOnlyWhatIsWantedIsTried(t *testing.T) {
	now := time.Now()
	a := &topic{letters: []encoder.Letter{letter(1, now), letter(2, now), letter(3, now), letter(2, now)}}
	if got, err := answersOf(t, a, id(2), id(3)); err != nil || len(got) != 2 || !slices.Equal(a.batches, []string{"2 3"}) {
		t.Errorf("%v, %v, tried %q", got, err, a.batches)
	}
	a = &topic{letters: []encoder.Letter{letter(1, now), letter(2, now), letter(1, now.Add(time.Second))}}
	if got, err := answersOf(t, a); err != nil || len(got) != 2 || !slices.Equal(a.batches, []string{"2 1"}) {
		t.Errorf("%v, %v, tried %q: want the one that was put aside last", got, err, a.batches)
	}
}

// TestBatchesAreBounded by their number and by their bytes.
func TestBatchesAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		letters, bytes int
		want           []int
	}{"many": {2*BatchRows + 7, 10, []int{BatchRows, BatchRows, 7}}, "large": {5, batchBytes/2 + 1, []int{2, 2, 1}}, "each a batch": {2, batchBytes, []int{1, 1}}} {
		a, row := &topic{}, make([]byte, c.bytes) // not JSON: only its length counts, and parsing megabytes takes long
		for i := range c.letters {
			l := letter(i+1, time.Now())
			l.Row = row
			a.letters = append(a.letters, l)
		}
		got, err := answersOf(t, a)
		var sizes []int
		for _, b := range a.batches {
			sizes = append(sizes, len(strings.Fields(b)))
		}
		if err != nil || len(got) != c.letters || !slices.Equal(sizes, c.want) {
			t.Errorf("%s: %d answers, %v, batches of %v, want %v", name, len(got), err, sizes, c.want)
		}
	}
}

// TestDamagedLetters are answered for, and not tried; one that the topic holds once more is.
func TestDamagedLetters(t *testing.T) {
	now := time.Now()
	a := &topic{letters: []encoder.Letter{letter(1, now), {ID: "no id", Row: []byte("{}")}, letter(2, now)}, damaged: map[string]error{id(1): encoder.ErrIncomplete}}
	got, err := answersOf(t, a)
	if one := got[id(1)]; err != nil || one.Outcome != string(poller.LetterDead) || !strings.Contains(one.Reason, "parts of the dead letter are missing") {
		t.Errorf("%+v, %v", one, err)
	}
	if got["no id"].Outcome != string(poller.LetterDead) || got[id(2)].Outcome != string(poller.LetterPublished) || !slices.Equal(a.batches, []string{"2"}) {
		t.Errorf("%v, tried %q", got, a.batches)
	}
}

// wholeLater is a topic that holds its first letter once more, and whole.
type wholeLater struct{ topic }

func (a *wholeLater) Letters(_ context.Context, visit func(encoder.Letter, error) error) error {
	if err := visit(a.letters[0], encoder.ErrIncomplete); err != nil {
		return err
	}
	return visit(a.letters[0], nil)
}

func TestADamagedLetterThatIsThereOnceMore(t *testing.T) {
	a := &wholeLater{topic{letters: []encoder.Letter{letter(1, time.Now())}}}
	if got, err := answersOf(t, a); err != nil || len(got) != 1 || got[id(1)].Outcome != string(poller.LetterPublished) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestALetterBehindANewerOne is tried once more when something was published, and is not where nothing was.
func TestALetterBehindANewerOne(t *testing.T) {
	for name, c := range map[string]struct {
		newer   poller.Replayed
		batches []string
		outcome poller.Fate
	}{
		"that is published": {published(2), []string{"1 2", "1"}, poller.LetterSuperseded},
		"that stays dead":   {dead(errors.New("no")), []string{"1 2"}, poller.LetterDead},
	} {
		tried := 0
		a := &topic{letters: []encoder.Letter{letter(1, time.Now()), letter(2, time.Now())}}
		a.verdict = func(l poller.Letter) poller.Replayed {
			if l.ID.String() == id(2) {
				return c.newer
			}
			if tried++; tried == 1 {
				return dead(poller.ErrNewerIsDead)
			}
			return poller.Replayed{Resolution: poller.Resolution{Fate: poller.LetterSuperseded}}
		}
		got, err := answersOf(t, a)
		if err != nil || len(got) != 2 || got[id(1)].Outcome != string(c.outcome) || !slices.Equal(a.batches, c.batches) {
			t.Errorf("%s: %v, %v, tried %q", name, got, err, a.batches)
		}
	}
	a := &topic{letters: []encoder.Letter{letter(1, time.Now()), letter(2, time.Now())}}
	a.verdict = func(l poller.Letter) poller.Replayed {
		if l.ID.String() == id(2) {
			return published(2)
		}
		return dead(poller.ErrNewerIsDead)
	}
	if got, err := answersOf(t, a); err != nil || got[id(1)].Reason != poller.ErrNewerIsDead.Error() || len(a.batches) != 2 {
		t.Errorf("behind one for good: %v, %v, tried %q", got, err, a.batches)
	}
}

// TestWhatWasResolvedBefore is told from what this very request did before a recovery.
func TestWhatWasResolvedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			at      time.Duration
			outcome string
		}{"an hour ago": {-time.Hour, Resolved}, "by this request": {0, string(poller.LetterPublished)}} {
			resolved := published(4)
			resolved.Before, resolved.At = true, time.Now().Add(c.at).Truncate(time.Millisecond)
			a := &topic{letters: []encoder.Letter{letter(1, time.Now())}, fails: []error{errors.New("brokers away")}, verdict: func(poller.Letter) poller.Replayed { return resolved }}
			got, err := answersOf(t, a)
			one := got[id(1)]
			if err != nil || one.Outcome != c.outcome || one.Revision != 4 || len(a.batches) != 2 {
				t.Errorf("%s: %+v, %v after %d tries", name, one, err, len(a.batches))
			}
			if before := c.outcome == Resolved; before != (one.Resolved != nil && one.Resolved.Equal(resolved.At) && one.As == string(poller.LetterPublished)) {
				t.Errorf("%s: %+v", name, one)
			}
		}
	})
}

// TestAReplayIsBrokenOff by whoever reads the answer, and by a topic that cannot be read: neither is passed over.
func TestAReplayIsBrokenOff(t *testing.T) {
	gone := errors.New("gone")
	for name, a := range map[string]*topic{
		"of one that is tried":     {letters: []encoder.Letter{letter(1, time.Now())}},
		"of one that is damaged":   {letters: []encoder.Letter{letter(1, time.Now())}, damaged: map[string]error{id(1): gone}},
		"of one that stays behind": {letters: []encoder.Letter{letter(1, time.Now())}, verdict: func(poller.Letter) poller.Replayed { return dead(poller.ErrNewerIsDead) }},
	} {
		r, err := Read(strings.NewReader(`{"all":true}`))
		if err == nil {
			err = r.Run(t.Context(), a, zerolog.Nop(), func(Answer) error { return gone })
		}
		if !errors.Is(err, gone) {
			t.Errorf("the answer %s: %v", name, err)
		}
	}
	if got, err := answersOf(t, &topic{letters: []encoder.Letter{letter(1, time.Now())}, fades: gone}); !errors.Is(err, gone) || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
}
