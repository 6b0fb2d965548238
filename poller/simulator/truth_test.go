package simulator

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestContentHashIsThatOfTheJSON(t *testing.T) {
	same := [][2]string{
		{`{"a":1,"b":[1,2]}`, "{ \"b\" : [1 ,2],\n\"a\":1 }"},
		{`{"a":"é/"}`, `{"a":"\u00e9\/"}`},
		{`{"a\u0062":1}`, `{"ab":1}`},
		{"\"caf\xe9\"", `"caf\ufffd"`},
		{`{}`, ` { } `},
		{`[ ]`, `[]`},
	}
	for _, pair := range same {
		if ContentHash([]byte(pair[0])) != ContentHash([]byte(pair[1])) {
			t.Errorf("%s and %s are equal", pair[0], pair[1])
		}
	}
	different := []string{`{}`, `[]`, `""`, `null`, `"null"`, `0`, `-0`, `0.0`, `1E2`, `100`, `[1,2]`, `[2,1]`, `[[1],2]`, `[1,[2]]`, `{"a":1}`, `{"a":"1"}`,
		`{"b":1}`, `{"a":{"b":1}}`, `{"a":null}`, `[null]`, `{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"a":[]}`, `{"a":{}}`, `undefined`, `{"a":1`, `{"a":1,}`}
	seen := map[uint64]string{}
	for _, text := range different {
		h := ContentHash([]byte(text))
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s differ", text, other)
		}
		seen[h] = text
	}
}

// Any JSON, written in another order and with other white space, keeps its hash;
// with one value changed, it does not.
func TestContentHashProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := drawJSON(t, 3)
		compact, err1 := json.Marshal(value)
		indented, err2 := json.MarshalIndent(value, " ", "\t")
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if ContentHash(compact) != ContentHash(indented) {
			t.Errorf("white space counts in %s", compact)
		}
		if object, ok := value.(map[string]any); ok && len(object) > 1 {
			if styled := restyle(compact, rapid.Uint64().Draw(t, "turn")); ContentHash(styled) != ContentHash(compact) || !json.Valid(styled) {
				t.Errorf("%s restyled is %s", compact, styled)
			}
		}
		if ContentHash(compact) == ContentHash(append(append([]byte("["), compact...), ']')) {
			t.Errorf("an array around it does not count: %s", compact)
		}
	})
}

func drawJSON(t *rapid.T, depth int) any {
	kinds := 4
	if depth > 0 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.String().Draw(t, "string")
	case 2:
		return rapid.Float64Range(-1e9, 1e9).Draw(t, "number")
	case 3:
		return rapid.Bool().Draw(t, "bool")
	case 4:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			list = append(list, drawJSON(t, depth-1))
		}
		return list
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		object[rapid.String().Draw(t, "name")] = drawJSON(t, depth-1)
	}
	return object
}

// served gathers the memory by key.
func served(s *Service) map[Key]ServedRow {
	m := map[Key]ServedRow{}
	for r := range s.Served() {
		m[r.Key] = r
	}
	return m
}

// Over a simulated day, read every twelve minutes, the memory is exactly what the
// answers held; and after the world has settled, the newest content served is the truth.
func TestTheMemoryIsWhatTheAnswersHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s, err := New(Config{Seed: 21, AccountID: account, PerMinute: 0.5, Until: start.Add(24 * time.Hour),
			Switches: Switches{TwinSessions: 0.1, Restyle: true}, Faults: Faults{Poison: 0.05}})
		if err != nil {
			t.Fatal(err)
		}
		got := map[Key]map[uint64]int{}
		read := func(from, to time.Time) {
			for offset := 0; ; offset += 100 {
				rows := rawRows(t, directRaw(t, s, ask{from: from, to: to, limit: 100, offset: offset}))
				for _, raw := range rows {
					key, _ := KeyOf(raw)
					if got[key] == nil {
						got[key] = map[uint64]int{}
					}
					got[key][ContentHash(raw)]++
				}
				if len(rows) == 0 {
					return
				}
			}
		}
		for time.Since(start) < 24*time.Hour {
			time.Sleep(12 * time.Minute)
			read(time.Now().Add(-time.Hour), time.Now())
		}
		time.Sleep(time.Until(s.Settled()))
		for at := start; at.Before(start.Add(26 * time.Hour)); at = at.Add(time.Hour) {
			read(at, at.Add(time.Hour))
		}
		remembered := served(s)
		for key, contents := range got {
			for _, c := range remembered[key].Contents {
				if contents[c.Hash] != c.Times {
					t.Errorf("%v: content served %d times, remembered %d", key, contents[c.Hash], c.Times)
				}
				delete(contents, c.Hash)
			}
			if len(contents) > 0 {
				t.Errorf("%v: %d contents are not remembered", key, len(contents))
			}
		}
		rows := 0
		for r := range s.RowsAt(time.Now(), start, start.Add(26*time.Hour)) {
			rows++
			if newest := remembered[r.Key].Newest(); newest.Hash != r.Hash() || remembered[r.Key].Dead != r.Dead {
				t.Errorf("%v: the newest content served is not the truth", r.Key)
			}
		}
		if rows < 700 || len(remembered) != len(got) {
			t.Errorf("%d rows in truth, %d remembered, %d got", rows, len(remembered), len(got))
		}
	})
}

// rawRows takes a page apart where encoding/json would not: broken rows are in balance.
func rawRows(t *testing.T, body []byte) [][]byte {
	t.Helper()
	_, list, ok := bytes.Cut(body, []byte(`"data":[`))
	if !ok {
		t.Fatalf("no page: %s", body)
	}
	list = append(append([]byte("{"), bytes.TrimSuffix(list, []byte("]}"))...), '}')
	return splitMembers(list)
}

