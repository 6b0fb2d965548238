package admin

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/replay"
)

// replays handles POST /dead-letters/replay?account=ID. The response has one replay.Answer a line. The last line has Done or Error; a
// response without it was cut off.
type replays struct {
	log      zerolog.Logger
	letters  func(account string) (Letters, error)
	underWay sync.Map // account -> *sync.Mutex
}

const (
	longestLine    = 30 * time.Second // limits the writing of one line to a client that does not read
	largestRequest = 1 << 20          // bytes; about 50,000 ids
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
	if code, reason := letters.MayReplay(); code != http.StatusOK {
		http.Error(rw, reason, code)
		return
	}
	lock, _ := h.underWay.LoadOrStore(letters.AccountID(), &sync.Mutex{})
	underWay := lock.(*sync.Mutex)
	if !underWay.TryLock() {
		http.Error(rw, "another replay is under way: ask again when it has ended", http.StatusTooManyRequests)
		return
	}
	defer underWay.Unlock()
	send := lineByLine(rw)
	last := replay.Answer{Done: true}
	if err := asked.Run(r.Context(), letters, h.log, send); err != nil {
		last = replay.Answer{Error: err.Error()}
		h.log.Warn().Err(err).Msg("replay of dead letters ended early; asking again is safe")
	}
	_ = send(last)
}

// lineByLine begins the response and returns a function that writes one line of it.
func lineByLine(rw http.ResponseWriter) func(replay.Answer) error {
	control := http.NewResponseController(rw)
	// The server's deadlines are for short requests and responses; a read deadline would cancel the context of a long one.
	_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
	rw.Header().Set("content-type", "application/x-ndjson")
	lines := json.NewEncoder(rw)
	return func(a replay.Answer) error {
		// A client that does not read must not block the replays of others.
		_ = control.SetWriteDeadline(time.Now().Add(longestLine))
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		if err := lines.Encode(a); err != nil {
			return err
		}
		return control.Flush()
	}
}
