package verify

import "github.com/convstream/convstream/encoder"

// commitsOfReads are the commits of what was read. The others tried dead letters again, or tell of an event: they asked the service for
// nothing, and what they published is the content of a read before them.
func (r *Report) commitsOfReads() (out []*encoder.Progress) {
	for _, p := range r.progress {
		if p.Requests > 0 {
			out = append(out, p)
			continue
		}
		if p.Event != nil && p.Fetched == 0 {
			r.Events = append(r.Events, p.Event)
			continue
		}
		r.Replays++
		if p.Fetched == 0 || p.DeadLettered != 0 || p.Late != 0 || !p.WindowStart.Equal(p.WindowEnd) {
			r.problem("commit %d asked the service for nothing and is no replay of dead letters: %+v", p.Sequence, *p)
		}
	}
	return out
}
