package smartassist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// readPage reads the body of a 200. Where that could not be split, the page
// beside the error holds what could be saved.
func (c *Client) readPage(resp *http.Response, q Query) (Page, error) {
	body, cut := c.readBody(resp)
	if cut != nil && cut.Category != CategoryCut {
		return Page{}, cut
	}
	if cut == nil && len(bytes.TrimSpace(body)) == 0 {
		return Page{}, noData(http.StatusOK, "answer has no body", "status 200 without a body")
	}
	p, category := splitPage(body, q.mostRows())
	c.cfg.Redaction.pieces(&p)
	page := Page{Rows: p.rows, NumResults: p.numResults}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		page.Date = date
	}
	switch {
	case cut != nil:
		return page, cut
	case category == "":
		return page, nil
	case category == CategoryTooLarge:
		return Page{}, tooLarge(fmt.Sprintf("answer has more than %d rows, where %d were asked for", q.mostRows(), q.Limit))
	case category != CategoryCut && category != CategoryStructure:
		return Page{}, noPage(resp.Header, body, category, p.found)
	case arrivedWhole(resp):
		page.Rest = p.rest
	}
	return page, noPage(resp.Header, body, category, "")
}

// arrivedWhole reports whether what was read without an error is all that was sent. A
// body without a length or chunks ends where the connection does, which is also
// how the network cuts it; a gzipped one has an end of its own.
func arrivedWhole(resp *http.Response) bool {
	return resp.ContentLength >= 0 || gzipped(resp) || slices.Contains(resp.TransferEncoding, "chunked")
}

// noPage returns the error for a 200 that is not a page; found is what there was in the
// place of data.
func noPage(h http.Header, body []byte, category, found string) *Error {
	if category == CategoryNoData {
		return noDataArray(h, body, found)
	}
	e := &Error{Kind: BadAnswer, Category: category, Status: http.StatusOK}
	e.Err = fmt.Errorf("%s: %w", whyNoPage[category], contentForm(h, body))
	if category != CategoryCut && category != CategoryStructure { // these hold rows
		e.Hint = "is SMARTASSIST_URL the service's address, and is there a proxy or a login page before it?"
	}
	return e
}

var whyNoPage = map[string]string{
	CategoryCut:       "answer ends early",
	CategoryStructure: "rows of the answer cannot be told apart",
	CategoryHTML:      "answer is a web page",
	CategoryNotJSON:   "answer is not a JSON object",
}

// noDataArray returns the error for an object that is not a page.
func noDataArray(h http.Header, body []byte, found string) *Error {
	body = body[:min(len(body), maxErrorBody)]
	e := noData(http.StatusOK, "", found)
	e.Err = fmt.Errorf("answer has no data array, %s: %w", found, safeText(h, body))
	if m, ok := findMessage(body); ok { // some gateways say it with a 200
		e.classify(m)
		e.RetryAfter = retryAfter(h, time.Now())
	}
	return e
}

// noData returns the error for an answer without rows that does not say that there are
// none. The operator is asked to report it: it may be how the service shows an
// empty window, which its documents leave open.
func noData(status int, text, found string) *Error {
	return &Error{Kind: BadAnswer, Category: CategoryNoData, Status: status, Err: errors.New(text),
		Hint: "what came: " + found + ". If a proxy or a wrong SMARTASSIST_URL does not explain it, report it to the makers of convstream: " +
			"an empty window is known by numResults 0, or by an empty data array"}
}

// readBody reads the answer up to the cap; beside an error of category cut it
// returns what came.
func (c *Client) readBody(resp *http.Response) ([]byte, *Error) {
	var b bytes.Buffer
	b.Grow(int(c.room(resp)))
	_, err := b.ReadFrom(io.LimitReader(resp.Body, c.cfg.MaxBody+1))
	body := b.Bytes()
	c.before.Store(int64(len(body)))
	switch {
	case int64(len(body)) > c.cfg.MaxBody:
		return nil, tooLarge(fmt.Sprintf("answer is larger than %d bytes", c.cfg.MaxBody))
	case err != nil && isTimeout(err):
		return nil, c.bodyTimeout(err, len(body))
	case err != nil:
		return body, &Error{Kind: BadAnswer, Category: CategoryCut, Status: resp.StatusCode,
			Err: &maskedError{fmt.Sprintf("answer cut off after %d bytes", len(body)), err}}
	}
	return body, nil
}

func tooLarge(text string) *Error {
	return &Error{Kind: BadAnswer, Category: CategoryTooLarge, Status: http.StatusOK, Err: errors.New(text),
		Hint: "lower SMARTASSIST_PAGE_LIMIT, and see whether the service heeds it"}
}

// room returns how much to allocate for an answer: the length that it declares, else
// that of the one before. Answers are large and alike: a buffer that grows on the way
// costs several times as much memory.
func (c *Client) room(resp *http.Response) int64 {
	length := resp.ContentLength
	if length < 0 || gzipped(resp) {
		length = c.before.Load() * 9 / 8
	}
	return min(length, c.cfg.MaxBody) + bytes.MinRead
}
