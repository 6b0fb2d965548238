package producer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

const (
	// followWait is how long a broker may hold a fetch while nothing is committed: so often does a standby fetch. At most half of the
	// request timeout.
	followWait = 5 * time.Second
	// recoverWait is how long a broker may hold a fetch that has reached an open transaction.
	recoverWait = 100 * time.Millisecond
	// emptyAnswersBelieved is how many answers in a row must be empty where records should be, until they count as compacted away:
	// a broker that throttles sends empty answers too.
	emptyAnswersBelieved = 5
	// A Reader that makes no progress for stallWarning logs it, and gives up after stallLimit. However many records there are, each
	// answer brings some, unless a transaction is open.
	stallWarning = 3 * time.Second
	stallLimit   = 5 * time.Minute
	// followStallWarning is longer than a transaction of ours stays open: until then, a Reader that follows waits without a word.
	followStallWarning = time.Minute
)

// Reader reads the committed records of one partition in order, from the first one on, and keeps its position. It leaves out aborted
// records. It is for one goroutine, and is of no use after the next EnsureTopics of its Producer.
type Reader struct {
	producer     *Producer
	cluster      *cluster
	at           position
	err          error // the topic cannot be read
	start        int64 // the partition's first offset when it was first read
	begun        bool
	resumed      bool      // what lies between start and at was read by another Reader
	skipDeleted  bool      // records that are deleted while they are read may be passed over
	emptyAnswers int       // in a row, where records should be
	high         int64     // the high watermark of the last answer
	stable       int64     // its last stable offset
	throttled    bool      // a quota delayed it
	stalledSince time.Time // of Follow, which makes no progress though there is more to read; zero where it does
	reported     string    // what report was last called with; "" for nothing
}

// ErrTruncated means that a partition no longer has the offset after the last record that a Reader has read: it was truncated, or
// deleted and created again. What was read before may be gone as well: read it from the beginning.
var ErrTruncated = errors.New("the topic was truncated, or deleted and created again, while it was read")

// NewReader returns a Reader at the first record. The topic must have been ensured.
func (p *Producer) NewReader(topic string, id int) *Reader {
	r := &Reader{producer: p, cluster: p.cluster.Load(), at: position{partition{topic, id}, 0}}
	if _, ok := p.topics[topic]; !ok {
		r.err = &Error{Op: "read " + topic, Category: Settings, Err: errors.New("the topic was not ensured")}
	}
	return r
}

// Resume returns a Reader that continues for another one, which EnsureTopics has ended, at the offset of a committed record. It also
// returns ErrTruncated if records before that offset have been deleted since the other one began.
func (p *Producer) Resume(old *Reader, offset int64) *Reader {
	r := p.NewReader(old.at.topic, old.at.id)
	r.at.offset, r.start, r.resumed = offset, old.start, true
	return r
}

// CatchUp calls visit with the committed records up to the end as it is at the call, and at least up to the Barrier. It waits for
// transactions that are open before that end, which after Acquire are those of other workers, until ctx ends or nothing was committed
// for five minutes. An error of visit ends it and is returned as it is.
func (r *Reader) CatchUp(ctx context.Context, visit func(Message) error) error {
	return r.readUpTo(ctx, readAll, visit)
}

// CatchUpStable is CatchUp up to the last stable offset: it does not wait for open transactions.
func (r *Reader) CatchUpStable(ctx context.Context, visit func(Message) error) error {
	return r.readUpTo(ctx, readCommitted, visit)
}

// Follow calls visit with the committed records as they come, until ctx ends, and then returns nil. An error of visit ends it and is
// returned as it is.
func (r *Reader) Follow(ctx context.Context, visit func(Message) error) error {
	for ctx.Err() == nil {
		before := r.at.offset
		if err := r.step(ctx, math.MaxInt64, min(followWait, r.cluster.timeout/2), visit); err != nil && ctx.Err() == nil {
			return err
		}
		r.notice(before)
	}
	return nil
}

// notice reports what Follow waits for, once it has made no progress for too long.
func (r *Reader) notice(before int64) {
	switch {
	case r.at.offset > before || r.at.offset >= r.high:
		r.stalledSince = time.Time{}
		r.report(waiting{}, r.high)
	case r.stalledSince.IsZero():
		r.stalledSince = time.Now()
	case time.Since(r.stalledSince) >= followStallWarning:
		r.report(r.waitsFor(r.high), r.high)
	}
}

