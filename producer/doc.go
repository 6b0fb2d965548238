// Package producer publishes records to Kafka exactly once, reads back what was committed, and elects the process that works on an
// account.
//
// A Producer owns one transactional id and goes one way:
//
//	Open -> EnsureTopics -> Acquire -> Barrier -> CatchUp -> Commit, Commit, Commit ...
//	                           ^                                |
//	                           +----------- any error ----------+
//
// Acquire takes a new producer epoch: it fences the earlier producer of the transactional id and aborts the transaction that it
// left open. Commit writes one transaction: read_committed consumers see all of it, or nothing. When Commit returns an error the
// outcome is unknown or aborted, and the Producer refuses to go on until Acquire has been called again: there are no half-finished
// transactions to reason about, and the way back after a fault is the way in after a start (crash-only). What was committed is then
// read from the topics by a Reader, which may have begun before Acquire: this is how a standby keeps its memory warm. Barrier makes
// sure that the Reader reaches the end, even if the broker that it reads from serves an old high watermark.
//
// # What is retried inside one epoch
//
// Only requests that have the same effect when they are repeated. Adding partitions is a set operation. A batch is sent again with
// the same bytes, so with the same producer id, epoch and sequence, and the broker recognises it. EndTxn may be repeated as long as
// every answer so far was retriable or was lost. Any other answer ends the transaction with an error.
//
// A transaction must end before the broker's own transaction timeout, which bumps the epoch and so looks like another
// worker. Commit therefore gives up after three quarters of Config.TransactionTimeout, and an answer "fenced" before then does
// mean another worker: ErrFenced.
//
// # Why not kafka-go's Writer and Reader
//
// The Writer of github.com/segmentio/kafka-go is not idempotent, and its Reader returns aborted records. Its low-level
// Client has every request that a transaction needs, so a batch is built here (batch.go), stamped with producer id, epoch and
// sequence, and sent raw; and the answer to a fetch is filtered here as the Java consumer does it (committed.go).
//
// Keys and values are opaque bytes to this package.
package producer
