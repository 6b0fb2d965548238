package producer

import "encoding/json"

// candidate is what a member reports of itself when it joins the group: JSON in the user data of its subscription. A member of another
// version may report less or more.
type candidate struct {
	Name     string           `json:"name"`
	Started  int64            `json:"started"`           // Unix milliseconds
	Version  int              `json:"said"`              // differs from that of the last join where anything has changed: the coordinator rebalances then
	Draining bool             `json:"leaving,omitempty"` // it is given no more accounts
	Accounts map[string]claim `json:"accounts"`          // that it can work on
}

// claim is what a member reports about one account.
type claim struct {
	Since     int64 `json:"since,omitempty"`    // holds the lease since; Unix milliseconds, 0 = does not
	Held      int64 `json:"held,omitempty"`     // began to hold it the last time, whether it still does or not; 0 = never did
	Finishing bool  `json:"busy,omitempty"`     // has given the lease up, and is finishing its last commit
	Warm      bool  `json:"warm,omitempty"`     // knows the account's state
	Yields    bool  `json:"yields,omitempty"`   // was fenced: only if there is no other member
	Resigned  int   `json:"resigned,omitempty"` // how often it could not do the work, since it last could
}

// rank orders members by how likely they are able to do the work; the lowest is best.
func (c claim) rank() int {
	if c.Yields {
		return 1 << 30
	}
	return c.Resigned
}

// Part is a member's part in the work on an account.
type Part string

// The parts.
const (
	NoPart      Part = ""        // others do the work
	StandbyPart Part = "standby" // to know the state, and be ready
	HolderPart  Part = "hold"    // to do the work
	ReleasePart Part = "release" // to finish, and then to say that it has: the account moves to another member
)

// assigned is a member's assignment for one account.
type assigned struct {
	Part              Part   `json:"part,omitempty"`
	Holder            string `json:"holder,omitempty"`   // name of the member that holds the lease
	Standby           string `json:"standby,omitempty"`  // name of the member that takes over
	FencedByNonMember bool   `json:"stranger,omitempty"` // a worker that is no member fenced one
	ReportWarm        bool   `json:"report,omitempty"`   // the account moves when this member says that it is warm
}

// assignment is a member's assignment for all its accounts: JSON in the user data of the assignment that the group protocol carries.
type assignment struct {
	Accounts map[string]assigned `json:"accounts"`
}

func (a assignment) holds() bool {
	for _, p := range a.Accounts {
		if p.Part == HolderPart {
			return true
		}
	}
	return false
}

func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only our own types of strings and numbers
	}
	return b
}

// decodeOrZero decodes what another member wrote; it returns the zero value for anything that it cannot decode.
func decodeOrZero[T any](data []byte) (v T) {
	if json.Unmarshal(data, &v) != nil {
		var zero T
		return zero
	}
	return v
}
