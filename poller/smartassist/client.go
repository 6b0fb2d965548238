package smartassist

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Config is what a [Client] needs to know. The settings it stands for are named
// in the comments and in errors.
type Config struct {
	URL       string // SMARTASSIST_URL: https://host[/path]; http only to loopback or with AllowHTTP
	AccountID string // SMARTASSIST_ACCOUNT_ID
	StreamID  string // SMARTASSIST_STREAM_ID: sent as iId unless ""
	Token     TokenSource

	Channels, Queues, Bots []string // SMARTASSIST_CHANNELS, SMARTASSIST_QUEUES, SMARTASSIST_BOTS: filters; empty means all
	SelectedFields         []string // SMARTASSIST_SELECTED_FIELDS: not sent at all when empty
	Direction              string   // SMARTASSIST_DIRECTION: Inbound, Outbound or Both; not sent at all when ""

	RootCAs   *x509.CertPool // of SMARTASSIST_CA_FILE and the system; nil is the system's alone
	AllowHTTP bool           // SMARTASSIST_ALLOW_HTTP

	// Redaction is applied to rows before anybody sees them; nil: to none.
	Redaction *Redaction
	// Budget paces the requests; required, and one for the whole account.
	Budget *Budget
	// Permit is asked before every request, when the budget has let it go, and may wait; after an error, which is ctx's,
	// the request is not made. nil: always.
	Permit func(ctx context.Context) error
	// Dial makes the connections; nil: a net.Dialer, and the proxy of the environment
	// (HTTPS_PROXY and the like, which is not asked when Dial is given).
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is this machine's clock; nil: time.Now. How long something takes is not measured by it.
	Now func() time.Time
	// Timeout is for a whole request, from the connection to the last byte; 0: a minute. Within it the
	// answer has to begin 20 s after the request was sent, and no pause in it may last longer than 10 s.
	Timeout time.Duration
	// MaxBody is how large an answer may be, in bytes after decompression; 0: 16 MiB.
	MaxBody int64
}

const (
	defaultTimeout = time.Minute
	defaultMaxBody = 16 << 20
)

// LongestRange is the widest range of time that the service answers for.
const LongestRange = 7 * 24 * time.Hour

// Query asks for one page of a range of time. What the service takes Start and
// End to bound (starts, ends; inclusive or not) is not known.
type Query struct {
	Start, End    time.Time // whole seconds, sent in UTC as they are; at most LongestRange apart
	Limit, Offset int       // sent as they are; Limit at least 1
}

// mostRows returns how many rows an answer may have: more than were asked for come at
// times, but not that many.
func (q Query) mostRows() int { return max(10*q.Limit, 1000) }

// Page is one answer.
type Page struct {
	// Rows are the elements of the data array in the order received. They share the memory of the
	// answer: keeping one keeps all.
	Rows []Row
	// NumResults is the service's count of rows (whether of the page or of the range is not known);
	// -1 when it is absent or no whole number.
	NumResults int
	// Sent is our clock when the request went out: what is on the page is not older.
	Sent time.Time
	// Took is how long it was from then until the answer, whatever our clock was set to meanwhile.
	Took time.Duration
	// Date is the service's clock, from the header of this answer; zero when absent.
	Date time.Time
	// Rest is the text that could not be split into rows, from the first row whose end is not certain to
	// the end of the answer; it is there only beside an error, and never empty. With a Redaction it is what
	// stands for text that is withheld. See [Client.Page] and [Unsplittable].
	Rest []byte
}

// Client reads pages from the service. It is safe for concurrent use.
type Client struct {
	cfg      Config
	endpoint *url.URL
	http     *http.Client
	before   *atomic.Int64 // length of the answer before, in bytes
}

