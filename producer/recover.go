package producer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

const (
	// followWait is how long a broker may hold a fetch while nothing is committed: it answers as soon as something is. A worker
	// that stands by asks once in that time. At most half the timeout of a request.
	followWait = 5 * time.Second
	// recoverWait is how long a broker may hold a fetch that reached an open transaction, before it is asked again.
	recoverWait = 100 * time.Millisecond
	// certain is how often a broker must say that there is nothing where something should be, before it is believed: it
	// says so too when it throttles.
	certain = 5
	// A Reader that comes no further for standsLong logs it, and gives up after standsTooLong: however many records there are, each
	// answer of a broker brings some, unless somebody's transaction is open.
	standsLong    = 30 * time.Second
	standsTooLong = 5 * time.Minute
)

// Reader reads the committed records of one partition in order, from the first one there is, and keeps its place. Aborted
// records are left out. It is for one goroutine, and ends with the next EnsureTopics of its Producer.
type Reader struct {
	producer *Producer
	cluster  *cluster
	at       position
	wrong    error // the topic cannot be read
	start    int64 // where the partition began when it was first read
	begun    bool
	resumed  bool  // what lies between start and at was read by another Reader
	holes    bool  // what is deleted while it is read may be passed over
	empty    int   // answers in a row without anything where something should be
	high     int64 // the high watermark, as the last answer had it
}

// ErrSetBack says that a partition no longer has the records that come after those a Reader has read: it was truncated,
// or deleted and made again. What was read before may be gone as well: begin anew.
var ErrSetBack = errors.New("the topic was set back while it was read")

// NewReader gives a Reader that stands before the first record. The topic must have been ensured.
func (p *Producer) NewReader(topic string, id int) *Reader {
	r := &Reader{producer: p, cluster: p.cluster.Load(), at: position{partition{topic, id}, 0}}
	if _, ok := p.topics[topic]; !ok {
		r.wrong = &Error{Op: "read " + topic, Category: Settings, Err: errors.New("the topic was not ensured")}
	}
	return r
}

// Resume gives a Reader that goes on for another one, which EnsureTopics has ended, at the offset of a committed record. It
// meets ErrSetBack where there is less before that than the other one began with, too.
func (p *Producer) Resume(old *Reader, offset int64) *Reader {
	r := p.NewReader(old.at.topic, old.at.id)
	r.at.offset, r.start, r.resumed = offset, old.start, true
	return r
}

// CatchUp gives visit what is committed up to the end as it is at the call, and to the Barrier. It waits for transactions that
// are open before that end, until ctx ends or nothing was committed for five minutes: after Acquire these are other workers'
// only. visit's error ends it and comes back as it is.
func (r *Reader) CatchUp(ctx context.Context, visit func(Message) error) error {
	return r.upTo(ctx, readAll, visit)
}

// CatchUpStable is CatchUp as far as no open transaction is in the way: it waits for none.
func (r *Reader) CatchUpStable(ctx context.Context, visit func(Message) error) error {
	return r.upTo(ctx, readCommitted, visit)
}

// Follow gives visit what is committed, as it comes, until ctx ends, and then returns nil. visit's error ends it and
// comes back as it is.
func (r *Reader) Follow(ctx context.Context, visit func(Message) error) error {
	for ctx.Err() == nil {
		if err := r.step(ctx, math.MaxInt64, min(followWait, r.cluster.timeout/2), visit); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (r *Reader) upTo(ctx context.Context, isolation int8, visit func(Message) error) error {
	if r.wrong != nil {
		return r.wrong
	}
	end, err := r.end(ctx, isolation)
	if err != nil {
		return err
	}
	if err := r.begin(ctx, isolation == readAll); err != nil {
		return err
	}
	if end < r.at.offset {
		return setBack(r.at, end)
	}
	return r.readUntil(ctx, end, visit)
}

// begin finds where the partition begins: at first, and again before somebody relies on what was read, since it may have been deleted
// there meanwhile.
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
		return setBack(position{r.at.partition, r.start}, start)
	}
	r.begun = true
	return nil
}

// end is where the partition ends, as its leader knows it; of all that there is, no less than what the Barrier proves. An open
// transaction may lie before the record that Resume begins with: then nothing is stable there yet.
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
	logged := false
	for moved, began := time.Now(), r.at.offset; r.at.offset < end; {
		if err := r.step(ctx, end, recoverWait, visit); err != nil {
			return err
		}
		if r.at.offset > began {
			moved, began = time.Now(), r.at.offset
			continue
		}
		switch stood := time.Since(moved); {
		case stood >= standsTooLong:
			return &Error{
				Op: "read " + r.at.String(), Category: Timeout, Hint: r.waitsFor(end).hint,
				Err: fmt.Errorf("offset %d comes next, %d is the end, and nothing more was committed for %v", r.at.offset, end, standsTooLong),
			}
		case stood >= standsLong && !logged:
			logged = true
			w := r.waitsFor(end)
			r.cluster.trouble.log.Warn().Str("partition", r.at.partition.String()).Int64("offset", r.at.offset).Int64("end", end).Str("hint", w.hint).
				Msg(w.what)
		}
	}
	return nil
}

