// Package consumers tests that what convstream publishes is read by programs that nobody here wrote: Flink SQL, Kafka
// Streams, Python with confluent-kafka, and kcat, on Apache Kafka and with a schema registry. The programs are the examples
// in deploy/examples, as they stand there.
package consumers
