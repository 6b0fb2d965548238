package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// meter is a Source that counts and times requests. The heart beats with each: a session may do nothing else for a long time.
type meter struct {
	source poller.Source
	counts interface {
		request(err error, took time.Duration)
	}
	let   *time.Time // see Worker.permit
	heart *heartbeat
	rows  *pointerCheck
}

// Page implements poller.Source.
func (m meter) Page(ctx context.Context, q smartassist.Query) (smartassist.Page, error) {
	m.heart.beat()
	*m.let = time.Time{}
	page, err := m.source.Page(ctx, q)
	m.heart.beat()
	if ctx.Err() == nil {
		m.counts.request(err, m.took())
	}
	m.rows.note(len(page.Rows))
	return page, err
}

// took returns how long the last request took; -1 if none was made.
func (m meter) took() time.Duration {
	if m.let.IsZero() {
		return -1
	}
	return time.Since(*m.let)
}
