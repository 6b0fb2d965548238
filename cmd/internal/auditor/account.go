package auditor

import (
	"context"
	"errors"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// Account is what an audit needs of the active worker of an account. Its methods are not for the poller's goroutine.
type Account interface {
	// Rules returns how the account's rows are compared, as soon as the worker has a session.
	Rules(ctx context.Context) (Rules, error)
	// Observe calls observe with every batch that is committed from now on, in order, in the poller's goroutine, until stop is called.
	Observe(observe func(Batch)) (stop func())
	// Records calls visit with each record of the topics of conversations that is the account's and was written since, up to the end of
	// all that was written before the call. Those of one partition come in order. It stops at the first error of visit and returns it.
	Records(ctx context.Context, since time.Time, visit func(Record) error) error
	// Letters calls visit with each dead letter of the account, from the beginning of the topic to its present end; with an error if
	// parts of the letter are gone.
	Letters(ctx context.Context, visit func(encoder.Letter, error) error) error
	// Read makes the poller read a range once, with Batch.Audit, as soon as the worker has a session.
	Read(ctx context.Context, w poller.Window) (Reading, error)
	// Restore commits what was read, and publishes rows again that the memory takes for published. It returns how many; the others have
	// changed since.
	Restore(ctx context.Context, rows []smartassist.Row) (published int, err error)
	// Count counts rows with that result for the metrics, and Ended an audit.
	Count(r audit.Result, rows int)
	Ended(o Outcome)
}

// Reading is a range that the poller reads.
type Reading interface {
	// State returns how far it is; ErrSession if the session has ended that it began in.
	State() (State, error)
	// Stop ends it, if it has not ended.
	Stop(ctx context.Context) error
}

// State is how far the reading of a range is.
type State struct {
	Finished    bool
	ReadThrough time.Time // the range is read up to here
	Requests    int
	Rows        int
	Left        time.Duration   // estimate; 0 if there is none
	Unread      []poller.Window // windows that could not be read whole
}

// Rules are how rows are compared, and what the topics keep.
type Rules struct {
	Deduplicate poller.Deduplicate
	Ignore      smartassist.Ignore
	Retention   time.Duration // the shortest one of the topics of conversations
}

// Record is a record of a topic of conversations as it was read back.
type Record struct {
	Row         smartassist.Row
	Number      int32
	Republished bool
	At          time.Time // when the row was read from the service
	Supersedes  string    // identity of the bot-only row that the conversation grew out of
	Start, End  time.Time // of the conversation, as the record says; zero where it does not
	Where       audit.Place
	Key         []byte
	Err         error // why it cannot be read back; then only Where and Key are set
}

// Batch is a committed read, or a part of one.
type Batch struct {
	Audit bool // it is of a range that Account.Read reads
	At    time.Time
	Rows  []smartassist.Row // that it showed
	Fresh []poller.Revision // of these, those that it published
	Dead  []smartassist.Row // and those that became dead letters
}

// Outcome is how an audit ended.
type Outcome string

// The outcomes.
const (
	OutcomeEqual     Outcome = "equal"
	OutcomeDifferent Outcome = "different"
	OutcomeFailed    Outcome = "failed" // ended early, or a window could not be read
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome { return []Outcome{OutcomeEqual, OutcomeDifferent, OutcomeFailed} }

// FinalError is an error after which another attempt is of no use.
type FinalError struct{ Err error }

// Error returns the error and what to do.
func (e *FinalError) Error() string { return e.Err.Error() }

// Unwrap returns the error.
func (e *FinalError) Unwrap() error { return e.Err }

// Errors of an Account.
var (
	// ErrSession: the worker has lost its session with the brokers, and begins another.
	ErrSession = errors.New("the worker could not commit, and recovers")
	// ErrNotActive: another worker is the active one.
	ErrNotActive = errors.New("this worker is no longer the active one: ask the active one again; nothing is lost")
	// ErrEnds: the worker is ending.
	ErrEnds = errors.New("the worker is ending: ask the active one again; nothing is lost")
)
