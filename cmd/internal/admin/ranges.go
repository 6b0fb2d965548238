package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/poller"
)

// Ranges are the backfills and gaps of an account.
type Ranges interface {
	// MayAsk returns http.StatusOK if this process is the active one; else another status and the reason.
	MayAsk() (code int, reason string)
	// Status returns the status of the active worker; nil if it has none yet.
	Status() *poller.Status
	// Backfill begins to read a range; see [poller.Poller.Backfill].
	Backfill(ctx context.Context, w poller.Window, republish bool, by string) (poller.PassStatus, error)
	// Cancel cancels a backfill.
	Cancel(ctx context.Context, id int64, by string) error
	// AcceptGap accepts the gaps that lie in the window.
	AcceptGap(ctx context.Context, w poller.Window, by string) ([]poller.Acceptance, error)
}

// rangeHandler handles what is asked about past ranges, ?account=ID.
type rangeHandler struct {
	ranges func(account string) (Ranges, error)
}

// nothing is what a GET asks with.
type nothing struct{}

// Example implements the request of asked.
func (nothing) Example() string { return "nothing" }

// asked reads the request of type T if this process is the active one of the account, and answers with what do returns.
func asked[T interface{ Example() string }](h rangeHandler, do func(r *http.Request, to Ranges, q T) (any, error)) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		to, code, err := h.active(r)
		if err != nil {
			http.Error(rw, err.Error(), code)
			return
		}
		var q T
		if r.Method == http.MethodPost {
			if err := client.Strict(http.MaxBytesReader(rw, r.Body, largestRequest), &q); err != nil {
				http.Error(rw, err.Error(), statusOfBody(err))
				return
			}
		}
		out, err := do(r, to, q)
		if err != nil {
			http.Error(rw, err.Error(), statusOf(err))
			return
		}
		rw.Header().Set("content-type", "application/json")
		e := json.NewEncoder(rw)
		e.SetIndent("", "  ")
		_ = e.Encode(out)
	})
}

// active returns the account's ranges, or the status and the reason of an answer that says that they are not here.
func (h rangeHandler) active(r *http.Request) (to Ranges, code int, err error) {
	if to, err = h.ranges(r.URL.Query().Get("account")); err != nil {
		return nil, http.StatusNotFound, err
	}
	if code, reason := to.MayAsk(); code != http.StatusOK {
		return nil, code, errors.New(reason)
	}
	if to.Status() == nil {
		return nil, http.StatusServiceUnavailable, errors.New("the state is not recovered yet: ask again when /readyz says ok")
	}
	return to, http.StatusOK, nil
}

// statusOfBody returns the status of a request whose body cannot be read.
func statusOfBody(err error) int {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// statusOf returns the status that an error is answered with.
func statusOf(err error) int {
	if refused, ok := errors.AsType[*poller.RefusedError](err); ok {
		switch refused.Kind {
		case poller.Invalid:
			return http.StatusBadRequest
		case poller.Unknown:
			return http.StatusNotFound
		}
		return http.StatusConflict
	}
	if errors.Is(err, replay.ErrNotActive) {
		return http.StatusConflict
	}
	return http.StatusServiceUnavailable
}

// unsure adds to an error of which it is not known whether the request took effect that asking again is safe.
func unsure(err error) error {
	if err == nil || poller.Refused(err) || errors.Is(err, replay.ErrNotActive) {
		return err
	}
	return fmt.Errorf("it is not known whether this took effect: %w; ask again, it is not done twice", err)
}

func missingRange(example string) error {
	return &poller.RefusedError{Kind: poller.Invalid, Reason: "from and to are missing; expected " + example}
}

func (h rangeHandler) backfill(r *http.Request, to Ranges, q client.BackfillRequest) (any, error) {
	if q.From.IsZero() || q.To.IsZero() {
		return nil, missingRange(q.Example())
	}
	pass, err := to.Backfill(r.Context(), poller.Span(q.From, q.To), q.Republish, who(q.By, r))
	return pass, unsure(err)
}

func (h rangeHandler) backfills(_ *http.Request, to Ranges, _ nothing) (any, error) {
	out := client.Backfills{Backfills: []poller.PassStatus{}}
	for _, p := range to.Status().Passes {
		if p.Reason == poller.Backfill {
			out.Backfills = append(out.Backfills, p)
		}
	}
	return out, nil
}

func (h rangeHandler) cancel(r *http.Request, to Ranges, q client.CancelRequest) (any, error) {
	if err := to.Cancel(r.Context(), q.ID, who(q.By, r)); err != nil {
		return nil, unsure(err)
	}
	return h.backfills(r, to, nothing{})
}

func (h rangeHandler) gaps(_ *http.Request, to Ranges, _ nothing) (any, error) {
	s := to.Status()
	return client.Gaps{Gaps: s.Partial, Failing: s.Failing, Accepted: s.Accepted}, nil
}

func (h rangeHandler) accept(r *http.Request, to Ranges, q client.AcceptRequest) (any, error) {
	if q.From.IsZero() || q.To.IsZero() {
		return nil, missingRange(q.Example())
	}
	accepted, err := to.AcceptGap(r.Context(), poller.Span(q.From, q.To), who(q.By, r))
	return client.Gaps{Accepted: accepted}, unsure(err)
}

// longestName bounds what is kept of who asked.
const longestName = 100

// who returns who asks, as they say, or from where.
func who(name string, r *http.Request) string {
	name = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(name, ""))
	if runes := []rune(strings.TrimSpace(name)); len(runes) > 0 {
		return string(runes[:min(len(runes), longestName)])
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return "unknown, from " + host
}
