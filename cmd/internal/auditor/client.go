package auditor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/convstream/convstream/cmd/internal/admin/client"
)

// Client requests audits from the active worker.
type Client client.Client

// Ask sends a request and returns the worker's answer, a stream to be read with [Follow]. Cancelling the context ends the audit.
func (c Client) Ask(ctx context.Context, asked Request) (answer io.ReadCloser, err error) {
	return client.Client(c).Post(ctx, Path, asked)
}

// errCutOff is the error for an answer without a final line.
var errCutOff = errors.New("the answer was cut off: what it says is true; ask again, nothing is lost and nothing comes twice")

// Follow calls visit with each line of the answer as it arrives, and returns the summary of the last one. It returns an error of visit
// unchanged.
func Follow(answer io.Reader, visit func(text []byte, l Line) error) (Summary, error) {
	lines := bufio.NewReader(answer)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return Summary{}, errCutOff
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			return Summary{}, fmt.Errorf("the worker's answer cannot be read: %w", err)
		}
		if l.Error != "" {
			return Summary{}, fmt.Errorf("the audit ended early: %s", l.Error)
		}
		if err := visit(text, l); err != nil {
			return Summary{}, err
		}
		if l.Done != nil {
			return *l.Done, nil
		}
	}
}
