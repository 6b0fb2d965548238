package smartassist

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// step is one thing that happens to a worker, drawn before the bubble: rapid
// stays outside of it.
type step struct {
	idle    time.Duration // before it asks
	connect time.Duration // until the request is on the wire
	patient time.Duration // how long it is ready to wait
	then    string
	retry   time.Duration
}

func drawSteps(t *rapid.T) []step {
	millis := func(most int, name string) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Millisecond
	}
	steps := make([]step, rapid.IntRange(50, 200).Draw(t, "steps"))
	for i := range steps {
		s := &steps[i]
		s.patient = time.Hour
		switch rapid.IntRange(0, 9).Draw(t, "pause") {
		case 0:
			s.idle = millis(120_000, "idle")
		case 1:
			s.connect = millis(9_000, "connect")
		case 2:
			s.patient = millis(3_000, "patience")
		}
		s.then = rapid.SampledFrom([]string{"ok", "ok", "ok", "ok", "ok", "ok", "fail", "429", "401", "restart"}).Draw(t, "then")
		s.retry = millis(20_000, "retry after")
	}
	return steps
}

// live makes the requests of all steps and gives the instants at which they went
// out.
func live(perMinute int, steps []step) (sent []time.Time) {
	b := NewBudget(perMinute)
	for _, s := range steps {
		time.Sleep(s.idle)
		ctx, cancel := context.WithTimeout(context.Background(), s.patient)
		err := b.Wait(ctx)
		cancel()
		if err == nil {
			time.Sleep(s.connect)
			b.Sent()
			sent = append(sent, time.Now())
		}
		switch s.then {
		case "ok":
			b.AcceptLogin()
		case "429":
			b.Throttle(s.retry)
		case "401":
			b.RefuseLogin()
		case "restart":
			b = NewBudget(perMinute)
		}
	}
	return sent
}

func TestNoSlidingMinuteExceedsTheBudget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		perMinute := rapid.SampledFrom([]int{1, 2, 7, 30, 50, 51, 60, 300}).Draw(rt, "budget")
		steps := drawSteps(rt)
		var sent []time.Time
		synctest.Test(t, func(*testing.T) { sent = live(perMinute, steps) })
		withinBudget(rt, perMinute, sent)
	})
}

// TestABudgetOfOneHoldsForFiftyInARow, and with a restart among them: what the test before once found.
func TestABudgetOfOneHoldsForFiftyInARow(t *testing.T) {
	for restart := range 50 {
		steps := slices.Repeat([]step{{patient: time.Hour, then: "ok"}}, 50)
		if restart > 0 {
			steps[restart].then = "restart"
		}
		var sent []time.Time
		synctest.Test(t, func(*testing.T) { sent = live(1, steps) })
		if withinBudget(t, 1, sent); len(sent) != 50 {
			t.Errorf("%d requests of 50", len(sent))
		}
	}
}

// withinBudget fails the test where a sliding minute, taken with both its ends, has more requests than the budget.
func withinBudget(t interface{ Fatalf(string, ...any) }, perMinute int, sent []time.Time) {
	for i, from := range sent {
		n := 0
		for _, at := range sent[i:] {
			if at.Sub(from) <= time.Minute {
				n++
			}
		}
		if n > perMinute {
			t.Fatalf("%d requests in the minute from %v, budget %d", n, from, perMinute)
		}
	}
}

func TestBudgetIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := NewBudget(30)
		for range 30 {
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took, want := time.Since(start), 30*2040*time.Millisecond; took != want {
			t.Errorf("30 requests took %v, want %v", took, want)
		}
		time.Sleep(time.Hour) // saves nothing up
		b.Wait(t.Context())
		resumed := time.Now()
		b.Wait(t.Context())
		if gap := time.Since(resumed); gap != 2040*time.Millisecond {
			t.Errorf("%v after a pause, want one pace", gap)
		}
	})
}

func TestConcurrentWaitsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(30)
		at := make(chan time.Time, 20)
		for range cap(at) {
			go func() {
				b.Wait(t.Context())
				at <- time.Now()
			}()
		}
		var times []time.Time
		for range cap(at) {
			times = append(times, <-at)
		}
		slices.SortFunc(times, time.Time.Compare)
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap != 2040*time.Millisecond {
				t.Errorf("gap %v", gap)
			}
		}
	})
}

func TestThrottleBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(30)
		wait := func() time.Duration {
			start := time.Now()
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		wait()
		var got []string
		for _, retryAfter := range []time.Duration{0, 0, 0, 0, 0, 90 * time.Second, time.Second, 48 * time.Hour} {
			b.Throttle(retryAfter)
			if until := b.Status().ThrottledUntil; until.IsZero() || b.Status().NextAt != until {
				t.Errorf("throttled until %v, next at %v", until, b.Status().NextAt)
			}
			got = append(got, wait().String())
		}
		if want := "[5s 10s 20s 40s 1m0s 1m30s 1m0s 10m0s]"; fmt.Sprint(got) != want {
			t.Errorf("waits %v, want %s", got, want)
		}
		if s := b.Status(); s.Throttled != 8 || s.Requests != 9 || !s.ThrottledUntil.IsZero() {
			t.Errorf("status %+v", s)
		}
		b.AcceptLogin()
		b.Throttle(0)
		if w := wait(); w != 5*time.Second {
			t.Errorf("%v after a page was answered, want 5s again", w)
		}
	})
}

func TestThrottledForTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(30)
		b.Wait(t.Context())
		var got []string
		for _, retryAfter := range []time.Duration{0, 0, 0, time.Second, 40 * time.Minute, 48 * time.Hour} {
			start := time.Now()
			b.Throttle(0) // a 429 of the minute does not count in the hour's row, nor shorten its wait
			b.ThrottleHourly(retryAfter)
			if s := b.Status(); s.ThrottledUntil != s.NextAt || !s.ThrottledUntil.After(start) {
				t.Errorf("throttled until %v, next at %v", s.ThrottledUntil, s.NextAt)
			}
			b.Wait(t.Context())
			got = append(got, time.Since(start).String())
		}
		if want := "[5m0s 10m0s 15m0s 15m0s 40m0s 1h0m0s]"; fmt.Sprint(got) != want {
			t.Errorf("waits %v, want %s", got, want)
		}
		if n := b.Status().Throttled; n != 12 {
			t.Errorf("throttled %d times", n)
		}
		b.AcceptLogin()
		b.ThrottleHourly(0)
		if s := b.Status(); time.Until(s.NextAt) != 5*time.Minute {
			t.Errorf("%v after a page was answered, want 5m again", time.Until(s.NextAt))
		}
	})
}

func TestHoldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(30)
		b.Wait(t.Context())
		for retryAfter, want := range map[time.Duration]time.Duration{0: b.Status().Pace, time.Second: b.Status().Pace, 90 * time.Second: 90 * time.Second, time.Hour: 10 * time.Minute} {
			start := time.Now()
			b.HoldBack(retryAfter)
			b.Wait(t.Context())
			if took := time.Since(start); took != want {
				t.Errorf("asked for %v, waited %v, want %v", retryAfter, took, want)
			}
		}
		b.Throttle(0)
		if s := b.Status(); s.Throttled != 1 || time.Until(s.NextAt) != 5*time.Second {
			t.Errorf("throttled %d times, next in %v: it has counted as a 429", s.Throttled, time.Until(s.NextAt))
		}
		b.HoldBack(time.Second)
		if next := time.Until(b.Status().NextAt); next != 5*time.Second {
			t.Errorf("next in %v: it has shortened the wait of a 429", next)
		}
	})
}

func TestAWaitThatHasBegunIsHeldBackToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(30)
		start := time.Now()
		done := make(chan time.Duration)
		go func() {
			b.Wait(t.Context())
			done <- time.Since(start)
		}()
		synctest.Wait()
		b.Throttle(30 * time.Second)
		if waited := <-done; waited != 30*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestRefusedLoginIsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(30)
		if got := b.Status().Login; got != LoginUnknown {
			t.Errorf("login %s at the start", got)
		}
		for range 5 {
			b.Wait(t.Context())
			sent := time.Now()
			b.RefuseLogin()
			if next := b.Status().NextAt.Sub(sent); next != time.Minute {
				t.Errorf("next after %v", next)
			}
		}
		b.Wait(t.Context())
		sent := time.Now()
		b.AcceptLogin()
		if s := b.Status(); s.NextAt.Sub(sent) != s.Pace || s.Login != LoginAccepted {
			t.Errorf("after acceptance: %+v", s)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Wait(ctx); err != context.DeadlineExceeded {
			t.Errorf("error %v", err)
		}
		if n := b.Status().Requests; n != 0 {
			t.Errorf("%d requests counted", n)
		}
	})
}

// A budget of the vendor's making is many times the documented one; the pace must then still be a time, and keep the minute.
func TestLargeBudgets(t *testing.T) {
	for _, perMinute := range []int{1, 49, 60, 61, 600, 6_000, 99_999, 100_000} {
		pace := NewBudget(perMinute).Status().Pace
		if most := int(time.Minute/pace) + 1; pace <= 0 || most > perMinute { // the minute with both its ends
			t.Errorf("%d: a pace of %v allows %d", perMinute, pace, most)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100_000)
		start := time.Now()
		for range 1000 {
			b.Wait(t.Context())
			b.Sent()
		}
		if took, want := time.Since(start), 612*time.Millisecond; took != want {
			t.Errorf("1000 requests took %v, want %v", took, want)
		}
	})
}

// TestBudgetAfterAStall: what stood in a buffer for a while reaches the service together with what came next.
func TestBudgetAfterAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(30)
		var arrived []time.Time
		for i := range 120 {
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.Sent()
			if i%40 == 10 { // the network stands still
				time.Sleep(10 * time.Second)
			}
			arrived = append(arrived, time.Now())
			b.Answered()
		}
		for i := range len(arrived) - 30 {
			if within := arrived[i+30].Sub(arrived[i]); within < time.Minute {
				t.Fatalf("31 requests arrived within %v", within)
			}
		}
		if took := arrived[len(arrived)-1].Sub(arrived[0]); took > 120*2040*time.Millisecond+40*time.Second {
			t.Errorf("120 requests took %v", took)
		}
	})
}