// waiting is what a Reader that comes no further waits for, and what to do about it.
type waiting struct{ what, hint string }

func (r *Reader) waitsFor(end int64) waiting {
	if r.high < end {
		return waiting{"kafka: waiting for a broker that knows all that was committed", "the partition's leader is behind what was acknowledged: is it cut off from the other brokers?"}
	}
	return waiting{"kafka: waiting for a transaction that another producer has open", hintOpen}
}

// hintOpen is what to do about a transaction that does not end.
const hintOpen = "a transaction of another producer is open; if it stays so, kafka-transactions.sh find-hanging names it"

// step fetches once and moves on, at most to end; wait is how long the broker may take while nothing is there.
func (r *Reader) step(ctx context.Context, end int64, wait time.Duration, visit func(Message) error) error {
	part, err := r.cluster.fetchOne(ctx, r.at, wait)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return r.outOfRange(ctx)
	}
	if err != nil {
		return err
	}
	r.high = part.HighWatermark
	next, err := committed(r.at.topic, part, r.at.offset, func(m Message) error {
		if m.Offset >= end { // the rest of a batch: another call's
			return nil
		}
		return visit(m)
	})
	if err != nil {
		return err
	}
	switch {
	case next > r.at.offset:
		r.empty = 0
	case part.LastStableOffset <= r.at.offset: // nothing is there, or an open transaction: wait for its end
		sleep(ctx, firstPause)
	default:
		// A fetch gives the first batch that ends at or after its offset. None below the last stable offset means
		// that compaction left nothing there.
		if r.empty++; r.empty >= certain {
			next = part.LastStableOffset
		} else {
			sleep(ctx, recoverWait)
		}
	}
	r.at.offset = min(next, end)
	return nil
}

// outOfRange goes on where the topic begins now, if what lay before may be passed over.
func (r *Reader) outOfRange(ctx context.Context) (err error) {
	start, err := r.cluster.skip(ctx, r.at)
	if err == nil && !r.holes {
		err = setBack(r.at, start)
	}
	if err == nil {
		r.at.offset = start
	}
	return err
}

// skip gives the first offset there is, when what lay before was deleted meanwhile.
func (c *cluster) skip(ctx context.Context, at position) (int64, error) {
	start, err := c.offset(ctx, at.partition, atStart, readAll)
	if err == nil && start <= at.offset {
		err = setBack(at, start)
	}
	return start, err
}

func setBack(at position, to int64) error {
	return &Error{
		Op: "read " + at.String(), Category: Unexpected, Hint: "was it truncated, or deleted and made again?",
		Err: fmt.Errorf("%w: offset %d was to come next and is out of range; %d is what there is", ErrSetBack, at.offset, to),
	}
}

// ReadLast gives visit the committed records among the last so many offsets of the partition, those of markers and of
// aborted records included, as CatchUp does, to the Barrier too. What retention deletes meanwhile is passed over. all tells that this is the
// whole partition.
func (p *Producer) ReadLast(ctx context.Context, topic string, id int, last int64, visit func(Message) error) (all bool, err error) {
	r := p.NewReader(topic, id)
	if r.holes = true; r.wrong != nil {
		return false, r.wrong
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

// ReadSince gives visit the committed records of all partitions of a topic, one partition after the other, each from
// its first record of that time or later to the end as it is at the call, as CatchUp does.
func (p *Producer) ReadSince(ctx context.Context, topic string, since time.Time, visit func(Message) error) error {
	for _, id := range p.topics[topic].partitions {
		r := p.NewReader(topic, id)
		r.holes = true
		end, err := r.cluster.offset(ctx, r.at.partition, atEnd, readAll)
		if err != nil {
			return err
		}
		from, err := r.cluster.offset(ctx, r.at.partition, max(0, since.UnixMilli()), readAll) // below zero are names, see atEnd
		if err != nil {
			return err
		}
		if from < 0 { // nothing is as new as that
			continue
		}
		r.at.offset = from
		if err := r.readUntil(ctx, end, visit); err != nil {
			return err
		}
	}
	return nil
}

// Ends gives where each partition of each topic that was ensured ends: the offset that comes next.
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
