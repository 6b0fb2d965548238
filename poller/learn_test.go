package poller

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAgeBuckets: each age lies within the bounds of its bucket, and spreading a stretch of ages loses none of it.
func TestAgeBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		age := rapid.Float64Range(0, 100*86_400).Draw(t, "age")
		i := ageBucket(age)
		if age >= ageBounds[i] || i > 0 && age < ageBounds[i-1] {
			t.Fatalf("age %g is in bucket %d, which ends at %g", age, i, ageBounds[i])
		}
		to := age + rapid.Float64Range(0, 10*86_400).Draw(t, "length")
		total, last := 0.0, i-1
		spread(age, to, func(bucket int, seconds float64) {
			if bucket != last+1 || seconds <= 0 {
				t.Fatalf("bucket %d after %d, %g s", bucket, last, seconds)
			}
			total, last = total+seconds, bucket
		})
		if math.Abs(total-(to-age)) > 1e-6*(1+to) {
			t.Fatalf("%g of %g s are spread", total, to-age)
		}
	})
	for _, b := range ageBounds[:ageBuckets-1] {
		if i := ageBucket(b); ageBounds[i-1] != b {
			t.Errorf("the bound %g is in bucket %d", b, i)
		}
	}
}

// TestWatch: a change counts once, over the ages at which it may have come.
func TestWatch(t *testing.T) {
	var l Learned
	l.Watch(at(0), at(100), at(400), true)
	l.Watch(at(0), at(100), at(400), false)
	l.Watch(at(0), at(400), at(400), true) // no time went by
	l.Watch(at(500), at(100), at(400), true)
	watched, changed := 0.0, 0.0
	for i := range l.Watched {
		watched, changed = watched+l.Watched[i], changed+l.Changed[i]
		if l.Changed[i] > 0 && (ageBounds[i] <= 100 || i > 0 && ageBounds[i-1] >= 400) {
			t.Errorf("a change between ages of 100 and 400 s counts up to an age of %g s", ageBounds[i])
		}
	}
	if math.Abs(watched-600) > 1e-6 || math.Abs(changed-1) > 1e-6 {
		t.Errorf("%g s watched, %g changes, want 600 and 1", watched, changed)
	}
	l.Appeared(-time.Second)
	l.Appeared(10 * 365 * 24 * time.Hour)
	if l.Late[0] != 1 || l.Late[ageBuckets-1] != 1 {
		t.Errorf("late %v", l.Late)
	}
}

// TestFaded: two weeks leave a third, an hour nothing to do, and a clock that was set back takes nothing away.
func TestFaded(t *testing.T) {
	l := Learned{At: at(0)}
	l.Watched[1], l.Changed[2], l.Late[3] = 1000, 100, 10
	for after, keep := range map[time.Duration]float64{0: 1, 59 * time.Minute: 1, fading: 1 / math.E, 2 * fading: 1 / (math.E * math.E), -time.Hour: 1} {
		got := l.Faded(at(0).Add(after))
		for _, c := range [][2]float64{{got.Watched[1], 1000}, {got.Changed[2], 100}, {got.Late[3], 10}} {
			if math.Abs(c[0]-keep*c[1]) > 1e-9 {
				t.Errorf("after %v: %g of %g, want a share of %g", after, c[0], c[1], keep)
			}
		}
		if moved := keep < 1 || after < 0; moved == got.At.Equal(at(0)) {
			t.Errorf("after %v the figures are of %v", after, got.At)
		}
	}
	if got := (Learned{}).Faded(at(7)); !got.At.Equal(at(7)) {
		t.Errorf("nothing learned is of %v", got.At)
	}
}

// TestForecast: a row that is watched for longer has more changes that were not seen, which have been waiting for longer; the
// waiting is the integral of the changes.
func TestForecast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Learned
		for i := range ageBuckets {
			l.Watched[i] = rapid.Float64Range(0, 1e6).Draw(t, "watched")
			l.Changed[i] = rapid.Float64Range(0, 100).Draw(t, "changed")
		}
		f := l.forecast()
		before := rapid.Float64Range(0, 86_400).Draw(t, "before")
		now := before + rapid.Float64Range(1, 86_400).Draw(t, "later")
		changes, waiting := f.unseen(before, now)
		more, longer := f.unseen(before, now+100)
		if changes < 0 || waiting < -1e-6 || more < changes || longer < waiting-1e-6 || waiting > changes*(now-before)*1.0001+1e-6 {
			t.Fatalf("%g changes waiting for %g s; 100 s later %g and %g", changes, waiting, more, longer)
		}
		sum, steps := 0.0, 2000
		for i := range steps {
			c, _ := f.unseen(before, before+(now-before)*(float64(i)+0.5)/float64(steps))
			sum += c * (now - before) / float64(steps)
		}
		if math.Abs(sum-waiting) > 0.01*waiting+1e-3 {
			t.Fatalf("waiting for %g s, the integral of the changes is %g", waiting, sum)
		}
		if c, w := f.unseen(now, before); c != 0 || w != 0 {
			t.Fatalf("%g changes of a row that was read later than now", c)
		}
	})
}

// TestLearnedInTheLedger keeps what matters of it; figures of another number of buckets are forgotten, and damage is an error.
func TestLearnedInTheLedger(t *testing.T) {
	l := Learned{At: at(5)}
	l.Watched[0], l.Changed[7], l.Late[ageBuckets-1] = 1.5, 2.25, 1024
	text, err := l.MarshalJSON()
	var back Learned
	if err == nil {
		err = back.UnmarshalJSON(text)
	}
	if err != nil || back != l {
		t.Errorf("%v: %s", err, text)
	}
	if text, err := (Learned{}).MarshalJSON(); err != nil || string(text) != "null" {
		t.Errorf("nothing learned: %s, %v", text, err)
	}
	for _, text := range []string{`null`, `{}`, `{"at":5,"watched":[1],"changed":[1],"late":[1]}`} {
		if err := back.UnmarshalJSON([]byte(text)); err != nil || back != (Learned{}) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if back.UnmarshalJSON([]byte(`{"at":"x"}`)) == nil {
		t.Error("damage was taken for figures")
	}
}

// TestCounts: the buckets of a histogram that hold anything, in order, the last one without a bound.
func TestCounts(t *testing.T) {
	var h Histogram
	h[0], h[1], h[2], h[ageBuckets-1] = 1.234, 0.004, 7, 2
	want := []AgeCount{{Seconds(30 * time.Second), 1.23}, {Seconds(time.Duration(30 * 1.25 * 1.25 * float64(time.Second))), 7}, {0, 2}}
	if got := h.counts(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if text, err := json.Marshal((Histogram{}).counts()); err != nil || string(text) != "[]" {
		t.Errorf("an empty one is %s, %v", text, err)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 1400 * time.Millisecond: "1s", -90 * time.Second: "-1m30s", 25 * time.Hour: "25h0m0s"} {
		if text, err := json.Marshal(Seconds(d)); err != nil || string(text) != `"`+want+`"` {
			t.Errorf("%v is %s, %v", d, text, err)
		}
	}
}