// report logs what the Reader waits for, and calls OnWait, once for each cause; the zero value means that it waits no longer.
func (r *Reader) report(w waiting, end int64) {
	if w.what == r.reported {
		return
	}
	if r.reported = w.what; w.what != "" {
		r.cluster.outage.log.Warn().Str("partition", r.at.partition.String()).Int64("offset", r.at.offset).Int64("end", end).Str("hint", w.hint).Msg(w.what)
	}
	if tell := r.producer.cfg.OnWait; tell != nil {
		tell(w.text())
	}
}

func (r *Reader) readUpTo(ctx context.Context, isolation int8, visit func(Message) error) error {
	if r.err != nil {
		return r.err
	}
	end, err := r.end(ctx, isolation)
	if err != nil {
		return err
	}
	if err := r.begin(ctx, isolation == readAll); err != nil {
		return err
	}
	if end < r.at.offset {
		return truncated(r.at, end)
	}
	return r.readUntil(ctx, end, visit)
}

// begin looks up the partition's first offset, once, and again before the caller relies on what was read: records may have been
// deleted meanwhile.
func (r *Reader) begin(ctx context.Context, again bool) error {
	if r.begun && !again {
		return nil
	}
	start, err := r.cluster.offset(ctx, r.at.partition, atStart, readAll)
	switch {
	case err != nil:
		return err
	case !r.begun && !r.resumed:
		r.at.offset, r.start = start, start
	case start > r.start:
		return truncated(position{r.at.partition, r.start}, start)
	}
	r.begun = true
	return nil
}

// end returns the end of the partition as its leader reports it, and with readAll at least that of the Barrier. A transaction may be
// open before the record that Resume begins with: then the last stable offset lies before it.
func (r *Reader) end(ctx context.Context, isolation int8) (int64, error) {
	end, err := r.cluster.offset(ctx, r.at.partition, atEnd, isolation)
	switch {
	case err != nil || isolation == readCommitted && end >= r.at.offset:
		return end, err
	case isolation == readCommitted:
		all, err := r.cluster.offset(ctx, r.at.partition, atEnd, readAll)
		return min(all, r.at.offset), err
	}
	return max(end, r.producer.behindBarrier(r.at.partition)), nil
}

func (r *Reader) readUntil(ctx context.Context, end int64, visit func(Message) error) error {
	for moved, began := time.Now(), r.at.offset; r.at.offset < end; {
		if err := r.step(ctx, end, recoverWait, visit); err != nil {
			return err
		}
		if r.at.offset > began || r.throttled { // what a quota slows down comes in the end
			moved, began = time.Now(), r.at.offset
			r.report(waiting{}, end)
			continue
		}
		switch stood := time.Since(moved); {
		case stood >= stallLimit:
			return &Error{
				Op: "read " + r.at.String(), Category: Timeout, Hint: r.waitsFor(end).hint,
				Err: fmt.Errorf("offset %d comes next, %d is the end, and nothing more was committed for %v", r.at.offset, end, stallLimit),
			}
		case stood >= stallWarning:
			r.report(r.waitsFor(end), end)
		}
	}
	r.report(waiting{}, end)
	return nil
}

// waiting is what a Reader without progress waits for, and what to do about it.
type waiting struct{ what, hint string }

// text is "" where it waits for nothing.
func (w waiting) text() string {
	if w.what == "" {
		return ""
	}
	return strings.TrimPrefix(w.what, "kafka: ") + " (" + w.hint + ")"
}

func (r *Reader) waitsFor(end int64) waiting {
	if r.high < end {
		return waiting{"kafka: waiting for a broker that knows all that was committed", "the partition's leader has less than was acknowledged: is it cut off from the other brokers?"}
	}
	return waiting{"kafka: waiting for a transaction that another producer has open", fmt.Sprintf(hintOpenTransaction, r.cluster.sockets.to.Brokers[0], r.at.topic, r.at.id, r.stable)}
}

// hintOpenTransaction is what to do about a transaction that does not end.
const hintOpenTransaction = "if it stays so, and kafka-transactions.sh find-hanging names it: kafka-transactions.sh --bootstrap-server %s abort --topic %s --partition %d --start-offset %d"

