package cadence

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

const requestTakes = 300 * time.Millisecond

// service answers with the account's rows, as fast as the budget allows. It is the poller's Source.
type service struct {
	account *account
	budget  *smartassist.Budget
	meter   *meter
	paging
}

// paging is what the documents of the service leave open.
type paging struct {
	unit      poller.Unit // what an offset counts
	ascending bool        // by start; contact-centre rows come descending
	cap       int         // a larger offset is refused; 0 for none
}

// Page answers with what there is when the request is sent. Both bounds belong to the window, and starts are cut to seconds.
func (s *service) Page(ctx context.Context, q smartassist.Query) (smartassist.Page, error) {
	if err := s.budget.Wait(ctx); err != nil {
		return smartassist.Page{}, err
	}
	s.budget.Sent()
	page := smartassist.Page{Sent: time.Now()}
	s.account.grow(page.Sent)
	first := s.account.from(q.Start.UnixMilli())
	end := min(s.account.from(q.End.Add(time.Second).UnixMilli()), s.account.from(page.Sent.Add(-showsAfter).UnixMilli()+1))
	first, end = s.cut(first, max(first, end), q)
	page.Rows = s.render(first, end, page.Sent)
	page.NumResults = len(page.Rows)
	s.meter.request(page.Sent, len(page.Rows))
	time.Sleep(requestTakes)
	page.Took = time.Since(page.Sent)
	page.Date = time.Now().Truncate(time.Second)
	if s.cap > 0 && q.Offset > s.cap {
		return smartassist.Page{Sent: page.Sent, Date: page.Date}, &smartassist.Error{
			Kind: smartassist.Refused, Category: smartassist.CategoryStatus4xx, Status: 400, Err: errors.New("offset beyond the cap"),
		}
	}
	return page, nil
}

// cut narrows the rows of a window to those of a page.
func (s *service) cut(first, end int, q smartassist.Query) (int, int) {
	skip := q.Offset
	if s.unit == poller.UnitPages {
		skip *= q.Limit
	}
	if s.ascending {
		first = min(first+skip, end)
		return first, min(first+q.Limit, end)
	}
	end = max(end-skip, first)
	return max(end-q.Limit, first), end
}

// render returns the rows as they are at the instant.
func (s *service) render(first, end int, at time.Time) []smartassist.Row {
	const most = 96 // bytes of a row
	text := make([]byte, 0, most*(end-first))
	rows := make([]smartassist.Row, 0, end-first)
	for i := range end - first {
		id := first + i
		if !s.ascending {
			id = end - 1 - i
		}
		c, begun := &s.account.rows[id], len(text)
		text = append(text, `{"conversationId":"c-`...)
		text = strconv.AppendInt(text, int64(id), 10)
		text = append(text, `","sessionStartTime":"`...)
		text = time.UnixMilli(c.start).UTC().AppendFormat(text, "2006-01-02T15:04:05")
		text = append(text, `","v":`...)
		text = strconv.AppendInt(text, int64(c.contentAt(at.UnixMilli())), 10)
		text = append(text, '}')
		rows = append(rows, smartassist.ParseRow(text[begun:len(text):len(text)]))
	}
	return rows
}

// rendered returns what render put into a row: the index of its conversation, and how many changes its content has seen.
func rendered(row smartassist.Row) (id, content int, err error) {
	id, err = strconv.Atoi(row.ConversationID[len("c-"):])
	return id, int(row.Raw[len(row.Raw)-2] - '0'), err
}
