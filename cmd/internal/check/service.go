package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

const (
	// mostPages is the number of pages that are requested for each account.
	mostPages = 3
	// pagesPerMinute is the budget of these requests: one a second, since a user waits.
	pagesPerMinute = 60
	// pagePatience limits the time of one request.
	pagePatience = 15 * time.Second
	// accountsAtOnce limits the connections to the service.
	accountsAtOnce = 64
)

func (c Config) services(ctx context.Context) (all []Line) {
	lines := make([][]Line, len(c.Accounts))
	var probes errgroup.Group
	probes.SetLimit(accountsAtOnce)
	for i, a := range c.Accounts {
		probes.Go(func() error {
			lines[i] = account{a.Config, c.Network}.lines(ctx)
			return nil
		})
	}
	_ = probes.Wait() // no probe returns an error
	for i, some := range lines {
		for _, l := range some {
			if l.Area = Service; len(c.Accounts) > 1 {
				l.Account = c.Accounts[i].Config.AccountID
			}
			all = append(all, l)
		}
	}
	return all
}

// account checks the service for one account.
type account struct {
	*config.Config
	network worker.Network
}

// client returns a client that redacts rows as the worker does, though rows are not shown.
func (a account) client() (*smartassist.Client, error) {
	redaction, err := a.Rules()
	if err != nil {
		return nil, err
	}
	return worker.ServiceClient(a.Config, a.network, smartassist.NewBudget(pagesPerMinute), redaction, nil)
}

func (a account) lines(ctx context.Context) []Line {
	client, err := a.client()
	if err != nil {
		return []Line{{Subject: "login", State: Fail, Says: err.Error()}}
	}
	defer client.Close()
	polling, err := worker.PollingConfig(a.Config, zerolog.Nop())
	if err != nil {
		return []Line{{Subject: "login", State: Fail, Says: err.Error()}}
	}
	if polling.Now = a.network.Now; polling.Now == nil {
		polling.Now = time.Now
	}
	s, err := polling.Look(func(q smartassist.Query) (smartassist.Page, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, pagePatience, errSilent)
		defer cancel()
		page, err := client.Page(ctx, q)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return page, err
	}, min(mostPages, a.RequestsPerMinute))
	if err != nil {
		return refusedPage(err)
	}
	return []Line{
		{Subject: "login", State: OK, Says: "accepted"}, clockLine(s), a.pageLine(s), pagingLine(s), a.demandLine(polling, s), a.requestsLine(s),
	}
}

var errSilent = fmt.Errorf("no answer within %v", pagePatience)

// refusedPage reports an error of the first page, which all other probes need.
func refusedPage(err error) []Line {
	if errors.Is(err, errTooLong) {
		return []Line{{Subject: "page", State: Skip, Says: err.Error()}}
	}
	l := Line{Subject: "page", State: Fail, Says: err.Error(), Do: "check SMARTASSIST_URL, HTTPS_PROXY and the firewall"}
	if e, ok := errors.AsType[*smartassist.Error](err); ok {
		if l.Do = cmp.Or(e.Hint, "check again in a while; if it stays so, tell the service's people"); e.Kind == smartassist.Login {
			l.Subject = "login"
		}
	}
	lines := []Line{l}
	for _, subject := range []string{"clock", "page", "paging", "demand"} {
		if subject != l.Subject {
			lines = append(lines, Line{Subject: subject, State: Skip, Says: "needs the first page"})
		}
	}
	return lines
}

// sameClock is the largest difference of clocks that a worker ignores.
const sameClock = time.Minute

func clockLine(s poller.Survey) Line {
	l := Line{Subject: "clock", State: OK}
	switch ahead := s.Clock.Ahead.Round(time.Second); {
	case !s.Clock.Known:
		l.State, l.Says = Warn, "the answer has no Date header: a wrong clock will not be noticed"
	case ahead.Abs() > sameClock:
		l.State, l.Says = Warn, fmt.Sprintf("the service's clock is %v %s this machine's: completeThrough lags by as much", ahead.Abs(), aheadOrBehind(ahead))
		l.Do = "check the time synchronisation of this machine, and of a gateway before the service"
	case ahead == 0:
		l.Says = "the same as this machine's"
	default:
		l.Says = fmt.Sprintf("the service's clock is %v %s this machine's", ahead.Abs(), aheadOrBehind(ahead))
	}
	return l
}

func aheadOrBehind(d time.Duration) string {
	if d < 0 {
		return "behind"
	}
	return "ahead of"
}

func (a account) pageLine(s poller.Survey) Line {
	l := Line{Subject: "page", State: OK, Says: fmt.Sprintf("rows of the last 24h: %d", s.Page)}
	switch {
	case s.Page == 0:
		l.State, l.Says = Warn, "no rows in the last 24h"
		l.Do = "if there should be some, check SMARTASSIST_ACCOUNT_ID, SMARTASSIST_STREAM_ID, SMARTASSIST_CHANNELS and SMARTASSIST_QUEUES"
	case s.Page >= a.PageLimit:
		l.Says = fmt.Sprintf("rows of the last 24h: %d on the first page, and there are more pages", s.Page)
	}
	return l
}

func pagingLine(s poller.Survey) Line {
	l := Line{Subject: "paging", State: OK}
	switch s.Paging.Unit {
	case poller.UnitRows:
		l.Says = "offset counts rows"
	case poller.UnitPages:
		l.Says = "offset counts pages"
	default:
		l.Says = "not known whether offset counts rows or pages: too few rows or requests; the worker finds out, and works with both"
	}
	return l
}

func (a account) demandLine(polling poller.Config, s poller.Survey) Line {
	budget, d := float64(a.RequestsPerMinute), polling.Demand(s.RowsADay, s.Paging)
	rows := fmt.Sprintf("about %.0f rows a day", s.RowsADay)
	if s.AtLeast {
		rows = "more than" + strings.TrimPrefix(rows, "about")
	}
	l := Line{Subject: "demand", State: OK, Says: fmt.Sprintf("%s need %.1f of %d requests a minute", rows, d.Total(), a.RequestsPerMinute)}
	fit, all := d.Fitting(budget), len(polling.Tiers)
	switch stretch := d.Stretch(budget); {
	case stretch == 0:
		l.State, l.Says = Fail, l.Says+": not enough to keep up with the newest rows"
		l.Do = "raise SMARTASSIST_REQUESTS_PER_MINUTE (above 60 the vendor must allow it), or POLL_INTERVAL"
	case fit < all:
		l.State, l.Says = Warn, l.Says+fmt.Sprintf(": of REREAD %s, the others take longer (%.1f times, all together)", tiersThatFit(polling.Tiers[:fit]), stretch)
		l.Do = "raise SMARTASSIST_REQUESTS_PER_MINUTE (above 60 the vendor must allow it), or set fewer or longer tiers in REREAD"
	default:
		l.Says += ": all of REREAD fits"
	}
	return l
}

func tiersThatFit(tiers []poller.Tier) string {
	if len(tiers) == 0 {
		return "nothing fits"
	}
	var ages []string
	for _, t := range tiers {
		ages = append(ages, fmt.Sprintf("%s:%s", short(t.Age), short(t.Every)))
	}
	return strings.Join(ages, ",") + " fits"
}

// short formats a duration as in REREAD.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func (a account) requestsLine(s poller.Survey) Line {
	return Line{Subject: "requests", State: OK, Says: fmt.Sprintf("made by this check: %d; a running worker makes up to %d a minute in addition, and the account's quota is 60 unless the vendor raised it", s.Requests, a.RequestsPerMinute)}
}
