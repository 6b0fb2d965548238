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

// Client asks the active worker for replays.
type Client client.Client

// Ask returns the worker's answer as it comes, for Follow. The context ends it, and with it the replay.
func (c Client) Ask(ctx context.Context, asked Request) (answer io.ReadCloser, err error) {
	return client.Client(c).Post(ctx, Path, asked)
}

// errCutOff is the end of an answer that has none of its own.
var errCutOff = errors.New("the answer broke off: what it says holds; ask again for the rest, what is resolved is not repeated")

// Follow calls visit with the answer to each letter, and its line, as they come. nil means that every letter asked for was
// answered; an error of visit comes back as it is.
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
			return fmt.Errorf("the worker broke off: %s. Ask again for the rest: what is resolved is not repeated", a.Error)
		case a.Done:
			return nil
		}
		if err := visit(line, a); err != nil {
			return err
		}
	}
}
