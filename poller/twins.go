package poller

import (
	"fmt"

	"github.com/convstream/convstream/poller/smartassist"
)

// Two rows that a read shows at once, of one identity and session and with different contents, are not revisions of
// each other: neither is the older one. One of them has the place of the identity in the memory; each content of the others,
// twins, is published once and remembered by itself, so that all of them are there and none comes again with every read.

// twins returns which of the rows are twins, by index. It is that row which is not one whose content the place has, else the
// first that was not met as a twin before.
func (j *judge) twins(rows []smartassist.Row) map[int]bool {
	keys := make(map[rowKey]int, len(rows)) // index of the one that has the place, so far
	var out map[int]bool
	for i, row := range rows {
		if row.Err != nil {
			continue
		}
		key := keyOfRow(row)
		other, met := keys[key]
		if !met {
			keys[key] = i
			continue
		}
		if row.Fingerprint(j.Ignore) == rows[other].Fingerprint(j.Ignore) {
			continue // the same row again, by what counts
		}
		if out == nil {
			out = map[int]bool{}
		}
		if j.prefers(row, rows[other]) {
			keys[key], out[other] = i, true
		} else {
			out[i] = true
		}
	}
	return out
}

// prefers reports whether the row has the place of the two rather than the other.
func (j *judge) prefers(row, other smartassist.Row) bool {
	a, b := row.Fingerprint(j.Ignore), other.Fingerprint(j.Ignore)
	p := j.place(row)
	switch {
	case p.met && j.same(p.e, other, b):
		return false
	case p.met && j.same(p.e, row, a):
		return true
	}
	return j.knownTwin(other, b) && !j.knownTwin(row, a)
}

func twinKey(row smartassist.Row, fingerprint uint64) Key {
	return keyOf("w", row.Identity(), fmt.Sprintf("%s\x00%016x", row.SessionID, fingerprint))
}

// knownTwin reports whether the content was published as a twin, by whatever list of pointers its fingerprint was made without.
func (j *judge) knownTwin(row smartassist.Row, fingerprint uint64) bool {
	if _, known := j.lookup(twinKey(row, fingerprint)); known {
		return true
	}
	for i, list := range j.prints.lists {
		if _, known := j.lookup(twinKey(row, row.Fingerprint(list))); known && i != int(j.prints.current) {
			return true
		}
	}
	return false
}

// twin publishes a content that shows beside another of its identity and session, once.
func (j *judge) twin(row smartassist.Row, fingerprint uint64) {
	j.Twins++
	key := twinKey(row, fingerprint)
	old, _ := j.lookup(key)
	remembered := Entry{session: sessionTag(row.SessionID), list: j.prints.current, republished: old.republished}
	known := j.knownTwin(row, fingerprint)
	again := known && j.Republish != 0 && old.republished != uint16(j.Republish)
	if (known || j.Mode == ByConversation) && !again {
		j.Unchanged++
		if known {
			j.remember(key, remembered)
		}
		return
	}
	if j.Republish != 0 {
		remembered.republished = uint16(j.Republish)
	}
	row.Err = j.refuses(row, fingerprint)
	p := j.place(row)
	if row.Err == nil {
		p.main.revision++
	}
	j.remember(key, remembered)
	j.remember(p.key, p.main)
	if row.Err != nil {
		j.Dead = append(j.Dead, row)
		return
	}
	change := Republished
	if !again {
		change = j.changeOf(p.main)
	}
	j.publish(row, p.main, fingerprint, change)
}
