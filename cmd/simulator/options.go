package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// options is the command line, read.
type options struct {
	addr   string
	config simulator.Config
}

// defaultAccount looks like an account id of the service, and is none.
const defaultAccount = "5eed00000000000000000001"

// parse reads the command line. An error has been printed already.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	c := &o.config
	fs := flag.NewFlagSet("simulator", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.addr, "addr", "127.0.0.1:8181", "`address` to listen on")
	fs.Uint64Var(&c.Seed, "seed", 1, "decides every conversation and every drawn fault")
	fs.Float64Var(&c.PerMinute, "conversations-per-minute", 60, "mean number of conversations that begin in a minute")
	fs.Float64Var(&c.Peak, "peak", 0, "the busiest hour's share of the mean, 1 to 2; 0 is a flat day")
	fs.DurationVar(&c.History, "history", 24*time.Hour, "how far back conversations already began")
	fs.DurationVar(&c.LateBy, "late-by", simulator.DefaultLateBy, "the longest time until a row is visible; negative: at once")
	fs.DurationVar(&c.SurveyBy, "survey-by", simulator.DefaultSurveyBy, "the longest time until a survey comes; negative: none")
	fs.StringVar(&c.AccountID, "account-id", defaultAccount, "account `id`")
	fs.StringVar(&c.StreamID, "stream-id", "", "stream `id` the header iId must have; empty: not looked at")
	fs.StringVar(&c.JWT, "jwt", "", "the `token` that is accepted")
	fs.StringVar(&c.ClientID, "client-id", "", "accept tokens signed for this client `id`")
	fs.StringVar(&c.ClientSecret, "client-secret", "", "make-believe `secret` the tokens are signed with")
	fs.IntVar(&c.RateLimit, "rate-limit", 60, "requests in a sliding minute beyond which the answer is 429; 0: no limit")
	faults := fs.Float64("faults", 0, "`share` of requests that go wrong in some way, 0 to 1; some rows are poison then, too")
	switches(fs, &c.Switches)
	fs.Usage = func() { usage(fs) }
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q", fs.Arg(0))
		fmt.Fprintf(stderr, "simulator: %v\n", err)
		return o, err
	}
	if c.JWT != "" && strings.Count(c.JWT, ".") != 2 {
		err := errors.New("--jwt: expected a token of three parts, like a.to.ken: the service takes nothing else for a JWT")
		fmt.Fprintf(stderr, "simulator: %v\n", err)
		return o, err
	}
	if c.JWT == "" && c.ClientID == "" {
		c.JWT = simulator.Token("cs-simulator", "make-believe")
	}
	if *faults != 0 {
		c.Faults = simulator.Mixed(*faults)
	}
	return o, nil
}

// switches are the points on which the service's texts disagree.
func switches(fs *flag.FlagSet, s *simulator.Switches) {
	fs.BoolVar(&s.OffsetCountsPages, "offset-counts-pages", false, "offset skips pages, not rows")
	fs.IntVar(&s.OffsetCap, "offset-cap", 0, "the highest offset that is served; 0: none")
	choice(fs, &s.CapAnswer, "cap-answer", "what a higher offset gets", simulator.CapError, simulator.CapEmpty, simulator.CapRepeat)
	fs.BoolVar(&s.LimitPerSource, "limit-per-source", false, "bot rows and contact rows each get the limit")
	fs.IntVar(&s.Clamp, "clamp", 0, "the most rows on a page, whatever the limit; 0: the limit")
	choice(fs, &s.LimitAbove, "limit-above-100", "what a higher limit gets", simulator.LimitRefused, simulator.LimitClamped)
	fs.Float64Var(&s.Thin, "thin", 0, "`share` of rows added that take a place on a page and are not shown")
	choice(fs, &s.Bounds, "bounds", "the window's ends", simulator.Inclusive, simulator.Exclusive, simulator.HalfOpen, simulator.SubSecond)
	choice(fs, &s.FilterBy, "filter-by", "the time the window is compared with", simulator.ByStart, simulator.ByEnd, simulator.ByOverlap)
	fs.BoolVar(&s.DateOnly, "date-only", false, "the window's time of day is ignored")
	choice(fs, &s.NumResults, "num-results", "what numResults counts", simulator.CountPage, simulator.CountTotal, simulator.CountAbsent)
	fs.BoolVar(&s.BotRowStays, "bot-row-stays", false, "a session that becomes a contact keeps its bot row")
	fs.Float64Var(&s.TwinSessions, "twin-sessions", 0, "`share` of contacts that come on two rows")
	fs.Float64Var(&s.VeryLate, "very-late", 0, "`share` of rows visible only after ten minutes to three hours")
	fs.BoolVar(&s.Restyle, "restyle", false, "member order and white space change from answer to answer")
}

// choice is a flag with a few values, of which the first is the default.
func choice[T ~string](fs *flag.FlagSet, into *T, name, help string, values ...T) {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	*into = values[0]
	fs.Func(name, fmt.Sprintf("%s: %s (default %s)", help, strings.Join(names, ", "), names[0]), func(text string) error {
		for _, v := range values {
			if string(v) == text {
				*into = v
				return nil
			}
		}
		return errors.New("expected one of " + strings.Join(names, ", "))
	})
}

func usage(fs *flag.FlagSet) {
	fmt.Fprintln(fs.Output(), "usage: simulator [flags]\n\nServes a simulated SmartAssist interactionDetails service.")
	fs.VisitAll(func(f *flag.Flag) {
		value, help := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "false" {
			help += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(fs.Output(), "  --%s %s\n        %s\n", f.Name, value, help)
	})
}
