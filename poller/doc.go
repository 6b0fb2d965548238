// Package poller reads an account's conversations through a window that slides over time, and turns what it reads into
// numbered revisions, each of them exactly once.
//
// The service (package smartassist) has no cursor, no version and no stable paging: the only question it answers is
// "which rows lie between these two instants", and the only way to learn of a change is to ask again. So the poller
// holds no cursor either. It holds two values:
//
//   - [Coverage]: which stretches of time have been read whole, and when each was last read;
//   - [Seen]: what content each conversation had when it was last published, and under which revision.
//
// What to read next is a pure function of the coverage, of what fails, and of the time ([Agenda]): the head of the window
// first, then what is due to be read again and the oldest gap in turns, and with what is left of the budget whatever is most
// likely to have changed ([Learned]). A start, a restart, an outage and a backlog are all the same case: coverage lacks something.
// So is a backfill: a further range that is wanted, of which a [Pass] reads what coverage lacks, with a tenth of the requests and all
// that are spare. An audit is a pass that reads its range though it is covered, for one who compares it with what was published.
//
// A read makes its requests one at a time, and so those of the newest rows come between those of a long walk. What it has brought by
// then is judged and committed as a part of the read: contents are judged in the order in which they were read.
//
// # What fails
//
// A request that fails is made again inside its read. A window that fails all the same is [Failing]: it is tried again by itself, in
// halves, down to the second that cannot be answered, and everything else passes over it meanwhile. A second that goes on
// failing while others are read is partial after some minutes. Only when the newest rows cannot be read either is it an outage.
//
// # Why no row is lost
//
// A stretch [a, b) counts as covered only by a read that
//
//  1. asked one second wider on both sides, so that inclusive bounds, exclusive bounds and hidden milliseconds all
//     return what belongs to it (what is returned twice, deduplication takes away);
//  2. was answered at least the settle delay after b, on the earlier of our clock and the service's, so that rows
//     which the service shows late have appeared;
//  3. was whole. One page proves that only if it is short of the limit and short pages have been proven here: by
//     asking for the page after it. Everything else is walked page by page where each page proves by the rows it shares with
//     the one before that nothing has moved, or is asked for in narrower windows ([Reader]). What cannot be read whole even so
//     is published as far as it came and recorded as partial: completeThrough stops there, and nothing is claimed that was
//     not seen;
//  4. is committed together with the coverage, in one transaction ([Sink]) that may hold other reads too ([Bundle]):
//     memory moves only after that.
//
// Rows change after they were first read, so covered stretches are read again on a schedule ([Tier]); a row that a
// re-read meets for the first time is published as well, and counted as late.
//
// # Why no row is repeated
//
// Every row read is compared with what [Seen] remembers of it, and Seen is committed with the rows. An entry may be
// forgotten only when no window that can still be asked for could return the row again: the end of the last window that
// showed it, plus the horizon of re-reading, plus a day, and never before the oldest gap has passed it. The row's own
// times play no part in that: it is not known which of them the service filters by. How far back the memory reaches by that
// stands in the ledger ([Ledger].Reach), and nothing before it is ever read again, whatever settings and clocks say, but by a pass: not
// before the memory knows again what the topics hold of its range ([Recall]), and while it reads, nothing that it may meet is
// forgotten. Forgetting goes by the earlier of our clock and the service's, and by a horizon that was the same for a day.
//
// # Words
//
//   - accepted: said of a gap in the coverage, partial time, that an operator lets completeThrough pass.
//   - account: one customer of the service; it has a stream, a login and a budget of requests.
//   - backfill, audit, pass: a past range that is read beside live polling, to be published or to be compared; either of them.
//   - assumption: what the service's answers have shown of how it works, with the evidence. It is observed for ever.
//   - batch, bundle: a committed read or part of one; what is committed in one transaction.
//   - budget: the requests a minute that the account may make.
//   - coverage: the stretches of time that were read whole, each with the instant of its last read.
//   - dead letter: a row that cannot be published, kept in a topic of its own.
//   - failing: said of a window that could not be read although others could.
//   - fingerprint: a hash of a row's content, without the members that DEDUPLICATE_IGNORE names.
//   - gap: time that is wanted and was never read. What operators list and accept as gaps is what could not be read whole: see partial.
//   - head: the newest rows, from what has settled to the present.
//   - horizon: how far back rows are read again: the age of the last tier.
//   - identity: what a conversation is known by: its conversationId, else its sessionId.
//   - ledger: what the state holds beside the memory: coverage, failing windows, reach, what was learned.
//   - outage: a time in which the newest rows cannot be read either.
//   - partial: said of covered time that could not be read whole; completeThrough stops before it.
//   - reach: how far back the memory knows what was published. Nothing before it is read again.
//   - re-read, tier: reading covered time again for changes; how often, at which age.
//   - revision: a content of a conversation that was published; they are numbered from 1.
//   - row: one element of a page: a conversation as the service shows it at the moment.
//   - settle: how long after its end time must be read to count as covered, as rows show late.
//   - twins: two rows of one identity and session that one read shows with different contents.
//   - walk: reading a window page by page, each page beginning with rows of the one before.
//   - window: a half-open stretch of time in whole seconds that is asked for.
//   - withheld: said of an open conversation that DEDUPLICATE=conversation does not publish yet.
package poller
