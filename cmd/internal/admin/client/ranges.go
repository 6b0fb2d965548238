package client

import (
	"time"

	"github.com/convstream/convstream/poller"
)

// The paths of the admin port for what is asked about past ranges: GET /backfills returns Backfills, GET /gaps Gaps; POST /backfills takes a
// BackfillRequest, POST /backfills/cancel a CancelRequest, POST /gaps/accept an AcceptRequest, each answered with what it has become.
const (
	BackfillsPath = "/backfills"
	CancelPath    = "/backfills/cancel"
	GapsPath      = "/gaps"
	AcceptPath    = "/gaps/accept"
)

// BackfillRequest asks for a past range to be read.
type BackfillRequest struct {
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Republish bool      `json:"republish,omitempty"`
	By        string    `json:"by,omitempty"` // who asks
}

// CancelRequest asks for a backfill to be ended.
type CancelRequest struct {
	ID int64  `json:"id"`
	By string `json:"by,omitempty"`
}

// AcceptRequest asks for the gaps in a window to be accepted.
type AcceptRequest struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	By   string    `json:"by,omitempty"`
}

// Backfills are the backfills of an account, the last that have ended among them.
type Backfills struct {
	Backfills []poller.PassStatus `json:"backfills"`
}

// Gaps are the windows of an account that could not be read whole, and those that are being tried again and may become such.
type Gaps struct {
	Gaps     []poller.PartialWindow `json:"gaps"`
	Failing  []poller.FailingWindow `json:"failing"`
	Accepted []poller.Acceptance    `json:"accepted"`
}

// Share returns which part of its range a backfill has read, from 0 to 1.
func Share(p poller.PassStatus) float64 {
	if p.Len() <= 0 {
		return 0
	}
	return min(1, max(0, p.ReadThrough.Sub(p.Start).Seconds()/p.Len().Seconds()))
}
