package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Strict reads one JSON object into the request, with no member that it does not have and nothing behind it. The error shows what is
// expected.
func Strict[T interface{ Example() string }](body io.Reader, into *T) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		err = errors.New("something follows the object")
	}
	if err != nil {
		return fmt.Errorf("the request cannot be read: %w; expected %s", err, (*into).Example())
	}
	return nil
}

// Example returns a request as it is written, for errors.
func (BackfillRequest) Example() string {
	return `{"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}, and if wanted "republish": true, "by": "NAME"`
}

// Example returns a request as it is written, for errors.
func (CancelRequest) Example() string { return `{"id": 3}, and if wanted "by": "NAME"` }

// Example returns a request as it is written, for errors.
func (AcceptRequest) Example() string {
	return `{"from": "2026-03-01T10:00:00Z", "to": "2026-03-01T10:00:05Z"}, and if wanted "by": "NAME"`
}
