package smartassist

import (
	"fmt"
	"time"
)

// ErrorKind says what a failed read asks of the caller.
type ErrorKind string

const (
	// Temporary: the service or the way to it is down; the same question may be answered later.
	Temporary ErrorKind = "temporary"
	// Login: the token, or the secret it is made of, is not accepted or cannot be read. The [Budget]
	// then allows one request a minute; the operator has to do something.
	Login ErrorKind = "login"
	// Throttled: the account's requests a minute, or an hour, are used up, by us or by others. The
	// [Budget] holds the next request back by itself.
	Throttled ErrorKind = "throttled"
	// BadAnswer: there was an answer that is not a page, or not a whole one. What could be saved of it stands
	// in the Page beside the error.
	BadAnswer ErrorKind = "bad answer"
	// Refused: the service, or this client before asking, does not take the question. The same
	// question will be refused again.
	Refused ErrorKind = "refused"
)

// Error is why a page could not be read. Its text holds no token, no part of an
// answer except the service's few known messages, and no personal data.
type Error struct {
	Kind ErrorKind
	// Category is a word from a fixed set, for metrics: see the Category constants.
	Category string
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// RetryAfter is how long the service asked to be left alone; 0 when it did not say. The [Budget]
	// sees to it.
	RetryAfter time.Duration
	// Hint is what the operator can do, naming the setting; "" when there is nothing to do but wait.
	Hint string
	// NoConnection says that it failed before there was a connection on which to ask.
	NoConnection bool
	// Err is the reason. What it wraps may say more than its text does: print it, not its parts.
	Err error
}

// The values of [Error.Category]. They are label values of a metric.
const (
	CategoryQuery           = "query"            // the question is not one that may be asked
	CategorySecret          = "secret"           // a secret could not be read
	CategoryTimeout         = "timeout"          // no answer, or no whole answer, in time
	CategoryDNS             = "dns"              // the host's name was not found
	CategoryConnect         = "connect"          // no connection
	CategoryTLS             = "tls"              // a connection, but no trust
	CategoryConnection      = "connection"       // the connection ended without an answer
	CategoryRedirect        = "redirect"         // 3xx
	CategoryLogin           = "login"            // 401, 403
	CategoryThrottled       = "throttled"        // 429
	CategoryThrottledHourly = "throttled_hourly" // 429 that speaks of the hour
	CategoryStatus4xx       = "status_4xx"       // any other 4xx
	CategoryStatus5xx       = "status_5xx"       // 5xx, 408, 425
	CategoryStatus          = "status"           // any other status but 200
	CategoryCut             = "cut"              // the answer ended too early
	CategoryTooLarge        = "too_large"        // the answer has more bytes than Config.MaxBody, or many times the rows asked for
	CategoryHTML            = "html"             // a web page
	CategoryNotJSON         = "not_json"         // something else that is not a JSON object
	CategoryStructure       = "structure"        // JSON so broken that the rows cannot be told apart
	CategoryNoData          = "no_data"          // an answer without the data array, or without a body
)

// Error returns the status, if there was one, and the reason; the hint is not in it.
func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("status %d: %v", e.Status, e.Err)
	}
	return e.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Everywhere reports whether the failure concerns every question alike: the way
// to the service, the login, the account's requests. Any other may lie in the
// window that was asked for, and another window may be answered: a status, a
// broken or too large answer, and silence or an end of the connection after the
// question had been put.
func (e *Error) Everywhere() bool {
	switch e.Category {
	case CategoryDNS, CategoryConnect, CategoryTLS:
		return true
	}
	return e.Kind == Login || e.Kind == Throttled || e.NoConnection
}

// maskedError is an error whose own text stands in for that of its cause, because the
// cause may quote what the other side sent.
type maskedError struct {
	text  string
	cause error
}

// Error returns the text that stands in for the cause's.
func (e *maskedError) Error() string { return e.text }

// Unwrap returns the cause, for errors.Is.
func (e *maskedError) Unwrap() error { return e.cause }
