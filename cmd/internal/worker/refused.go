package worker

import (
	"errors"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// content is one content of a conversation.
type content struct {
	identity    string
	fingerprint uint64
}

func contentOf(r poller.Revision) content { return content{r.Row.Identity(), r.Fingerprint} }

// verdict is what is known of a content that a broker would not take. A refusal costs the transaction; the next session
// reads the row again and finds the verdict.
type verdict int

const (
	suspected verdict = iota + 1 // one of several records of a refused batch: goes into a batch of its own
	refused                      // goes to the dead letters
)

// noteRefused notes to which rows a refusal of the batch points. Where it points to one, that one is refused.
func (s sink) noteRefused(err error, b poller.Batch, d *draft) {
	r, ok := errors.AsType[*producer.RefusedError](err)
	if !ok {
		return
	}
	of := suspected
	if len(r.Records) == 1 {
		of = refused
	}
	for _, i := range r.Records {
		if revision := d.revisions[i]; revision >= 0 {
			s.refused[contentOf(b.Fresh[revision])] = of
		}
	}
}

// forgetRefused forgets the verdicts on what is committed now, one way or the other.
func (s sink) forgetRefused(b poller.Batch) {
	for _, r := range b.Fresh {
		delete(s.refused, contentOf(r))
	}
}
