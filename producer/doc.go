// Package producer publishes records to Kafka exactly once and reads back what was committed.
//
// A Producer owns one transactional id. Its life is short and has one path:
//
//	Open -> EnsureTopics -> Acquire -> Barrier -> CatchUp -> Commit, Commit, Commit ...
//	                           ^                                |
//	                           +----------- any error ----------+
//
// Acquire takes a new producer epoch: it fences whoever held the transactional id before and aborts what that one left
// open. Commit writes one transaction: all of it becomes visible to read_committed consumers, or nothing. When Commit
// returns an error the outcome is unknown or aborted, and the Producer refuses to go on until Acquire was called again:
// nobody has to reason about half-finished transactions, and the way back after a fault is the way in after a start
// (crash-only). What was committed is then read from the topics by a Reader, which may have begun before Acquire: a standby keeps its memory warm so.
// Barrier makes sure that it is read to the end, whatever the broker that is read from believes to be the end.
//
// # What is retried inside one epoch
//
// Only what cannot happen twice. Adding partitions is a set operation. A batch is sent again with the same bytes, so with
// the same producer id, epoch and sequence, and the broker recognises it. Committing again, as long as every answer so
// far was "try again" or none, leads to the same end. Any other answer ends the transaction with an error.
//
// A transaction must end before the broker's own transaction timeout, which bumps the epoch and so looks like another
// worker. Commit therefore gives up after three quarters of Config.TransactionTimeout, and what it still hears as
// "fenced" before then is another worker indeed: ErrFenced.
//
// # Why not kafka-go's Writer and Reader
//
// The Writer of github.com/segmentio/kafka-go is not idempotent, and its Reader shows aborted records. Its low-level
// Client speaks every request a transaction needs, so a batch is built here (batch.go), given producer id, epoch and
// sequence in place, and sent raw; and a fetch is filtered here as the Java consumer does it (committed.go).
//
// Producer knows nothing of what it carries: keys and values are opaque bytes.
package producer
