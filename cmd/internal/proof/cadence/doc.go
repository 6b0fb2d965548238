// Package cadence measures what a request budget is good for: how many requests the poller needs to catch up, how soon it
// publishes new rows and changes, and how far it falls behind its re-read schedule, at accounts of several sizes.
//
// The real poller.Poller reads a model of the service and commits to a model of Kafka, both in virtual time. The account of
// the model is the truth to which every commit is compared: when a row showed, when its content changed, and when a content
// at least that new was committed.
//
//	poller.Poller --Page--> service --> account      budget: smartassist.Budget; 0.3 s a request
//	              --Commit--> meter --> account      40 ms a commit
//
// It is a test because testing/synctest offers virtual time to tests only:
//
//	go test ./cmd/internal/proof/cadence -run TestTables -v -timeout 60m -args -tables
//	go test ./cmd/internal/proof/cadence -run TestTables/catchup-7d -v -args -tables -seed 2
//
// It prints tables in Markdown, one row a case, and beside the figures those that are wanted. Without -tables it plays
// two short cases and fails where they miss loose bounds.
package cadence
