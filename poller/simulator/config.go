package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// DefaultLateBy is how long after its start a row may first become visible,
// where Config.LateBy says nothing.
const DefaultLateBy = 90 * time.Second

// DefaultSurveyBy is the longest time between the end of a conversation and the
// customer's answer to the survey, where Config.SurveyBy says nothing.
const DefaultSurveyBy = 8 * time.Hour

// Config is the whole description of a simulated service. The zero value of
// every field but AccountID is usable.
type Config struct {
	// Seed decides every conversation and every drawn fault.
	Seed uint64
	// AccountID is the account in the request's path and header. Required.
	AccountID string
	// StreamID, when set, is the value the header iId must have. Older texts do
	// not know that header, so by default it is not looked at.
	StreamID string
	// JWT is the one token that is accepted.
	JWT string
	// ClientID and ClientSecret, when set, accept every HS256 token that is signed
	// with the secret and carries the claims sub and appId (the client id). When
	// neither these nor JWT are set, any token will do.
	ClientID, ClientSecret string
	// NoScope refuses every token as one that lacks the scope.
	NoScope bool

	// Start is the origin of the world: History ends here. Default: when New is called.
	Start time.Time
	// History is how long before Start conversations already began.
	History time.Duration
	// Until ends the world: no conversation begins at or after it. Zero: never.
	Until time.Time
	// PerMinute is the mean number of conversations that begin in a minute. Some
	// of them become more than one row.
	PerMinute float64
	// Peak is the busiest hour's share of the mean (14:00 UTC); 0 and 1 mean a
	// flat day. At most 2.
	Peak float64
	// Burst puts conversations into single seconds, in addition. They are not
	// bound by History and Until.
	Burst []Burst
	// Extra rows are served verbatim, always visible, in addition. Their window
	// time is read from sessionStartTime and sessionEndTime, else from the
	// sessionId, else it is Start. They need not be JSON at all.
	Extra []json.RawMessage

	// LateBy bounds how long after its start a row becomes visible, and how long
	// after its end it shows as closed. Zero: DefaultLateBy. Negative: at once.
	LateBy time.Duration
	// SurveyBy bounds how long after its end a conversation gets its survey.
	// Zero: DefaultSurveyBy. Negative: no surveys.
	SurveyBy time.Duration
	// Skew is how far the service's clock is ahead of ours; it moves the world and
	// the Date header alike.
	Skew time.Duration

	// RateLimit refuses the requests beyond this many in any sliding minute with
	// 429. Zero: none is refused. Requests are counted either way.
	RateLimit int
	// Switches are the points on which the service's texts disagree.
	Switches Switches
	// Faults are drawn, or permanent, errors.
	Faults Faults
	// Intercept sees every request first; when it answers it, it returns true. Its
	// body is read for it and can be read again.
	Intercept func(http.ResponseWriter, *http.Request) bool
	// Observe is told of every page that left the service whole, in the order of
	// the answers to one client. Not with Forgetful.
	Observe func(Answered)
	// Forgetful switches the memory of what was served off; Served is then empty.
	// For tests of a reader's own memory.
	Forgetful bool
}

// Burst is a number of rows that all begin within one second.
type Burst struct {
	// At is the second (what lies below a second is ignored).
	At time.Time
	// Rows is the number of rows, of both kinds, each of its own conversation.
	Rows int
}

// Switches are the points on which the service's public texts disagree or are
// silent. The zero value is the older text: offset counts rows, nothing is capped.
type Switches struct {
	// OffsetCountsPages: offset is the number of pages to skip, not of rows.
	OffsetCountsPages bool
	// OffsetCap is the highest offset that is served (the newer text: 10). Zero: none.
	OffsetCap int
	// CapAnswer is what a request beyond OffsetCap gets.
	CapAnswer CapAnswer
	// LimitPerSource: bot-only rows and contact rows are two sources, and each gets
	// offset and limit by itself: a page may hold twice the limit, and a page
	// shorter than that may not be the last.
	LimitPerSource bool
	// Clamp is the most rows a page holds, whatever the limit asks for (a sibling
	// endpoint: 50). Pages to skip are then pages of that size. Zero: none.
	Clamp int
	// LimitAbove is what a limit above 100 gets.
	LimitAbove LimitAbove
	// Thin adds rows that this account may not see, as a share of the
	// conversations: they take their place in paging and are then left out, so that
	// a page is shorter than its limit without being the last.
	Thin float64
	// Bounds are the window's.
	Bounds Bounds
	// FilterBy is the time of a row that the window is compared with.
	FilterBy FilterBy
	// DateOnly: the time of day in the window is ignored, whole days are returned.
	DateOnly bool
	// NumResults is what numResults counts.
	NumResults NumResults
	// BotRowStays: a session that becomes a contact keeps its bot-only row too.
	BotRowStays bool
	// TwinSessions is the share of contacts whose conversationId comes on a second
	// row with another sessionId.
	TwinSessions float64
	// TwinBots is the share of bots' sessions of which two bot-only rows show, with
	// different botIds: two rows of one key in one answer.
	TwinBots float64
	// ErrorBehindEnd: an offset at or behind the number of rows is answered with 500.
	ErrorBehindEnd bool
	// EmptyAs is how a page without rows is told.
	EmptyAs EmptyAs
	// VeryLate is the share of rows that become visible ten minutes to three hours
	// after their start, beyond any LateBy.
	VeryLate float64
	// Restyle writes the same content differently from one answer to the next:
	// another order of the members, white space.
	Restyle bool
}

