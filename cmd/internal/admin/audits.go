package admin

import (
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/auditor"
)

// Audits are what audits an account.
type Audits interface {
	auditor.Account
	// AccountID returns the id of the account.
	AccountID() string
	// Settle returns SETTLE of the account.
	Settle() time.Duration
	// MayAsk returns http.StatusOK if this process is the active one; else another status and the reason.
	MayAsk() (code int, reason string)
}

// audits handles POST /audits?account=ID. The response has one auditor.Line a line. The last line has Done or Error; a response without it
// was cut off.
type audits struct {
	log      zerolog.Logger
	accounts func(account string) (Audits, error)
	underWay onePerAccount
}

// ServeHTTP implements http.Handler.
func (h *audits) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	account, err := h.accounts(r.URL.Query().Get("account"))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusNotFound)
		return
	}
	asked, err := auditor.Read(http.MaxBytesReader(rw, r.Body, largestRequest), time.Now(), account.Settle())
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	if code, reason := account.MayAsk(); code != http.StatusOK {
		http.Error(rw, reason, code)
		return
	}
	ended, free := h.underWay.begin(account.AccountID())
	if !free {
		http.Error(rw, "another audit of the account is under way: ask again when it has ended", http.StatusConflict)
		return
	}
	send := lineByLine[auditor.Line](rw)
	last := auditor.Line{}
	summary, err := func() (auditor.Summary, error) {
		defer ended() // before the last line: who has it may ask again
		return asked.Run(r.Context(), account, h.log.With().Str("account", account.AccountID()).Logger(), send)
	}()
	if last.Done = &summary; err != nil {
		last = auditor.Line{Error: err.Error()}
		h.log.Warn().Err(err).Msg("audit ended early; asking again is safe")
	}
	_ = send(last)
}
