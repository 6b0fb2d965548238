package simulator

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault is one way in which an answer goes wrong.
type Fault string

// The faults of an answer. All of them pass: the same request, asked again, may
// be answered.
const (
	Healthy            Fault = "healthy"              // no fault; takes a place in a script
	InternalError      Fault = "500"                  // 500 with a JSON error
	BadGateway         Fault = "502"                  // 502 with a gateway's HTML
	Unavailable        Fault = "503"                  // 503 with plain text
	Throttled          Fault = "429"                  // 429 as documented, no Retry-After
	ThrottledFor       Fault = "429-retry-after"      // 429 with Retry-After in seconds
	ThrottledUntil     Fault = "429-retry-after-date" // 429 with Retry-After as a date
	Unauthorized       Fault = "401"                  // 401 "Invalid SDK credentials"
	CutBody            Fault = "cut"                  // the connection closes in the middle of the body
	HTMLPage           Fault = "html"                 // 200 with a page for people
	Hang               Fault = "hang"                 // no answer until the client gives up
	Reset              Fault = "reset"                // the connection is reset without an answer
	BrokenRow          Fault = "broken-row"           // one row of the page is not valid JSON this time
	RateLimited        Fault = "rate-limit"           // counted in Stats only: beyond Config.RateLimit
	metBadSecond       Fault = "bad-second"           // counted in Stats only: see Faults.BadSeconds
	interceptedRequest Fault = "intercepted"
)

// AllFaults are the faults that can be drawn or scripted, Healthy left out.
var AllFaults = []Fault{InternalError, BadGateway, Unavailable, Throttled, ThrottledFor, ThrottledUntil,
	Unauthorized, CutBody, HTMLPage, Hang, Reset, BrokenRow}

// Faults are errors drawn from the seed.
type Faults struct {
	// Rate is the share of requests that meet each fault. Their sum is at most 1.
	// The draw follows from the seed and the number of the request.
	Rate map[Fault]float64
	// Flaky are times in which other rates hold; the first that holds an instant
	// counts.
	Flaky []Flaky
	// BadSeconds cannot be answered for, whatever is scripted or drawn.
	BadSeconds []BadSecond
	// RetryAfter is what ThrottledFor and ThrottledUntil ask for. Default 5 s.
	RetryAfter time.Duration
	// Poison adds rows that can hardly be a conversation, as a share of the
	// conversations. They are part of the world: whoever asks again gets them again.
	Poison float64
	// PoisonKinds are the kinds of poison rows. Default: AllPoisons.
	PoisonKinds []Poison
}

// Mixed is a set of faults for demonstrations: the share of requests that go
// wrong is spread evenly over all faults, and one conversation in 200 is poison.
func Mixed(share float64) Faults {
	f := Faults{Rate: map[Fault]float64{}, Poison: 0.005}
	for _, kind := range AllFaults {
		f.Rate[kind] = share / float64(len(AllFaults))
	}
	return f
}

func (f Faults) withDefaults() Faults {
	if f.RetryAfter == 0 {
		f.RetryAfter = 5 * time.Second
	}
	if len(f.PoisonKinds) == 0 {
		f.PoisonKinds = AllPoisons
	}
	return f
}

func (f Faults) validate() error {
	errs := []error{share("poison", f.Poison), validRates(f.Rate)}
	for _, flaky := range f.Flaky {
		errs = append(errs, validRates(flaky.Rate))
	}
	for _, b := range f.BadSeconds {
		errs = append(errs, oneOf("kind of a bad second", b.Kind, AllBadKinds...))
	}
	for _, kind := range f.PoisonKinds {
		errs = append(errs, oneOf("poison", kind, AllPoisons...))
	}
	return errors.Join(errs...)
}

func validRates(rate map[Fault]float64) error {
	var errs []error
	sum := 0.0
	for _, kind := range slices.Sorted(maps.Keys(rate)) {
		errs = append(errs, oneOf("fault", kind, AllFaults...), share("rate of "+string(kind), rate[kind]))
		sum += rate[kind]
	}
	if sum > 1+1e-9 {
		errs = append(errs, fmt.Errorf("rates of faults: their sum %v is above 1", sum))
	}
	return errors.Join(errs...)
}

// rates are those of an instant.
func (f Faults) rates(now time.Time) map[Fault]float64 {
	for _, flaky := range f.Flaky {
		if !now.Before(flaky.From) && now.Before(flaky.To) {
			return flaky.Rate
		}
	}
	return f.Rate
}

// draw is the fault of one request.
func (f Faults) draw(seed uint64, request int, now time.Time) Fault {
	rate := f.rates(now)
	if len(rate) == 0 {
		return Healthy
	}
	d := roll(seed+uint64(request)*0x9e3779b97f4a7c15, streamFault)
	x := d.float()
	for _, kind := range AllFaults { // in a fixed order: a map's would differ from run to run
		if x -= rate[kind]; x < 0 {
			return kind
		}
	}
	return Healthy
}

const throttledText = "You've exceeded the per-minute rate limit. Please wait for sometime before retrying."

// fail answers with a fault that needs no page; false when it needs one.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, f Fault) bool {
	switch f {
	case InternalError:
		refuse(w, refusal{http.StatusInternalServerError, codeInternal, "Internal server error"})
	case BadGateway:
		plain(w, http.StatusBadGateway, "text/html", "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\r\n")
	case Unavailable:
		plain(w, http.StatusServiceUnavailable, "text/plain", "upstream connect error or disconnect/reset before headers")
	case HTMLPage:
		plain(w, http.StatusOK, "text/html; charset=utf-8", "<!DOCTYPE html><html><body>We will be back soon.</body></html>")
	case ThrottledFor, ThrottledUntil, Throttled:
		s.throttle(w, f)
	case Unauthorized:
		refuse(w, refusal{http.StatusUnauthorized, codeAuth, "Invalid SDK credentials"})
	case Hang:
		<-r.Context().Done()
	case Reset:
		reset(w)
	default:
		return false
	}
	return true
}

func (s *Service) throttle(w http.ResponseWriter, f Fault) {
	after := s.config.Faults.RetryAfter
	switch f {
	case ThrottledFor:
		w.Header().Set("Retry-After", strconv.Itoa(int(after.Round(time.Second)/time.Second)))
	case ThrottledUntil:
		w.Header().Set("Retry-After", s.clock().Add(after).UTC().Format(http.TimeFormat))
	}
	refuse(w, refusal{http.StatusTooManyRequests, http.StatusTooManyRequests, throttledText})
}

// reset drops the connection; over TCP the client sees a reset and not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // no connection of our own (HTTP/2): the server ends the stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func plain(w http.ResponseWriter, status int, contentType, text string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
