package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/convstream/convstream/poller"
)

// Path is the path of the admin port to which a Request is posted. The response has one Answer a line.
const Path = "/dead-letters/replay"

// Request selects letters: by their ids, or all.
type Request struct {
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
}

// Answer is one line of the response: the outcome of a dead letter, or of the whole request.
type Answer struct {
	ID       string     `json:"id,omitempty"`
	Outcome  string     `json:"outcome,omitempty"`  // a poller.Fate, or one of those below
	As       string     `json:"as,omitempty"`       // published or superseded, if Outcome is resolved
	Revision int32      `json:"revision,omitempty"` // if it is published
	Resolved *time.Time `json:"resolved,omitempty"` // when, if Outcome is resolved
	Reason   string     `json:"reason,omitempty"`   // if Outcome is dead, unknown or untried

	Done  bool   `json:"done,omitempty"`  // in the last line: every letter asked for was answered
	Error string `json:"error,omitempty"` // in the last line: why the others were not answered; asking again is safe
}

// Outcomes of a letter besides those of the poller.
const (
	Resolved = "resolved" // before this request
	Unknown  = "unknown"  // no such letter
	Untried  = "untried"  // the brokers refused too many others
)

// Read reads a Request. Its error is meant for the sender.
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
			return nil, fmt.Errorf("%.40q is not the id of a dead letter; expected 16 hex digits", id)
		}
		r.wanted[parsed.String()] = true // the topic has them in lower case
	}
	return r, nil
}
