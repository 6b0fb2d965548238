package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

// tailWait is how long a broker may hold a fetch when nothing is new, and so the most that a record of another broker
// is late.
const tailWait = 250 * time.Millisecond

// TailOptions says what Tail reads.
type TailOptions struct {
	Topics []string
	// FromEnd begins with what is committed after the call, else with the first record there is.
	FromEnd bool
	// Follow goes on until the context ends, else Tail ends where the topics ended at the call.
	Follow bool
	// Patience is how long brokers may give nothing while there is something to be read, until Tail gives up; 0 is for ever.
	// For one that does not follow.
	Patience time.Duration
}

// Topics lists the topics whose names begin with prefix, sorted, internal ones left out.
func Topics(ctx context.Context, from Cluster, prefix string) (names []string, err error) {
	from = from.withDefaults()
	if err := from.validate(); err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	c := connect(from, nil)
	defer c.close()
	err = c.attempts(ctx, "list topics", func(ctx context.Context) error {
		res, err := c.client.Metadata(ctx, &kafka.MetadataRequest{})
		if err != nil {
			return err
		}
		names = nil
		for _, t := range res.Topics {
			if !t.Internal && strings.HasPrefix(t.Name, prefix) {
				names = append(names, t.Name)
			}
		}
		slices.Sort(names)
		return nil
	})
	return names, err
}

// Tail gives visit the committed records of all partitions of some topics: those of one partition in order, those of
// different partitions about in the order of their times. It reads beside any worker and changes nothing: no consumer
// group, no transactional id. It returns nil at the end, visit's error as it is, and an *Error otherwise; one whose
// category is canceled when ctx ended. One that follows notices partitions that are added, and reads them from their beginning.
func Tail(ctx context.Context, from Cluster, o TailOptions, visit func(Message) error) error {
	from = from.withDefaults()
	if err := from.validate(); err != nil {
		return fmt.Errorf("read topics: %w", err)
	}
	c := connect(from, o.Topics)
	defer c.close()
	t := &tail{
		cluster: c, visit: visit, ends: map[partition]int64{}, empty: map[partition]int{},
		follow: o.Follow, patience: o.Patience, moved: time.Now(),
	}
	if err := t.patiently(ctx, func(ctx context.Context) error { return t.begin(ctx, o) }); err != nil {
		return err
	}
	for o.Follow || t.unfinished() {
		if err := t.patiently(ctx, t.round); err != nil {
			return err
		}
	}
	return nil
}

type tail struct {
	cluster *cluster
	visit   func(Message) error
	at      []position
	ends    map[partition]int64 // none when following
	empty   map[partition]int   // empty answers below the end
	follow  bool

	patience time.Duration
	moved    time.Time // when something came last
	passed   int64     // offsets gone past so far
}

// errSilent ends an attempt when brokers have given nothing for too long.
var errSilent = errors.New("nothing came from the brokers for too long")

// patiently does one step of reading, and gives up where nothing has come for as long as there is patience.
func (t *tail) patiently(ctx context.Context, step func(context.Context) error) error {
	if t.patience <= 0 {
		return step(ctx)
	}
	until, cancel := context.WithDeadlineCause(ctx, t.moved.Add(t.patience), errSilent)
	defer cancel()
	before := t.passed
	err := step(until)
	came := t.passed > before
	if came {
		t.moved = time.Now() // not earlier: visit may take its time
	}
	switch silent := ctx.Err() == nil && errors.Is(err, errSilent); {
	case silent && came:
		return nil
	case silent:
		return &Error{Op: "read topics", Category: Timeout, Hint: hintBrokers, Err: fmt.Errorf("nothing came from the brokers for %v: what was read is not all there is", t.patience)}
	}
	return err
}

// begin finds the partitions, where each begins and, unless following, where it ends.
func (t *tail) begin(ctx context.Context, o TailOptions) error {
	topics := make([]Topic, len(o.Topics))
	for i, name := range o.Topics {
		topics[i].Name = name
	}
	missing, err := t.cluster.missing(ctx, topics)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return &Error{Op: "topic " + missing[0].Name, Category: Settings, Err: errors.New("does not exist"), Hint: "check TOPIC_PREFIX"}
	}
	counts, err := t.cluster.leaders(ctx, topics, "Read")
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for name, n := range counts {
		for id := range n {
			t.at = append(t.at, position{partition: partition{name, id}})
		}
	}
	last := make([]int64, len(t.at))
	for i := range t.at {
		group.Go(func() (err error) { t.at[i].offset, last[i], err = t.span(ctx, t.at[i].partition, o); return err })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, p := range t.at {
		if !o.Follow {
			t.ends[p.partition] = last[i]
		}
	}
	return nil
}

// span takes the last stable offset as the end: a reader need not wait for transactions that are open.
func (t *tail) span(ctx context.Context, p partition, o TailOptions) (first, last int64, err error) {
	if last, err = t.cluster.offset(ctx, p, atEnd, readCommitted); err != nil || o.FromEnd {
		return last, last, err
	}
	first, err = t.cluster.offset(ctx, p, atStart, readAll)
	return first, last, err
}

func (t *tail) unfinished() bool {
	return slices.ContainsFunc(t.at, func(p position) bool { return p.offset < t.ends[p.partition] })
}
