package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/convstream/convstream/poller"
)

// Path is that of the admin port to which a Request is posted. The answer is an Answer a line, as they come.
const Path = "/dead-letters/replay"

// Request is which letters to try: by their ids, or all.
type Request struct {
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
}

// Answer is what became of one dead letter, or of the whole request: one line of the answer to a replay.
type Answer struct {
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
	Resolved = "resolved" // before
	Unknown  = "unknown"  // no such letter
	Untried  = "untried"  // others fared too badly
)

// Read returns what a body asks for. The error says what was expected, and is for who sent it.
func Read(body io.Reader) (*Replay, error) {
	var asked Request
	if err := json.NewDecoder(body).Decode(&asked); err != nil || asked.All == (len(asked.IDs) > 0) {
		return nil, errors.New(`expected {"ids": ["0123456789abcdef"]} or {"all": true}`)
	}
	r := &Replay{
		begun: time.Now(), answered: map[string]bool{}, newest: map[string]time.Time{},
		damaged: map[string]Answer{}, behind: map[string]Answer{},
	}
	if !asked.All {
		r.wanted = map[string]bool{}
	}
	for _, id := range asked.IDs {
		parsed, ok := poller.ParseLetterID(id)
		if !ok {
			return nil, fmt.Errorf("%.40q is no id of a dead letter; expected 16 hex digits", id)
		}
		r.wanted[parsed.String()] = true // the topic has them in lower case
	}
	return r, nil
}
