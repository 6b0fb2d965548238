package admin

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/replay"
)

// replays answers POST /dead-letters/replay?account=ID: a replay.Answer a line, as they come. One that worked through all letters ends
// with one that is done; an answer without it was cut off.
type replays struct {
	log      zerolog.Logger
	letters  func(account string) (Letters, error)
	underWay sync.Map // account -> *sync.Mutex
}

const (
	longestLine    = 30 * time.Second // for which a line of the answer waits for its reader
	largestRequest = 1 << 20          // bytes; some 50,000 ids
)

// ServeHTTP implements http.Handler.
func (h *replays) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	asked, err := replay.Read(http.MaxBytesReader(rw, r.Body, largestRequest))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	letters, err := h.letters(r.URL.Query().Get("account"))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusNotFound)
		return
	}
	if code, why := letters.MayReplay(); code != http.StatusOK {
		http.Error(rw, why, code)
		return
	}
	lock, _ := h.underWay.LoadOrStore(letters.AccountID(), &sync.Mutex{})
	underWay := lock.(*sync.Mutex)
	if !underWay.TryLock() {
		http.Error(rw, "another replay is under way: ask again when it is done", http.StatusTooManyRequests)
		return
	}
	defer underWay.Unlock()
	send := lineByLine(rw)
	last := replay.Answer{Done: true}
	if err := asked.Run(r.Context(), letters, h.log, send); err != nil {
		last = replay.Answer{Error: err.Error()}
		h.log.Warn().Err(err).Msg("a replay of dead letters was broken off; asking again is safe")
	}
	_ = send(last)
}

// lineByLine begins an answer and returns what writes a line of it.
func lineByLine(rw http.ResponseWriter) func(replay.Answer) error {
	control := http.NewResponseController(rw)
	// The server's are for the request and for a short answer; the first would end the context of a longer one.
	_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
	rw.Header().Set("content-type", "application/x-ndjson")
	lines := json.NewEncoder(rw)
	return func(a replay.Answer) error {
		// No other replay can be asked for while somebody does not read this answer.
		_ = control.SetWriteDeadline(time.Now().Add(longestLine))
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		if err := lines.Encode(a); err != nil {
			return err
		}
		return control.Flush()
	}
}
