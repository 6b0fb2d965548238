package admin

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// longestLine limits the writing of one line to a client that does not read.
const longestLine = 30 * time.Second

// lineByLine begins the response and returns a function that writes one line of it.
func lineByLine[T any](rw http.ResponseWriter) func(T) error {
	control := http.NewResponseController(rw)
	// The server's deadlines are for short requests and responses; a read deadline would cancel the context of a long one.
	_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
	rw.Header().Set("content-type", "application/x-ndjson")
	lines := json.NewEncoder(rw)
	return func(line T) error {
		// A client that does not read must not block the commands of others.
		_ = control.SetWriteDeadline(time.Now().Add(longestLine))
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		if err := lines.Encode(line); err != nil {
			return err
		}
		return control.Flush()
	}
}

// onePerAccount lets one command of its kind be under way for each account. The zero value has none.
type onePerAccount struct{ locks sync.Map } // account -> *sync.Mutex

// begin reports whether none is under way for the account; then one is until ended is called.
func (o *onePerAccount) begin(account string) (ended func(), ok bool) {
	lock, _ := o.locks.LoadOrStore(account, &sync.Mutex{})
	m := lock.(*sync.Mutex)
	return m.Unlock, m.TryLock()
}