func TestACutBodyIsRememberedAsFarAsItWent(t *testing.T) {
	s := serve(t, world30(4, nil))
	s.Script(CutBody)
	_, body, err := s.get(t, t.Context(), ask{limit: 11})
	if err == nil {
		t.Fatal("the body is not cut")
	}
	whole := s.do(t, ask{limit: 11})
	twice := 0
	for _, r := range served(s.Service) {
		if r.Contents[0].Times == 2 {
			twice++
		}
	}
	arrived := 0
	for _, raw := range whole.rows {
		if bytes.Contains(body, raw) {
			arrived++
		}
	}
	if twice != arrived || arrived == 0 || arrived == 11 {
		t.Errorf("%d rows arrived, %d are remembered", arrived, twice)
	}
}

func TestABrokenRowIsRememberedAsItWasSent(t *testing.T) {
	s := serve(t, world30(4, nil))
	s.Script(BrokenRow)
	_, body, err := s.get(t, t.Context(), ask{limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	rows := rawRows(t, body)
	memory := served(s.Service)
	dead := 0
	for _, raw := range rows {
		key, isDead := KeyOf(raw)
		if isDead {
			dead++
		}
		if memory[key].Dead != isDead || memory[key].Newest().Hash != ContentHash(raw) {
			t.Errorf("%v is not remembered", key)
		}
	}
	if len(rows) != 5 || len(memory) != 5 || dead != 1 {
		t.Errorf("%d rows, %d of them dead, %d remembered", len(rows), dead, len(memory))
	}
}

// Neighbouring half-open ranges share no row and leave none out, and the time of
// each row is within its range to the millisecond.
func TestRangesOfTheTruthTile(t *testing.T) {
	s, err := New(world30(4, nil))
	if err != nil {
		t.Fatal(err)
	}
	from, to, at := noon.Add(-31*time.Minute), noon.Add(12*time.Minute), noon.Add(time.Hour)
	whole, parts := truthAt(s, at, from, to), 0
	for ; from.Before(to); from = from.Add(time.Second) {
		for r := range s.RowsAt(at, from, from.Add(time.Second)) {
			parts++
			if r.Start.Before(from) || !r.Start.Before(from.Add(time.Second)) || !whole[r.Key] {
				t.Errorf("%v starts at %v: not in the second from %v", r.Key, r.Start, from)
			}
		}
	}
	if parts != len(whole) || parts < 200 {
		t.Errorf("%d rows second by second, %d at once", parts, len(whole))
	}
}

func TestExtraRowsAreServedVerbatim(t *testing.T) {
	extra := []json.RawMessage{
		json.RawMessage("{\"conversationId\":\"c-x\",\n  \"sessionId\":\"67c6e8000000000000000000\", \"n\": 1.50}"), // 11:46:40, by its sessionId
		json.RawMessage(`"half an hour earlier"`),
	}
	s := serve(t, Config{AccountID: account, Start: noon.Add(-time.Minute), Extra: extra})
	a := s.do(t, ask{limit: 10})
	if len(a.rows) != 2 || !bytes.Equal(a.rows[1], extra[0]) || !bytes.Equal(a.rows[0], extra[1]) {
		t.Errorf("%s", a.body)
	}
	var keys []Key
	for r := range s.RowsAt(time.Now(), noon.Add(-time.Hour), noon) {
		keys = append(keys, r.Key)
	}
	if !slices.Contains(keys, Key{"c-x", "67c6e8000000000000000000"}) || len(keys) != 2 {
		t.Errorf("%v", keys)
	}
}

func TestForgetfulRemembersNothing(t *testing.T) {
	s := serve(t, world30(4, func(c *Config) { c.Forgetful = true }))
	if a := s.do(t, ask{limit: 100}); len(a.rows) != 100 || len(served(s.Service)) != 0 || s.Stats().Rows != 100 {
		t.Errorf("%d rows, %d remembered", len(a.rows), len(served(s.Service)))
	}
}

func TestFreezeEndsAllChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Seed: 1, AccountID: account, PerMinute: 20, History: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		look := func() []byte { return directRaw(t, s, ask{from: noon2000(0), to: noon2000(13), limit: 100}) }
		first := look()
		time.Sleep(time.Minute)
		second := look()
		s.Freeze(time.Now())
		time.Sleep(6 * time.Hour)
		if third := look(); bytes.Equal(first, second) || !bytes.Equal(second, third) || !s.Settled().Equal(time.Now().Add(-6*time.Hour)) {
			t.Errorf("before the freeze the page must change, after it not; settled %v", s.Settled())
		}
	})
}

// noon2000 is an hour of the first day in a synctest bubble.
func noon2000(hour int) time.Time {
	return time.Date(2000, 1, 1, hour, 0, 0, 0, time.UTC)
}

func TestSkewMovesTheDateAndTheWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{AccountID: account, Skew: -10 * time.Minute, PerMinute: 20, LateBy: -1, Start: time.Now().Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		a := direct(t, s, ask{from: time.Now().Add(-11 * time.Minute), to: time.Now(), limit: 100})
		date, err := http1Date(a)
		if err != nil || !date.Equal(time.Now().Add(-10*time.Minute)) {
			t.Errorf("Date %v: %v", date, err)
		}
		behind := direct(t, s, ask{from: time.Now().Add(-9 * time.Minute), to: time.Now(), limit: 100})
		if len(a.rows) == 0 || len(behind.rows) != 0 {
			t.Errorf("%d rows until ten minutes ago, %d since", len(a.rows), len(behind.rows))
		}
	})
}
