package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// get asks without judging what comes: faults break answers at every place.
func (s site) get(t *testing.T, ctx context.Context, a ask) (resp *http.Response, body []byte, err error) {
	t.Helper()
	resp, err = s.client.Do(a.request(t, s.url).WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp, body, err
}

func TestScriptedFaults(t *testing.T) {
	type seen struct {
		resp *http.Response
		body string
		err  error
	}
	status := func(code int, text string) func(seen) bool {
		return func(s seen) bool {
			return s.err == nil && s.resp.StatusCode == code && strings.Contains(s.body, text)
		}
	}
	retryAfter := func(test func(string) bool) func(seen) bool {
		return func(s seen) bool {
			return status(429, "exceeded the per-minute rate limit")(s) && test(s.resp.Header.Get("Retry-After"))
		}
	}
	for fault, right := range map[Fault]func(seen) bool{
		Healthy:       status(200, `{"numResults":5,`),
		InternalError: status(500, `{"errors":[`),
		BadGateway:    status(502, "<html>"),
		Unavailable:   status(503, "upstream"),
		Throttled:     retryAfter(func(h string) bool { return h == "" }),
		ThrottledFor:  retryAfter(func(h string) bool { return h == "7" }),
		ThrottledUntil: retryAfter(func(h string) bool {
			at, err := http.ParseTime(h)
			return err == nil && time.Until(at) > 0 && time.Until(at) < 8*time.Second
		}),
		Unauthorized: status(401, `{"errors":[{"msg":"Invalid SDK credentials","code":4002}]}`),
		HTMLPage:     status(200, "<!DOCTYPE html>"),
		CutBody: func(s seen) bool {
			return errors.Is(s.err, io.ErrUnexpectedEOF) && strings.HasPrefix(s.body, `{"numResults":5,"data":[{`)
		},
		Reset:     func(s seen) bool { return errors.Is(s.err, syscall.ECONNRESET) || errors.Is(s.err, io.EOF) },
		BrokenRow: func(s seen) bool { return status(200, "undefined}")(s) && !json.Valid([]byte(s.body)) },
	} {
		t.Run(string(fault), func(t *testing.T) {
			s := serve(t, world30(4, func(c *Config) { c.Faults.RetryAfter = 7 * time.Second }))
			s.Script(fault)
			var got seen
			var body []byte
			got.resp, body, got.err = s.get(t, t.Context(), ask{limit: 5})
			if got.body = string(body); !right(got) {
				t.Errorf("%+v", got)
			}
			if n := s.Stats().Faults[fault]; fault != Healthy && n != 1 {
				t.Errorf("counted %d times", n)
			}
			if a := s.do(t, ask{limit: 5}); a.status != 200 || len(a.rows) != 5 {
				t.Errorf("the next request: status %d, %d rows", a.status, len(a.rows))
			}
		})
	}
}

func TestHangEndsWithTheClient(t *testing.T) {
	s := serve(t, world30(4, nil))
	s.Script(Hang)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, _, err := s.get(t, ctx, ask{limit: 5})
		asked <- err
	}()
	for s.Stats().Faults[Hang] == 0 { // the request has arrived
		select {
		case err := <-asked:
			t.Fatalf("answered: %v", err)
		default:
		}
	}
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestInterceptAnswersFirst(t *testing.T) {
	s := serve(t, world30(4, func(c *Config) {
		c.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			body, err := io.ReadAll(r.Body)
			if err != nil || !strings.Contains(string(body), "startDate") || r.URL.Query().Get("offset") != "7" {
				return false
			}
			w.WriteHeader(http.StatusTeapot)
			return true
		}
	}))
	if a := s.do(t, ask{offset: 7}); a.status != http.StatusTeapot {
		t.Errorf("status %d", a.status)
	}
	if a := s.do(t, ask{}); a.status != http.StatusOK || len(a.rows) != 1 {
		t.Errorf("status %d, %d rows: what is not intercepted is served with its body", a.status, len(a.rows))
	}
}

func TestDrawnFaultsFollowTheSeed(t *testing.T) {
	f := Mixed(0.3).withDefaults()
	draws := func(seed uint64) (kinds []Fault) {
		for i := range 4000 {
			kinds = append(kinds, f.draw(seed, i, noon))
		}
		return kinds
	}
	first := draws(1)
	if !slices.Equal(first, draws(1)) || slices.Equal(first, draws(2)) {
		t.Error("the draw must follow from the seed")
	}
	count := map[Fault]int{}
	for _, kind := range first {
		count[kind]++
	}
	for _, kind := range AllFaults {
		if n := count[kind]; n < 60 || n > 140 {
			t.Errorf("%s drawn %d times of 4000, want about 100", kind, n)
		}
	}
	if len(count) != len(AllFaults)+1 {
		t.Errorf("drawn: %v", count)
	}
}

func TestRateLimitCountsASlidingMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{AccountID: account, RateLimit: 3})
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, wait := range []int{0, 20, 20, 20, 1, 18, 1} { // at 0, 20, 40, 60, 61, 79, 80 seconds
			time.Sleep(time.Duration(wait) * time.Second)
			got = append(got, direct(t, s, ask{}).status)
		}
		// At 60 s the request of 0 s is a minute old and no longer counts; at 79 s the refused one of 61 s does.
		if want := []int{200, 200, 200, 200, 429, 429, 429}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if s.MaxPerMinute() != 5 {
			t.Errorf("at most %d in a minute, want 5 (20 s to 79 s)", s.MaxPerMinute())
		}
		time.Sleep(time.Minute)
		if status := direct(t, s, ask{}).status; status != 200 || s.Stats().Faults[RateLimited] != 3 {
			t.Errorf("status %d, %v", status, s.Stats().Faults)
		}
	})
}

func TestPoisonStaysInTheWorld(t *testing.T) {
	for _, kind := range AllPoisons {
		t.Run(string(kind), func(t *testing.T) {
			s := serve(t, world30(6, func(c *Config) { c.Faults = Faults{Poison: 0.2, PoisonKinds: []Poison{kind}} }))
			clean := serve(t, world30(6, nil))
			count := func(s site) (rows, dead, broken int) {
				for r := range s.RowsAt(time.Now(), noon.Add(-time.Hour), noon) {
					rows++
					if r.Dead {
						dead++
					}
					if !json.Valid(r.Raw) {
						broken++
					}
				}
				return rows, dead, broken
			}
			rows, dead, broken := count(s)
			before, _, _ := count(clean)
			poison := rows - before
			wantDead := map[Poison]int{NotAnObject: poison, NoIdentity: poison, BrokenForEver: poison}[kind]
			wantBroken := map[Poison]int{BrokenForEver: poison}[kind]
			if poison < 20 || dead != wantDead || broken != wantBroken {
				t.Errorf("%d poison rows, %d dead, want %d; %d broken, want %d", poison, dead, wantDead, broken, wantBroken)
			}
			_, first, err1 := s.get(t, t.Context(), ask{limit: 100, offset: 100})
			_, again, err2 := s.get(t, t.Context(), ask{limit: 100, offset: 100})
			if err1 != nil || err2 != nil || string(first) != string(again) {
				t.Error("asked again, the page differs")
			}
		})
	}
}
