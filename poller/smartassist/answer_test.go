package smartassist

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answers are what the service, or something before it, may say instead of a
// page. Whatever it is, the error must not repeat it.
var answers = map[string]struct {
	status   int
	header   map[string]string
	body     string
	kind     ErrorKind
	category string
	retry    time.Duration
	text     string // in the error
	hint     string // in the hint
}{
	"wrong token": {401, nil, `{"errors":[{"msg":"Invalid SDK credentials","code":4002}],"p":"` + person + `"}`, Login, CategoryLogin, 0,
		"status 401: Invalid SDK credentials (code 4002)", "SMARTASSIST_CLIENT_SECRET"},
	"no JWT":              {401, nil, `{"errors":[{"msg":"Invalid JWT token","code":4002}]}`, Login, CategoryLogin, 0, "Invalid JWT token", "SMARTASSIST_JWT"},
	"scope":               {401, nil, `{"errors":[{"msg":"Permission denied. Scope is incorrect!","code":"4002"}]}`, Login, CategoryLogin, 0, "Scope is incorrect! (code 4002)", "SmartAssist Analytics"},
	"401 of someone else": {401, nil, person, Login, CategoryLogin, 0, "status 401", "SMARTASSIST_JWT"},
	"401 and clocks":      {401, map[string]string{"Date": "Sat, 01 Jan 2000 01:00:00 GMT"}, "", Login, CategoryLogin, 0, "status 401", "clock differs from the service's by -59m5"},
	"forbidden":           {403, nil, "<html>" + person, Login, CategoryLogin, 0, "status 403", ""},
	"throttled":           {429, nil, `{"errors":[{"msg":"You've exceeded the per-minute rate limit. Please wait for sometime before retrying.","code":429}]}`, Throttled, CategoryThrottled, 0, "exceeded the per-minute rate limit (code 429)", "SMARTASSIST_REQUESTS_PER_MINUTE"},
	"throttled, seconds":  {429, map[string]string{"Retry-After": "17"}, person, Throttled, CategoryThrottled, 17 * time.Second, "status 429", ""},
	"throttled, date": {429, map[string]string{"Date": "Tue, 24 Sep 2024 08:00:01 GMT", "Retry-After": "Tue, 24 Sep 2024 08:00:31 GMT"}, "", Throttled,
		CategoryThrottled, 30 * time.Second, "status 429", ""},
	"throttled, past date":   {429, map[string]string{"Retry-After": "Tue, 24 Sep 1994 08:00:31 GMT"}, "", Throttled, CategoryThrottled, 0, "status 429", ""},
	"throttled, nonsense":    {429, map[string]string{"Retry-After": person}, "", Throttled, CategoryThrottled, 0, "status 429", ""},
	"throttled, for ever":    {429, map[string]string{"Retry-After": "999999999"}, "", Throttled, CategoryThrottled, 24 * time.Hour, "status 429", ""},
	"throttled in a 400":     {400, nil, `{"message":"You've exceeded the per-minute rate limit."}`, Throttled, CategoryThrottled, 0, "status 400", ""},
	"throttled in a 200":     {200, nil, `{"errors":[{"msg":"You've exceeded the per-minute rate limit.","code":1}]}`, Throttled, CategoryThrottled, 0, "status 200", ""},
	"login refused in a 200": {200, nil, `{"errors":[{"msg":"Invalid SDK credentials","code":4002}]}`, Login, CategoryLogin, 0, "status 200", ""},
	"throttled for the hour": {429, nil, `{"errors":[{"msg":"You've exceeded the hourly rate limit. ` + person + `","code":429}]}`, Throttled, CategoryThrottledHourly, 0,
		"exceeded the hourly rate limit (code 429)", "SMARTASSIST_REQUESTS_PER_MINUTE"},
	"hourly in a 200":         {200, map[string]string{"Retry-After": "1800"}, `{"errors":[{"msg":"You've exceeded the hourly rate limit."}]}`, Throttled, CategoryThrottledHourly, 30 * time.Minute, "status 200", "hour"},
	"bad argument":            {400, nil, `{"errors":[{"msg":"` + person + `","code":400}]}`, Refused, CategoryStatus4xx, 0, "status 400: code 400", "filters"},
	"not found":               {404, nil, person, Refused, CategoryStatus4xx, 0, "status 404", "SMARTASSIST_URL"},
	"schema":                  {412, nil, `{"errors":[{"msg":"x","code":"` + person + `"}]}`, Refused, CategoryStatus4xx, 0, "status 412", ""},
	"method":                  {405, nil, `{"errors":{"msg":"x"}}`, Refused, CategoryStatus4xx, 0, "status 405", ""},
	"server":                  {500, nil, person, Temporary, CategoryStatus5xx, 0, "status 500", ""},
	"maintenance":             {503, map[string]string{"Retry-After": "120", "Content-Type": "text/html; x=" + strings.Repeat("y", 99)}, "<html>", Temporary, CategoryStatus5xx, 2 * time.Minute, "text/html", ""},
	"too early":               {425, map[string]string{"Retry-After": "3"}, "", Temporary, CategoryStatus5xx, 3 * time.Second, "status 425", ""},
	"busy for hours":          {500, map[string]string{"Retry-After": "99999999"}, "", Temporary, CategoryStatus5xx, 24 * time.Hour, "status 500", ""},
	"request timeout":         {408, nil, "", Temporary, CategoryStatus5xx, 0, "status 408", ""},
	"no content":              {204, nil, "", BadAnswer, CategoryNoData, 0, "status 204: answer without a body", "status 204 without a body"},
	"accepted":                {202, nil, "", BadAnswer, CategoryStatus, 0, "status 202", ""},
	"redirect":                {302, map[string]string{"Location": "https://login.example.com/?user=" + person}, "", Refused, CategoryRedirect, 0, "SMARTASSIST_URL answers with a redirect to login.example.com", "SMARTASSIST_URL"},
	"redirect, same host":     {307, map[string]string{"Location": "/" + person}, "", Refused, CategoryRedirect, 0, "SMARTASSIST_URL", "SMARTASSIST_URL"},
	"login page":              {200, map[string]string{"Content-Type": "text/html"}, " <!DOCTYPE html>" + person, BadAnswer, CategoryHTML, 0, "web page", "SMARTASSIST_URL"},
	"text":                    {200, map[string]string{"Content-Type": person}, person, BadAnswer, CategoryNotJSON, 0, "of unknown type", "SMARTASSIST_URL"},
	"nothing":                 {200, nil, "", BadAnswer, CategoryNoData, 0, "status 200: answer has no body", "status 200 without a body"},
	"white space":             {200, nil, " \r\n", BadAnswer, CategoryNoData, 0, "status 200: answer has no body", "status 200 without a body"},
	"array":                   {200, nil, `[1]`, BadAnswer, CategoryNotJSON, 0, "not a JSON object", ""},
	"no data":                 {200, nil, `{"x":"` + person + `"}`, BadAnswer, CategoryNoData, 0, "no data array, data is absent and numResults is absent", "data is absent and numResults is absent"},
	"no data, some results":   {200, nil, `{"numResults":3}`, BadAnswer, CategoryNoData, 0, "data is absent and numResults is 3", "data is absent and numResults is 3"},
	"data null":               {200, nil, `{"data":null}`, BadAnswer, CategoryNoData, 0, "data is null and numResults is absent", "data is null and numResults is absent"},
	"data null, results null": {200, nil, `{"data":null,"numResults":null}`, BadAnswer, CategoryNoData, 0, "data is null and numResults is no number", ""},
	"data null, some results": {200, nil, `{"data":null,"numResults":"12"}`, BadAnswer, CategoryNoData, 0, "data is null and numResults is 12", "numResults is 12"},
	"data an object":          {200, nil, `{"numResults":0,"data":{"0":{}}}`, BadAnswer, CategoryNoData, 0, "no data array, data is an object and numResults is 0", ""},
	"data a word":             {200, nil, `{"numResults":0,"data":` + "Jane" + `}`, BadAnswer, CategoryNoData, 0, "data is no array and numResults is 0", ""},
	"no results, but errors": {200, nil, `{"numResults":0,"data":null,"errors":[{"msg":"` + person + `","code":7}]}`, BadAnswer, CategoryNoData, 0,
		"data is null and numResults is 0, beside errors: code 7", "beside errors"},
	"throttled with no results": {200, nil, `{"numResults":0,"errors":[{"msg":"You've exceeded the per-minute rate limit.","code":1}]}`, Throttled, CategoryThrottled, 0, "exceeded the per-minute", ""},
	"cut JSON":                  {200, nil, `{"data":[{"sessionId":"` + person, BadAnswer, CategoryCut, 0, "ends early", ""},
	"cut between rows":          {200, nil, `{"data":[{"sessionId":"x"},`, BadAnswer, CategoryCut, 0, "ends early", ""},
	"cut after the rows":        {200, nil, `{"data":[{"sessionId":"x"}]`, BadAnswer, CategoryCut, 0, "ends early", ""},
	"rows without commas":       {200, nil, `{"data":[{"sessionId":"x"}{"sessionId":"` + person + `"}]}`, BadAnswer, CategoryStructure, 0, "cannot be told apart", ""},
	"two answers":               {200, nil, emptyPage + emptyPage, BadAnswer, CategoryStructure, 0, "cannot be told apart", ""},
	"too large":                 {200, nil, `{"data":["` + strings.Repeat("x", 2000) + `"]}`, BadAnswer, CategoryTooLarge, 0, "larger than 1000 bytes", "SMARTASSIST_PAGE_LIMIT"},
}

