// Package smartassist reads conversations from SmartAssist's interactionDetails:
// one [Query] is one request is one [Page] of [Row] values. It imports nothing of
// this module but its own rawjson and secret, so that the encoder can know a row
// without knowing a poller.
//
// What belongs together:
//
//   - [Client] asks and understands answers. It never repeats, follows or splits
//     anything: what to ask next is the poller's business. Its errors are values
//     that say of what kind they are, and what the operator can do ([Error]).
//   - [Budget] decides when the next request may go out, so that the account's
//     requests a minute are never exceeded, in any sliding minute, by any number
//     of restarts. Refused logins and 429 slow it down by themselves.
//   - [TokenSource] and the package secret hold the login. A secret's file is read
//     again when it changes or is refused; nothing prints a secret.
//   - [Row] is an element of the answer, kept as the text it came as. A row that is
//     broken does not cost its page; it carries its error to the dead letters.
//   - [Redaction] takes out of rows what must not leave the contact centre, before the
//     Client returns them: nothing else ever sees it.
//   - [Row.Fingerprint] distinguishes two contents of one conversation, less what an
//     [Ignore] cuts out.
//
// A page goes through one pass of brackets to find its rows, one check of each
// row's JSON, and then only walks over text known to be good.
package smartassist