// New checks the configuration, naming everything that is wrong with it at once.
// It opens no connection and reads no secret.
func New(cfg Config) (*Client, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	endpoint, err := endpointOf(cfg)
	transport, errTransport := newTransport(cfg)
	if err := errors.Join(err, errTransport, cfg.check()); err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, endpoint: endpoint, before: new(atomic.Int64), http: &http.Client{
		Transport: transport,
		// net/http would send our auth header along to wherever the service points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// check looks at what is sent in headers and what must be there.
func (cfg Config) check() error {
	var errs []error
	wrong := func(text string) { errs = append(errs, errors.New(text)) }
	if cfg.AccountID == "" {
		wrong("SMARTASSIST_ACCOUNT_ID is not set")
	} else if !isID(cfg.AccountID) {
		wrong("SMARTASSIST_ACCOUNT_ID may hold letters, digits, - and _ only")
	}
	if !isID(cfg.StreamID) {
		wrong("SMARTASSIST_STREAM_ID may hold letters, digits, - and _ only")
	}
	if cfg.Token == nil {
		wrong("neither SMARTASSIST_JWT nor SMARTASSIST_CLIENT_ID with SMARTASSIST_CLIENT_SECRET is set")
	}
	if cfg.Budget == nil {
		wrong("a client needs a request budget")
	}
	return errors.Join(errs...)
}

// isID reports whether s can stand in a path and in a header as it is.
func isID(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// Close closes the idle connection. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ready reports whether the service accepted the token the last time it said anything
// about it.
func (c *Client) Ready() bool { return c.cfg.Budget.Status().Login == LoginAccepted }

// Page asks for one page: it waits for the budget, makes exactly one request and
// reads the whole answer. A row that is broken does not fail the page (see
// [Row.Err]). The error is that of ctx when ctx is done, else an [*Error].
// Nothing is retried here.
//
// Beside an error of category cut or structure the page holds what could be saved:
// the rows before the break, Sent, Date and, where the answer arrived whole, Rest.
// Rest is nil where the answer ended early, be it that the network cut it or that
// only its end is missing: more rows may then have been meant. Beside any other
// error there are no rows and no Rest.
func (c *Client) Page(ctx context.Context, q Query) (Page, error) {
	if err := q.check(); err != nil {
		return Page{}, &Error{Kind: Refused, Category: CategoryQuery, Err: err}
	}
	if err := c.cfg.Budget.Wait(ctx); err != nil {
		return Page{}, err
	}
	if err := c.permitted(ctx); err != nil {
		return Page{}, err
	}
	page, err := c.ask(ctx, q)
	if err != nil && ctx.Err() != nil {
		return Page{}, ctx.Err()
	}
	c.learn(page, err)
	return page, err
}

func (c *Client) permitted(ctx context.Context) error {
	if c.cfg.Permit == nil {
		return nil
	}
	return c.cfg.Permit(ctx)
}

// learn passes on to the budget and the token source what the answer means for them. A
// page that is broken was a page: a login that was refused is good again.
func (c *Client) learn(page Page, err error) {
	broken := len(page.Rows) > 0 || len(page.Rest) > 0
	if err == nil || broken && c.cfg.Budget.Status().Login == LoginRefused {
		c.cfg.Budget.AcceptLogin()
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	switch {
	case e.Category == CategoryThrottledHourly:
		c.cfg.Budget.ThrottleHourly(e.RetryAfter)
	case e.Kind == Throttled:
		c.cfg.Budget.Throttle(e.RetryAfter)
	case e.Kind == Login && e.Category == CategoryLogin:
		c.cfg.Budget.RefuseLogin()
		c.cfg.Token.Refused()
	case e.Kind == Temporary:
		c.cfg.Budget.HoldBack(e.RetryAfter)
	}
}

// ask makes the request and reads the answer.
func (c *Client) ask(ctx context.Context, q Query) (Page, error) {
	token, err := c.cfg.Token.Token()
	if err != nil {
		return Page{}, &Error{Kind: Login, Category: CategorySecret, Err: err, Hint: "put the secret where the variable says; it is read again for each request"}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	sent, began := c.cfg.Now(), time.Now() // the budget has let us go; connecting only makes it later
	connected := new(atomic.Bool)
	req, err := c.request(c.traced(ctx, connected), q, token)
	if err != nil {
		return Page{}, err
	}
	defer c.cfg.Budget.Answered()
	resp, err := c.http.Do(req)
	if err != nil {
		return Page{}, c.transportError(err, connected.Load())
	}
	defer resp.Body.Close()
	body := watch(resp, giveUp)
	defer body.stop()
	if resp.StatusCode != http.StatusOK {
		return Page{}, c.statusError(resp)
	}
	page, err := c.readPage(resp, q)
	page.Sent, page.Took = sent, time.Since(began)
	return page, err
}

// traced notes in the budget when the request goes out, and notes when there is a
// connection.
func (c *Client) traced(ctx context.Context, connected *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			connected.Store(true)
			c.cfg.Budget.Sent()
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { c.cfg.Budget.Sent() }, // the process, or the network, may have stood still
	})
}

// request builds the request as documented. The service's own header names are
// sent in its spelling, which net/http leaves alone when they are set directly.
func (c *Client) request(ctx context.Context, q Query, token string) (*http.Request, error) {
	u := *c.endpoint
	u.RawQuery = fmt.Sprintf("limit=%d&offset=%d", q.Limit, q.Offset)
	body, err := c.requestBody(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), body)
	if err != nil { // the address was checked in New
		return nil, &Error{Kind: Refused, Category: CategoryQuery, Err: &maskedError{"request cannot be made", err}}
	}
	req.Header = http.Header{
		"auth":            {token},
		"accountId":       {c.cfg.AccountID},
		"Accept":          {"application/json"},
		"Accept-Encoding": {"gzip"}, // see watched
		"Content-Type":    {"application/json;charset=UTF-8"},
		"User-Agent":      {"convstream"},
	}
	if c.cfg.StreamID != "" {
		req.Header["iId"] = []string{c.cfg.StreamID}
	}
	return req, nil
}