func TestAnswersThatAreNoPage(t *testing.T) {
	for name, a := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, func(w http.ResponseWriter, r *http.Request) {
					for k, v := range a.header {
						w.Header().Set(k, v)
					}
					w.WriteHeader(a.status)
					io.WriteString(w, a.body)
				}, func(c *Config) { c.MaxBody = 1000 })
				_, err := c.Page(t.Context(), aQuery)
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("error %v", err)
				}
				if e.Kind != a.kind || e.Category != a.category || e.Status != a.status || e.RetryAfter != a.retry {
					t.Errorf("%s, %s, %d, %v", e.Kind, e.Category, e.Status, e.RetryAfter)
				}
				if !strings.Contains(e.Error(), a.text) || !strings.Contains(e.Hint, a.hint) {
					t.Errorf("error %q, hint %q", e, e.Hint)
				}
				if everywhere := a.kind == Login || a.kind == Throttled; e.Everywhere() != everywhere {
					t.Errorf("everywhere %t", !everywhere)
				}
				checkQuiet(t, e)
				checkBudget(t, c, e)
			})
		})
	}
}

// checkQuiet holds an error to what it may say.
func checkQuiet(t *testing.T, e *Error) {
	t.Helper()
	safeText := fmt.Sprintf("%v %s %s", e, e.Category, e.Hint)
	for _, leak := range []string{"Jane", "5555", "hush"} {
		if strings.Contains(safeText, leak) {
			t.Errorf("the error says %q", safeText)
		}
	}
	if len(safeText) > 500 {
		t.Errorf("%d characters", len(safeText))
	}
}

// checkBudget looks at what the error did to the next request.
func checkBudget(t *testing.T, c *Client, e *Error) {
	t.Helper()
	s := c.cfg.Budget.Status()
	held := e.Kind == Throttled || e.Kind == Temporary && e.RetryAfter > 0
	if until := s.ThrottledUntil; until.IsZero() == held {
		t.Errorf("held back until %v", until)
	}
	if throttled := s.Throttled > 0; throttled != (e.Kind == Throttled) {
		t.Errorf("throttled %t", throttled)
	}
	if refused := s.Login == LoginRefused; refused != (e.Kind == Login) {
		t.Errorf("login %s", s.Login)
	}
	if c.Ready() {
		t.Error("ready without a page")
	}
}
