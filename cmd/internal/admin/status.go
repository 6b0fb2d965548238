package admin

import (
	_ "embed"
	"html/template"
	"time"

	"github.com/convstream/convstream/cmd/internal/drift"
	"github.com/convstream/convstream/poller"
)

// Status is what /status answers: the process and its accounts. It holds no personal data and no secret.
type Status struct {
	Name     string    `json:"name"` // of this process among the replicas
	Started  time.Time `json:"started"`
	Ready    bool      `json:"ready"`
	NotReady string    `json:"notReady,omitempty"`
	Group    *Group    `json:"group"` // null with LEASE=off
	// Wrong are the files of accounts that are not used as they are; left out where there are none.
	Wrong    []WrongFile `json:"wrongFiles,omitempty"`
	Accounts []Account   `json:"accounts"` // in order of their ids
}

// WrongFile is a file of ACCOUNTS_DIR that is not used as it is, and why; without a name, the folder itself.
type WrongFile struct {
	File  string `json:"file,omitempty"`
	Error string `json:"error"`
}

// Group is this process's membership in the consumer group that spreads the accounts over the replicas.
type Group struct {
	ID     string `json:"id"`
	Joined bool   `json:"joined"` // and heard by the brokers within LEASE_TIMEOUT
	// Trouble is why this process could not take part in the last rebalance; left out when it did.
	Trouble string `json:"trouble,omitempty"`
}

// Role is what a worker is doing.
type Role string

// The roles.
const (
	Starting Role = "starting" // no session yet, or between two
	Idle     Role = "idle"     // other replicas work on the account, and stand by for it
	Standby  Role = "standby"  // knows the state; another replica holds the lease
	Active   Role = "active"   // state recovered; reads and publishes
)

// Account is one account, as this process knows it.
type Account struct {
	Account string    `json:"account"`
	File    string    `json:"file,omitempty"` // of ACCOUNTS_DIR, from which its settings are
	Role    Role      `json:"role"`
	Started time.Time `json:"started"`
	Ready   bool      `json:"ready"`
	NotYet  string    `json:"notReady,omitempty"`
	// Ended is why this process does not work on the account any more, though it was to; left out where it does.
	Ended string `json:"ended,omitempty"`
	// Settings is why the account's file is not used as it is now; left out where it is.
	Settings string  `json:"settingsTrouble,omitempty"`
	Kafka    *Outage `json:"kafkaTrouble"` // null while commits work
	Lease    *Lease  `json:"lease"`        // null with LEASE=off
	Budget   Budget  `json:"budget"`
	// Memory is what a standby knows; null for others.
	Memory *Memory `json:"memory"`
	// Coverage and cadences as they really are; null until the state is recovered.
	Poller *poller.Status `json:"poller"`
	// Drift is how the rows differ from the schema; null until the state is known.
	Drift *drift.Report `json:"drift"`
}

// Outage is a time in which nothing can be committed.
type Outage struct {
	Since    time.Time `json:"since"`
	Category string    `json:"category"`
	Error    string    `json:"error"` // with what to do, where that is known
	Attempts int       `json:"attempts"`
}

// Lease says who works on an account.
type Lease struct {
	Group   string `json:"group"`   // the consumer group
	Name    string `json:"name"`    // of this process
	Held    bool   `json:"held"`    // by this process
	Holder  string `json:"holder"`  // name of the active one; "" while it is not known
	Standby string `json:"standby"` // name of the one that takes over; "" where there is none
	// Resigned is how often this process gave the account up because it could not do the work, since it last could.
	Resigned int `json:"resigned,omitempty"`
	// Trouble is why this process could not take part in the last rebalance; left out when it did.
	Trouble string `json:"trouble,omitempty"`
}

// Budget is the request budget as it stands.
type Budget struct {
	PerMinute      int        `json:"perMinute"`
	Requests       uint64     `json:"requests"`
	Throttled      uint64     `json:"throttled"` // answers with status 429
	Login          string     `json:"login"`
	ThrottledUntil *time.Time `json:"throttledUntil"` // null when the service does not hold us back
}

// Memory is what a standby knows of the account.
type Memory struct {
	Sequence        int64     `json:"sequence"` // of the last commit seen
	CompleteThrough time.Time `json:"completeThrough"`
	Remembered      int       `json:"remembered"`
}

//go:embed status.html
var pageText string

var page = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago": func(t time.Time) string {
		if t.IsZero() {
			return "not yet"
		}
		return time.Since(t).Round(time.Second).String() + " ago"
	},
	"utc": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
}).Parse(pageText))