// CapAnswer is what a request beyond the highest offset gets.
type CapAnswer string

// The answers beyond the highest offset.
const (
	CapError  CapAnswer = "error"  // 400; the default
	CapEmpty  CapAnswer = "empty"  // a page without rows
	CapRepeat CapAnswer = "repeat" // the page at the highest offset again
)

// LimitAbove is what a limit above 100 gets.
type LimitAbove string

// The answers to a limit above 100.
const (
	LimitRefused LimitAbove = "refused" // 400; the default
	LimitClamped LimitAbove = "clamped" // served as 100
)

// Bounds say which ends of the window belong to it.
type Bounds string

// The readings of the window's bounds. All but the last compare whole seconds.
const (
	Inclusive Bounds = "inclusive" // start <= t <= end; the default
	Exclusive Bounds = "exclusive" // start < t < end
	HalfOpen  Bounds = "halfopen"  // start <= t < end
	SubSecond Bounds = "subsecond" // start <= t <= end with the row's hidden milliseconds
)

// FilterBy is the time of a row that the window is compared with.
type FilterBy string

// The times a window may be compared with. The end of an open row is its start.
const (
	ByStart   FilterBy = "start" // the default
	ByEnd     FilterBy = "end"
	ByOverlap FilterBy = "overlap" // any instant of the session
)

// NumResults is what the answer's numResults counts.
type NumResults string

// The readings of numResults.
const (
	CountPage   NumResults = "page"   // the rows of this page; the default
	CountTotal  NumResults = "total"  // the rows of the window, before paging and thinning
	CountAbsent NumResults = "absent" // the member is left out
)

// EmptyAs is how a page without rows is told.
type EmptyAs string

// The ways to tell that a page has no rows.
const (
	EmptyList   EmptyAs = "[]"     // "data":[]; the default
	EmptyNull   EmptyAs = "null"   // "data":null, and numResults 0 whatever it counts
	EmptyAbsent EmptyAs = "absent" // no data, and numResults 0
)

// body is the whole answer, where it differs from that of a page with rows.
func (e EmptyAs) body() string {
	switch e {
	case EmptyNull:
		return `{"numResults":0,"data":null}`
	case EmptyAbsent:
		return `{"numResults":0}`
	}
	return ""
}

// withDefaults fills what was left out, with now as the default origin.
func (c Config) withDefaults(now time.Time) Config {
	if c.Start.IsZero() {
		c.Start = now
	}
	c.LateBy = orDefault(c.LateBy, DefaultLateBy)
	c.SurveyBy = orDefault(c.SurveyBy, DefaultSurveyBy)
	s := &c.Switches
	s.CapAnswer = orFirst(s.CapAnswer, CapError)
	s.LimitAbove = orFirst(s.LimitAbove, LimitRefused)
	s.Bounds = orFirst(s.Bounds, Inclusive)
	s.FilterBy = orFirst(s.FilterBy, ByStart)
	s.NumResults = orFirst(s.NumResults, CountPage)
	s.EmptyAs = orFirst(s.EmptyAs, EmptyList)
	c.Faults = c.Faults.withDefaults()
	return c
}

func orDefault(d, def time.Duration) time.Duration {
	switch {
	case d == 0:
		return def
	case d < 0:
		return 0
	}
	return d
}

func orFirst[T ~string](v, def T) T {
	if v == "" {
		return def
	}
	return v
}

// validate names everything that is wrong, at once.
func (c Config) validate() error {
	s := c.Switches
	errs := []error{
		oneOf("cap answer", s.CapAnswer, CapError, CapEmpty, CapRepeat),
		oneOf("limit above 100", s.LimitAbove, LimitRefused, LimitClamped),
		oneOf("bounds", s.Bounds, Inclusive, Exclusive, HalfOpen, SubSecond),
		oneOf("filter by", s.FilterBy, ByStart, ByEnd, ByOverlap),
		oneOf("numResults", s.NumResults, CountPage, CountTotal, CountAbsent),
		oneOf("empty as", s.EmptyAs, EmptyList, EmptyNull, EmptyAbsent), share("twin bots", s.TwinBots),
		share("thin", s.Thin), share("twin sessions", s.TwinSessions), share("very late", s.VeryLate),
		c.Faults.validate(),
	}
	if c.AccountID == "" {
		errs = append(errs, errors.New("account id: required"))
	}
	if (c.ClientID == "") != (c.ClientSecret == "") {
		errs = append(errs, errors.New("client id and client secret: both or neither"))
	}
	if c.PerMinute < 0 || c.History < 0 || s.Clamp < 0 || s.OffsetCap < 0 || c.RateLimit < 0 {
		errs = append(errs, errors.New("conversations per minute, history, clamp, offset cap, rate limit: must not be negative"))
	}
	if c.Peak < 0 || c.Peak > 2 {
		errs = append(errs, fmt.Errorf("peak %v: expected 0 to 2", c.Peak))
	}
	return errors.Join(errs...)
}

func oneOf[T ~string](name string, v T, allowed ...T) error {
	for _, a := range allowed {
		if v == a {
			return nil
		}
	}
	return fmt.Errorf("%s %q: expected one of %q", name, v, allowed)
}

func share(name string, p float64) error {
	if p >= 0 && p <= 1 {
		return nil
	}
	return fmt.Errorf("%s %v: expected a share, 0 to 1", name, p)
}