// step fetches once and advances, at most to end; wait is how long the broker may hold the fetch while there is nothing to return.
func (r *Reader) step(ctx context.Context, end int64, wait time.Duration, visit func(Message) error) error {
	part, throttled, err := r.cluster.fetchOne(ctx, r.at, wait)
	r.throttled = throttled
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return r.outOfRange(ctx)
	}
	if err != nil {
		return err
	}
	r.high, r.stable = part.HighWatermark, part.LastStableOffset
	next, err := committed(r.at.topic, part, r.at.offset, func(m Message) error {
		if m.Offset >= end { // the rest of a batch, for a later call
			return nil
		}
		return visit(m)
	})
	if err != nil {
		return err
	}
	switch {
	case next > r.at.offset:
		r.emptyAnswers = 0
	case part.LastStableOffset <= r.at.offset: // the end, or an open transaction
		sleep(ctx, firstPause)
	default:
		// A fetch returns the first batch that ends at or after its offset. None below the last stable offset means that
		// compaction has left nothing there.
		if r.emptyAnswers++; r.emptyAnswers >= emptyAnswersBelieved {
			next = part.LastStableOffset
		} else {
			sleep(ctx, recoverWait)
		}
	}
	r.at.offset = min(next, end)
	return nil
}

// outOfRange continues at the partition's first offset, if deleted records may be passed over.
func (r *Reader) outOfRange(ctx context.Context) (err error) {
	start, err := r.cluster.firstOffset(ctx, r.at)
	if err == nil && !r.skipDeleted {
		err = truncated(r.at, start)
	}
	if err == nil {
		r.at.offset = start
	}
	return err
}

// firstOffset returns the partition's first offset, when the records at at were deleted; else ErrTruncated.
func (c *cluster) firstOffset(ctx context.Context, at position) (int64, error) {
	start, err := c.offset(ctx, at.partition, atStart, readAll)
	if err == nil && start <= at.offset {
		err = truncated(at, start)
	}
	return start, err
}

func truncated(at position, to int64) error {
	return &Error{
		Op: "read " + at.String(), Category: Unexpected, Hint: "was it restored, or deleted and created again?",
		Err: fmt.Errorf("%w: offset %d is out of range, the partition has %d", ErrTruncated, at.offset, to),
	}
}

// ReadLast calls visit with the committed records among the last offsets of the partition, as CatchUp does; control markers and aborted
// records count among them. It passes over records that retention deletes meanwhile. all reports whether that is the whole partition.
func (p *Producer) ReadLast(ctx context.Context, topic string, id int, last int64, visit func(Message) error) (all bool, err error) {
	r := p.NewReader(topic, id)
	if r.skipDeleted = true; r.err != nil {
		return false, r.err
	}
	end, err := r.end(ctx, readAll)
	if err != nil {
		return false, err
	}
	start, err := r.cluster.offset(ctx, r.at.partition, atStart, readAll)
	if err != nil {
		return false, err
	}
	from := max(start, end-min(end, last))
	r.at.offset = from
	return from == start, r.readUntil(ctx, end, visit)
}

// ReadSince calls visit with the committed records of all partitions of a topic, one partition after the other, each from its first
// record of that time or later to the end as it is at the call, as CatchUp does.
func (p *Producer) ReadSince(ctx context.Context, topic string, since time.Time, visit func(Message) error) error {
	for _, id := range p.topics[topic].partitions {
		r := p.NewReader(topic, id)
		r.skipDeleted = true
		end, err := r.cluster.offset(ctx, r.at.partition, atEnd, readAll)
		if err != nil {
			return err
		}
		from, err := r.cluster.offset(ctx, r.at.partition, max(0, since.UnixMilli()), readAll) // negative ones have another meaning, see atEnd
		if err != nil {
			return err
		}
		if from < 0 { // no record is that new
			continue
		}
		r.at.offset = from
		if err := r.readUntil(ctx, end, visit); err != nil {
			return err
		}
	}
	return nil
}

// Ends returns the high watermarks of all partitions of each topic that was ensured.
func (p *Producer) Ends(ctx context.Context) (map[string][]int64, error) {
	c := p.cluster.Load()
	ends := map[string][]int64{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for topic, limits := range p.topics {
		list := make([]int64, len(limits.partitions))
		ends[topic] = list
		for i, id := range limits.partitions {
			group.Go(func() (err error) {
				list[i], err = c.offset(ctx, partition{topic, id}, atEnd, readAll)
				return err
			})
		}
	}
	return ends, group.Wait()
}
