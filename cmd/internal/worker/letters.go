package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/convstream/convstream/poller"
)

// ReplayRequest is the body of POST /dead-letters/replay: ids, or all.
type ReplayRequest struct {
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
}

// LetterAnswer is what became of one dead letter, or of the whole request: one line of the answer to a replay.
type LetterAnswer struct {
	ID       string     `json:"id,omitempty"`
	Outcome  string     `json:"outcome,omitempty"`  // a poller.Fate, or one of those below
	As       string     `json:"as,omitempty"`       // of one that was resolved before: published or superseded
	Revision int32      `json:"revision,omitempty"` // of a published one
	Resolved *time.Time `json:"resolved,omitempty"` // when one that was resolved before was
	Why      string     `json:"why,omitempty"`      // of one that is dead, unknown or untried

	Done  bool   `json:"done,omitempty"`  // the last line: every letter asked for was answered
	Error string `json:"error,omitempty"` // the last line: why those that are not answered were not; asking again is safe
}

// Outcomes of a letter beside those of the poller.
const (
	LetterResolved = "resolved" // before
	LetterUnknown  = "unknown"  // no such letter
	LetterUntried  = "untried"  // others fared too badly
)

// longestLine is for how long a line of the answer waits for its reader.
const longestLine = 30 * time.Second

// largestRequest is some 50,000 ids.
const largestRequest = 1 << 20

// replayLetters answers POST /dead-letters/replay: a LetterAnswer a line, as they come. Who worked through all of them ends
// with one that is done; an answer without it was cut off.
func (w *Worker) replayLetters(rw http.ResponseWriter, r *http.Request) {
	var asked ReplayRequest
	if err := json.NewDecoder(http.MaxBytesReader(rw, r.Body, largestRequest)).Decode(&asked); err != nil || asked.All == (len(asked.IDs) > 0) {
		http.Error(rw, `expected {"ids": ["0123456789abcdef"]} or {"all": true}`, http.StatusBadRequest)
		return
	}
	run := &replay{
		Worker: w, begun: time.Now(), answered: map[string]bool{}, newest: map[string]time.Time{},
		damaged: map[string]LetterAnswer{}, behind: map[string]LetterAnswer{},
	}
	if !asked.All {
		run.wanted = map[string]bool{}
	}
	for _, id := range asked.IDs {
		parsed, ok := poller.ParseLetterID(id)
		if !ok {
			http.Error(rw, fmt.Sprintf("%.40q is no id of a dead letter; expected 16 hex digits", id), http.StatusBadRequest)
			return
		}
		run.wanted[parsed.String()] = true // the topic has them in lower case
	}
	if code, why := w.mayReplay(); code != http.StatusOK {
		http.Error(rw, why, code)
		return
	}
	if !w.replaying.TryLock() {
		http.Error(rw, "another replay is under way: ask again when it is done", http.StatusTooManyRequests)
		return
	}
	defer w.replaying.Unlock()
	run.answerTo(r.Context(), rw)
}

// mayReplay tells who is to be asked where it is not this worker.
func (w *Worker) mayReplay() (code int, why string) {
	switch w.reportedRole() {
	case Active:
		return http.StatusOK, ""
	case Standby:
		return http.StatusConflict, fmt.Sprintf("this worker (%s) stands by; the active one is %s: ask that one", w.network.Name, w.election.lease.Status().Holder)
	}
	return http.StatusServiceUnavailable, "this worker is not active yet: ask again when /readyz says ok"
}

func (r *replay) answerTo(ctx context.Context, rw http.ResponseWriter) {
	control := http.NewResponseController(rw)
	_ = control.SetReadDeadline(time.Time{}) // the server's is for the request; it would end the context of a longer answer
	rw.Header().Set("content-type", "application/x-ndjson")
	lines := json.NewEncoder(rw)
	r.tell = func(a LetterAnswer) error {
		// No other replay can be asked for while somebody does not read this answer.
		_ = control.SetWriteDeadline(time.Now().Add(longestLine))
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		if err := lines.Encode(a); err != nil {
			return err
		}
		return control.Flush()
	}
	last := LetterAnswer{Done: true}
	if err := r.run(ctx); err != nil {
		last = LetterAnswer{Error: err.Error()}
		r.log.Warn().Err(err).Msg("a replay of dead letters was broken off; asking again is safe")
	}
	_ = r.tell(last)
}
