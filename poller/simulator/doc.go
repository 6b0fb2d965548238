// Package simulator is the SmartAssist "interactionDetails" service as an
// http.Handler, written from the service's public texts. It shares no code with
// the client that reads the service, so that an error of the one is not hidden
// by the same error of the other.
//
// # The world
//
// What the service knows at an instant is a pure function of (seed, Config,
// instant): nothing runs in the background, nothing is stored. Time is cut into
// minutes; the conversations of a minute are drawn from the seed when somebody
// first asks for them, and may be forgotten and drawn again. A conversation
// becomes one to three rows (contact, bot-only, companion of an agent), and each
// row goes through stages: open, assigned, closed, wrapped up, summarised,
// surveyed hours later. The text of a row follows from its seed and its stage.
// So a test can ask for the truth of any instant, after the fact, and a day
// window over 100,000 conversations costs milliseconds.
//
//	seed + minute -> conversations -> rows (times, stage)    world.go, timeline.go
//	window + switches -> rows of one page, in order           page.go
//	row + stage -> JSON text                                  contact.go, segment.go, meta.go, bot.go, poison.go
//	request -> checks, faults, answer, memory                 request.go, auth.go, fault.go, bad.go, service.go, truth.go
//
// # What the texts leave open
//
// Public texts of the service contradict each other, or are silent. Every such
// point is a field of [Switches], so that a reader can be shown to be correct
// under each reading. What goes wrong between the service and its reader is in
// [Faults], in [Service.Script] and in [Config.Intercept].
//
// # The truth
//
// [Service.RowsAt] is everything visible at an instant, as it would be served
// then. [Service.Served] is every content that really left the service, by hash.
// What a reader published is right when it holds the first and is part of the
// second; see truth.go.
//
// The package reads the clock with time.Now only, so inside a testing/synctest
// bubble the world lives in virtual time.
package simulator
