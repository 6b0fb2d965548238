package producer

import (
	"cmp"
	"encoding/json"
	"slices"
)

// candidate is what a worker tells the others of itself when it joins the group: JSON in the user data of its
// subscription. A worker of another version may say less or more.
type candidate struct {
	Name    string `json:"name"`
	Started int64  `json:"started"` // Unix milliseconds
	Since   int64  `json:"since"`   // holds the lease since; Unix milliseconds, 0 = does not
	Yields  bool   `json:"yields"`  // was fenced: only if there is nobody else
}

func (c candidate) encode() []byte { return mustMarshal(c) }

func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers of our own only
	}
	return b
}

// outcome of an election, as it is told to every member: JSON in the user data of its assignment.
type outcome struct {
	elected  bool   // this worker
	Holder   string `json:"holder"`             // name of the elected
	Stranger bool   `json:"stranger,omitempty"` // see stranger
}

func (o outcome) encode() []byte { return mustMarshal(o) }

func outcomeOf(data []byte) (o outcome) {
	if json.Unmarshal(data, &o) != nil {
		return outcome{}
	}
	return o
}

// candidateOf reads what a member says of itself; one that cannot be understood is a candidate like any other.
func candidateOf(data []byte) (c candidate) {
	if json.Unmarshal(data, &c) != nil {
		return candidate{}
	}
	return c
}

// elect gives the id of the member that is to hold the lease. Whoever holds it keeps it, or every worker that comes or goes
// would cost a handover; if two believe that they hold it, the later one has fenced the earlier. Among the others the
// youngest takes over: in a rolling update the old ones are about to go. A worker that was fenced comes last.
func elect(members map[string]candidate) string {
	ids := make([]string, 0, len(members))
	for id := range members {
		ids = append(ids, id)
	}
	return slices.MaxFunc(ids, func(a, b string) int {
		x, y := members[a], members[b]
		return cmp.Or(
			boolean(y.Yields)-boolean(x.Yields),
			cmp.Compare(x.Since, y.Since),
			cmp.Compare(x.Started, y.Started),
			cmp.Compare(a, b), // any order that does not depend on that of the map
		)
	})
}

// stranger tells that a member was fenced, and by none of the members: whoever did it takes no part in the election.
func stranger(members map[string]candidate) bool {
	fenced := false
	for _, c := range members {
		if c.Since > 0 && !c.Yields {
			return false
		}
		fenced = fenced || c.Yields
	}
	return fenced
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
