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

// tailWait is how long a broker may hold a fetch while nothing is new, and so how late a record of another broker may come.
const tailWait = 250 * time.Millisecond

// TailOptions configures Tail.
type TailOptions struct {
	Topics []string
	// FromEnd begins with what is committed after the call; else Tail begins with the first record.
	FromEnd bool
	// Since begins each partition with its first record of that time or later; zero is with its first record.
	Since time.Time
	// Last begins each partition so many offsets before its end, if it has more; control markers and aborted records count among them.
	// 0 is no limit.
	Last int64
	// Whole ends with all that was written before the call: Tail waits for the end of transactions that are open then. Else it ends
	// before them.
	Whole bool
	// Follow goes on until the context ends; else Tail ends where the topics ended at the call.
	Follow bool
	// Patience is how long Tail waits for the next record until it gives up; 0 means for ever. It is not for Follow.
	Patience time.Duration
}

// Topics returns the names of the topics that begin with prefix, sorted, without internal ones.
func Topics(ctx context.Context, from Cluster, prefix string) (names []string, err error) {
	from = from.withDefaults()
	if err := from.validate(); err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	c := connect(from, nil)
	defer c.close()
	err = c.retry(ctx, "list topics", func(ctx context.Context) error {
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

// Tail calls visit with the committed records of all partitions of some topics: those of one partition in order, those of different
// partitions roughly by time. It reads beside any worker and changes nothing: it has no consumer group and no transactional id. It
// returns nil at the end, an error of visit as it is, and otherwise an *Error, of category canceled if ctx ended. With Follow it
// notices partitions that are added, and reads them from their beginning.
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

// tail is a Tail under way.
type tail struct {
	cluster *cluster
	visit   func(Message) error
	at      []position
	ends    map[partition]int64 // empty when following
	empty   map[partition]int   // empty answers below the end
	follow  bool

	patience    time.Duration
	moved       time.Time // time of the last progress
	offsetsRead int64
}

// errNoProgress is the cause when an attempt ends because patience is over.
var errNoProgress = errors.New("no record from the brokers for too long")

// patiently does one step of reading, and gives up when there has been no progress for as long as patience.
func (t *tail) patiently(ctx context.Context, step func(context.Context) error) error {
	if t.patience <= 0 {
		return step(ctx)
	}
	until, cancel := context.WithDeadlineCause(ctx, t.moved.Add(t.patience), errNoProgress)
	defer cancel()
	before := t.offsetsRead
	err := step(until)
	came := t.offsetsRead > before
	if came {
		t.moved = time.Now() // not earlier: visit may take its time
	}
	switch over := ctx.Err() == nil && errors.Is(err, errNoProgress); {
	case over && came:
		return nil
	case over:
		return &Error{Op: "read topics", Category: Timeout, Hint: hintBrokers, Err: fmt.Errorf("no record from the brokers for %v, before the end was reached", t.patience)}
	}
	return err
}

// begin looks up the partitions, their first offsets and, unless following, their ends.
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

// span returns the offsets between which to read.
func (t *tail) span(ctx context.Context, p partition, o TailOptions) (first, last int64, err error) {
	if last, err = t.end(ctx, p, o.Whole); err != nil || o.FromEnd {
		return last, last, err
	}
	which := int64(atStart)
	if !o.Since.IsZero() {
		which = max(0, o.Since.UnixMilli()) // negative ones have another meaning, see atEnd
	}
	if first, err = t.cluster.offset(ctx, p, which, readAll); first < 0 { // no record is that new
		first = last
	}
	if o.Last > 0 {
		first = max(first, last-o.Last)
	}
	return first, last, err
}

// stablePause is how long to wait before it is asked again whether a transaction is still open.
const stablePause = 100 * time.Millisecond

// end returns the last stable offset; if whole, only once it has reached the present high watermark, which it then returns.
func (t *tail) end(ctx context.Context, p partition, whole bool) (int64, error) {
	stable, err := t.cluster.offset(ctx, p, atEnd, readCommitted)
	if err != nil || !whole {
		return stable, err
	}
	high, err := t.cluster.offset(ctx, p, atEnd, readAll)
	for err == nil && stable < high {
		timer := time.NewTimer(stablePause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return 0, context.Cause(ctx)
		case <-timer.C:
		}
		stable, err = t.cluster.offset(ctx, p, atEnd, readCommitted)
	}
	return high, err
}

func (t *tail) unfinished() bool {
	return slices.ContainsFunc(t.at, func(p position) bool { return p.offset < t.ends[p.partition] })
}
