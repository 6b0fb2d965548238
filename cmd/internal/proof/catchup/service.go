package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

const (
	account = "65269fe0dd9c622245c1xxxx"
	token   = "a.to.ken"
	history = 24 * time.Hour
	quiet   = 10 * time.Minute // between the last conversation and the start: all of it has settled

	// With these fields a row has 2.7 KB in the mean.
	selectedFields = "skills,customerinfo,userleveltags,sessionleveltags"
)

// service serves rows that were rendered before: it costs next to nothing, and keeps a journal of what it served.
type service struct {
	begin, end time.Time // every row begins between the two
	rows       []served  // ascending by start
	journal    *verify.Journal
}

type served struct {
	start int64 // Unix seconds
	raw   []byte
	shown simulator.AnsweredRow
}

// newService renders so many conversations of a simulated day that ended a while ago.
func newService(conversations int) (*service, error) {
	end := time.Now().Add(-quiet).Truncate(time.Minute)
	s := &service{end: end}
	world, err := simulator.New(simulator.Config{
		Seed: 1, AccountID: account, Start: end, Until: end, History: history, Forgetful: true,
		PerMinute: float64(conversations) / history.Minutes(),
	})
	if err != nil {
		return nil, err
	}
	for row := range world.RowsAt(time.Now(), end.Add(-history), end, strings.Split(selectedFields, ",")...) {
		s.rows = append(s.rows, served{row.Start.Unix(), row.Raw, simulator.AnsweredRow{Key: row.Key, Hash: row.Hash()}})
	}
	if len(s.rows) < conversations {
		return nil, fmt.Errorf("the simulated day has only %d rows", len(s.rows))
	}
	s.rows = s.rows[len(s.rows)-conversations:]
	s.begin = time.Unix(s.rows[0].start, 0)
	return s, nil
}

func (s *service) meanBytes() int {
	sum := 0
	for _, row := range s.rows {
		sum += len(row.raw)
	}
	return sum / len(s.rows)
}

// ServeHTTP answers as the older text says: offset counts rows, both bounds belong to the window.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		StartDate, EndDate string
	}
	err := json.NewDecoder(r.Body).Decode(&asked)
	from, err1 := time.Parse(time.DateTime, asked.StartDate)
	to, err2 := time.Parse(time.DateTime, asked.EndDate)
	limit, err3 := strconv.Atoi(r.URL.Query().Get("limit"))
	offset, err4 := strconv.Atoi(r.URL.Query().Get("offset"))
	if err != nil || err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	rows := s.between(from.Unix(), to.Unix())
	rows = rows[min(offset, len(rows)):]
	rows = rows[:min(limit, len(rows))]
	body := fmt.Appendf(nil, `{"numResults":%d,"data":[`, len(rows))
	answered := simulator.Answered{From: from, To: to, Offset: offset, At: time.Now()}
	for i, row := range rows {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, row.raw...)
		answered.Rows = append(answered.Rows, row.shown)
	}
	body = append(body, "]}"...)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	s.journal.Observe(answered)
}

func (s *service) between(from, to int64) []served {
	start := func(row served, at int64) int { return int(row.start - at) }
	first, _ := slices.BinarySearchFunc(s.rows, from, start)
	end, _ := slices.BinarySearchFunc(s.rows, to+1, start)
	return s.rows[first:end]
}
