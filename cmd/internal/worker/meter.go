package worker

import (
	"context"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// meter is a Source that counts requests. The heart beats with each: a session may do nothing else for a long time.
type meter struct {
	source poller.Source
	counts interface{ request(err error) }
	heart  *heartbeat
	rows   *pointerCheck
}

// Page implements poller.Source.
func (m meter) Page(ctx context.Context, q smartassist.Query) (smartassist.Page, error) {
	m.heart.beat()
	page, err := m.source.Page(ctx, q)
	m.heart.beat()
	if ctx.Err() == nil {
		m.counts.request(err)
	}
	m.rows.note(len(page.Rows))
	return page, err
}
