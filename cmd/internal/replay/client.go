package replay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/convstream/convstream/cmd/internal/admin/client"
)

// Client requests replays from the active worker.
type Client client.Client

// Ask sends a request and returns the worker's answer, a stream to be read with [Follow]. Cancelling the context cancels the replay.
func (c Client) Ask(ctx context.Context, asked Request) (answer io.ReadCloser, err error) {
	return client.Client(c).Post(ctx, Path, asked)
}

// errCutOff is the error for an answer without a final line.
var errCutOff = errors.New("the answer was cut off: what it says is true; ask again for the rest, resolved letters are not published twice")

// Follow calls visit with the answer to each letter, and its line, as they arrive. It returns nil if every letter asked for was
// answered, and an error of visit unchanged.
func Follow(answer io.Reader, visit func(line []byte, a Answer) error) error {
	lines := bufio.NewReader(answer)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return errCutOff
		}
		var a Answer
		if err := json.Unmarshal(line, &a); err != nil {
			return fmt.Errorf("the worker's answer cannot be read: %w", err)
		}
		switch {
		case a.Error != "":
			return fmt.Errorf("the replay ended early: %s; ask again for the rest, resolved letters are not published twice", a.Error)
		case a.Done:
			return nil
		}
		if err := visit(line, a); err != nil {
			return err
		}
	}
}
