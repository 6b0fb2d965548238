package smartassist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
)

// check refuses what the service would refuse, or answer in an unknown way.
func (q Query) check() error {
	switch {
	case q.Limit < 1 || q.Offset < 0:
		return fmt.Errorf("limit %d, offset %d: must be at least 1 and 0", q.Limit, q.Offset)
	case q.Start.Nanosecond() != 0 || q.End.Nanosecond() != 0:
		return errors.New("range is not in whole seconds")
	case q.End.Before(q.Start):
		return errors.New("range ends before it starts")
	case q.End.Sub(q.Start) > LongestRange:
		return fmt.Errorf("range of %v is longer than the %v that the service allows", q.End.Sub(q.Start), LongestRange)
	}
	return nil
}

// question is the request's body, in the documented order. The filters are
// always sent: [] is "all".
type question struct {
	StartDate      string   `json:"startDate"`
	EndDate        string   `json:"endDate"`
	TimeZoneOffset int      `json:"timeZoneOffset"` // always 0: zone-less times of the answer are then UTC
	Channels       []string `json:"channels"`
	Queues         []string `json:"queues"`
	Bots           []string `json:"bots"`
	SelectedFields []string `json:"selectedFields,omitempty"`
	Direction      string   `json:"direction,omitempty"`
}

func (c *Client) requestBody(q Query) (io.Reader, error) {
	body, err := json.Marshal(question{
		StartDate:      q.Start.UTC().Format(time.DateTime),
		EndDate:        q.End.UTC().Format(time.DateTime),
		Channels:       c.cfg.Channels,
		Queues:         c.cfg.Queues,
		Bots:           c.cfg.Bots,
		SelectedFields: c.cfg.SelectedFields,
		Direction:      c.cfg.Direction,
	})
	if err != nil {
		return nil, &Error{Kind: Refused, Category: CategoryQuery, Err: errors.New("a filter is not valid UTF-8"),
			Hint: "look at SMARTASSIST_CHANNELS, SMARTASSIST_QUEUES, SMARTASSIST_BOTS and SMARTASSIST_SELECTED_FIELDS"}
	}
	return bytes.NewReader(body), nil
}

// endpointOf returns the address that all requests go to, less the query. The errors
// do not quote the setting: it may hold a password.
func endpointOf(cfg Config) (*url.URL, error) {
	u, err := url.Parse(cfg.URL)
	switch {
	case cfg.URL == "":
		return nil, errors.New("SMARTASSIST_URL is not set")
	case err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, errors.New("SMARTASSIST_URL is not of the form https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("SMARTASSIST_URL must hold neither user, query nor fragment")
	case u.Scheme == "http" && !cfg.AllowHTTP && !isLoopback(u.Hostname()):
		return nil, errors.New("SMARTASSIST_URL is plain http to another host: the token would be readable on the way; use https, or set SMARTASSIST_ALLOW_HTTP=true")
	}
	return u.JoinPath("agentassist/api/public/analytics/account", cfg.AccountID, "v2/interactionDetails"), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
