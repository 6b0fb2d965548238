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

func (c candidate) encode() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and numbers of our own only
	}
	return b
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

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
