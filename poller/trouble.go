package poller

import (
	"errors"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

const longestBackoff = time.Minute

// backoff holds one kind of task back after failures: 1 s, 2 s, 4 s and so on up to a minute.
type backoff struct {
	failures int
	until    time.Time
}

func (b *backoff) fail(now time.Time) {
	b.until = now.Add(min(longestBackoff, time.Second<<min(b.failures, 10)))
	b.failures++
}

func (b *backoff) wait(now time.Time) time.Duration { return max(0, b.until.Sub(now)) }

// trouble is a time in which the service could not be read. It is logged on the way in and on the way out.
type trouble struct {
	since      time.Time
	category   string
	text, hint string // of the last failure
	attempts   int
}

// failed notes that a window could not be read. Trouble with a window in the past does not hold back the head.
func (p *Poller) failed(task Task, err error) {
	now := p.cfg.Now()
	p.turn++ // what failed lets others go first
	if task.Why == Head {
		p.head.fail(now)
	} else {
		p.others.fail(now)
		if kind(err) == smartassist.BadAnswer {
			p.lastWidth = max(time.Second, task.Len()/4) // what cannot be answered whole may be answered in pieces
		}
	}
	category, hint := explain(err)
	p.trouble.attempts++
	p.trouble.text, p.trouble.hint = err.Error(), hint
	if p.trouble.since.IsZero() {
		p.trouble.since = now
	}
	if p.trouble.category != category {
		p.trouble.category = category
		p.cfg.Log.Warn().Err(err).Str("category", category).Str("hint", hint).Str("reading", string(task.Why)).
			Stringer("window", task.Window).Msg("service cannot be read; retrying until it can")
	}
	p.publishStatus(now)
}

// recovered notes that a window was read. Trouble is over when the kind of task that failed works again.
func (p *Poller) recovered(task Task) {
	if task.Why == Head {
		p.head = backoff{}
	} else {
		p.others = backoff{}
	}
	if p.trouble.since.IsZero() || p.head.failures > 0 || p.others.failures > 0 {
		return
	}
	p.cfg.Log.Info().Dur("after", p.cfg.Now().Sub(p.trouble.since)).Int("attempts", p.trouble.attempts).Msg("service can be read again")
	p.trouble = trouble{}
}

// explain gives the error's bounded category and its hint for the operator.
func explain(err error) (category, hint string) {
	if e, ok := errors.AsType[*smartassist.Error](err); ok {
		return e.Category, e.Hint
	}
	return "unknown", ""
}

func kind(err error) smartassist.ErrorKind {
	if e, ok := errors.AsType[*smartassist.Error](err); ok {
		return e.Kind
	}
	return ""
}
