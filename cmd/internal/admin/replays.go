package admin

import (
	"net/http"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/replay"
)

// replays handles POST /dead-letters/replay?account=ID. The response has one replay.Answer a line. The last line has Done or Error; a
// response without it was cut off.
type replays struct {
	log      zerolog.Logger
	letters  func(account string) (Letters, error)
	underWay onePerAccount
}

// largestRequest is in bytes; about 50,000 ids.
const largestRequest = 1 << 20

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
	ended, free := h.underWay.begin(letters.AccountID())
	if !free {
		http.Error(rw, "another replay is under way: ask again when it has ended", http.StatusTooManyRequests)
		return
	}
	send := lineByLine[replay.Answer](rw)
	last := replay.Answer{Done: true}
	if err := func() error {
		defer ended() // before the last line: who has it may ask again
		return asked.Run(r.Context(), letters, h.log, send)
	}(); err != nil {
		last = replay.Answer{Error: err.Error()}
		h.log.Warn().Err(err).Msg("replay of dead letters ended early; asking again is safe")
	}
	_ = send(last)
}
