package simulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refusal is an answer in the service's shape of an error.
type refusal struct {
	status, code int
	msg          string
}

// Codes of errors. 4002 is documented; the others only fill the documented shape.
const (
	codeArgument = 4000
	codeAuth     = 4002
	codeNoPath   = 4004
	codeMethod   = 4005
	codeSchema   = 4012
	codeInternal = 5000
)

const (
	pathPrefix = "/agentassist/api/public/analytics/account/"
	pathSuffix = "/v2/interactionDetails"
	maxRange   = 7 * 24 * time.Hour
	maxLimit   = 100
)

// Path is the path of an account's interactionDetails, below the base URL.
func Path(accountID string) string { return pathPrefix + url.PathEscape(accountID) + pathSuffix }

// understand checks a request in the order method, path, login, account,
// parameters, body.
func (s *Service) understand(r *http.Request, body []byte) (query, *refusal) {
	account, isPath := strings.CutPrefix(r.URL.Path, pathPrefix)
	account, isPath2 := strings.CutSuffix(account, pathSuffix)
	switch {
	case !isPath || !isPath2:
		return query{}, &refusal{http.StatusNotFound, codeNoPath, "Not found"}
	case r.Method != http.MethodPost:
		return query{}, &refusal{http.StatusMethodNotAllowed, codeMethod, "Method not allowed"}
	}
	if no := s.config.authorize(r.Header.Get("auth"), s.clock()); no != nil {
		return query{}, no
	}
	switch {
	case account != s.config.AccountID:
		return query{}, &refusal{http.StatusBadRequest, codeArgument, "Invalid accountId"}
	case r.Header.Get("accountId") != account:
		return query{}, &refusal{http.StatusBadRequest, codeArgument, "accountId in header does not match"}
	case s.config.StreamID != "" && r.Header.Get("iId") != s.config.StreamID:
		return query{}, &refusal{http.StatusBadRequest, codeArgument, "Invalid iId"}
	}
	q, no := s.parameters(r.URL.Query())
	if no != nil {
		return query{}, no
	}
	return q, s.parseBody(&q, body)
}

func (s *Service) parameters(values url.Values) (query, *refusal) {
	q := query{limit: maxLimit}
	for name, into := range map[string]*int{"limit": &q.limit, "offset": &q.offset} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n == 0 && name == "limit" {
			return q, &refusal{http.StatusBadRequest, codeArgument, "Invalid " + name}
		}
		*into = n
	}
	if q.limit > maxLimit {
		if s.config.Switches.LimitAbove == LimitRefused {
			return q, &refusal{http.StatusBadRequest, codeArgument, "limit must not exceed 100"}
		}
		q.limit = maxLimit
	}
	return q, nil
}

// requestBody has pointers where a member is required.
type requestBody struct {
	StartDate      *string      `json:"startDate"`
	EndDate        *string      `json:"endDate"`
	TimeZoneOffset *json.Number `json:"timeZoneOffset"`
	Channels       []string     `json:"channels"`
	Queues         []string     `json:"queues"`
	Bots           []string     `json:"bots"`
	SelectedFields []string     `json:"selectedFields"`
	Direction      string       `json:"direction"`
}

func (s *Service) parseBody(q *query, raw []byte) *refusal {
	var body requestBody
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	schema := func(msg string) *refusal { return &refusal{http.StatusPreconditionFailed, codeSchema, msg} }
	if !json.Valid(raw) {
		return &refusal{http.StatusBadRequest, codeArgument, "Invalid JSON"}
	}
	if d.Decode(&body) != nil {
		return schema("should match the schema of interactionDetails")
	}
	if body.StartDate == nil || body.EndDate == nil || body.TimeZoneOffset == nil {
		return schema("should have required property startDate, endDate, timeZoneOffset")
	}
	offset, err := strconv.ParseInt(string(*body.TimeZoneOffset), 10, 32)
	if err != nil || offset < -1440 || offset > 1440 {
		return schema("timeZoneOffset should be minutes")
	}
	if !slices.Contains([]string{"", "Inbound", "Outbound", bothDirections}, body.Direction) {
		return schema("direction should be equal to one of the allowed values")
	}
	q.view = view{selected: selected(body.SelectedFields...), offset: int32(offset)}
	q.filter = filter{channels: body.Channels, queues: body.Queues, bots: body.Bots, direction: body.Direction}
	return s.parseWindow(q, *body.StartDate, *body.EndDate)
}

func (s *Service) parseWindow(q *query, startDate, endDate string) *refusal {
	start, err1 := time.Parse("2006-01-02 15:04:05", startDate)
	end, err2 := time.Parse("2006-01-02 15:04:05", endDate)
	switch {
	case err1 != nil || err2 != nil:
		return &refusal{http.StatusPreconditionFailed, codeSchema, "date should match format yyyy-mm-dd HH24:mm:ss"}
	case end.Before(start):
		return &refusal{http.StatusBadRequest, codeArgument, "endDate is before startDate"}
	case end.Sub(start) > maxRange:
		return &refusal{http.StatusBadRequest, codeArgument, "The days range cannot be more than seven days"}
	}
	q.start, q.end = start, end
	if s.config.Switches.DateOnly {
		start = start.Truncate(24 * time.Hour)
		end = end.Truncate(24 * time.Hour).Add(24*time.Hour - time.Second)
	}
	west := int64(q.view.offset) * minute // local + offset = UTC
	q.from, q.to = start.UnixMilli()+west, end.UnixMilli()+west
	return nil
}

func refuse(w http.ResponseWriter, no refusal) {
	type entry struct {
		Msg  string `json:"msg"`
		Code int    `json:"code"`
	}
	body, err := json.Marshal(map[string][]entry{"errors": {{no.msg, no.code}}})
	if err != nil {
		panic(err) // a string and a number always marshal
	}
	plain(w, no.status, "application/json; charset=utf-8", string(body))
}
