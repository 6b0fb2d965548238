package admin

import (
	_ "embed"
	"time"

	"github.com/convstream/convstream/cmd/internal/drift"
	"github.com/convstream/convstream/poller"
)

// Status is the response of /status: the process and its accounts. It has no personal data and no secrets.
type Status struct {
	Name     string    `json:"name"` // of this process among the replicas
	Started  time.Time `json:"started"`
	Ready    bool      `json:"ready"`
	NotReady string    `json:"notReady,omitempty"`
	Group    *Group    `json:"group"` // null with LEASE=off
	// Wrong are the files of accounts that are not used as they are.
	Wrong    []WrongFile `json:"wrongFiles,omitempty"`
	Accounts []Account   `json:"accounts"` // in order of their ids
}

// WrongFile is a file of ACCOUNTS_DIR that is not used as it is, and the reason; without a name, it is the folder.
type WrongFile struct {
	File  string `json:"file,omitempty"`
	Error string `json:"error"`
}

// Group is this process's membership in the consumer group that spreads the accounts over the replicas.
type Group struct {
	ID     string `json:"id"`
	Joined bool   `json:"joined"` // and the brokers answered within LEASE_TIMEOUT
	// Trouble is why this process could not take part in the last rebalance; omitted if it did.
	Trouble string `json:"trouble,omitempty"`
}

// Role is what a worker is doing.
type Role string

// The roles.
const (
	Starting Role = "starting" // no session yet, or between two sessions
	Idle     Role = "idle"     // other replicas are the active one and the standby of the account
	Standby  Role = "standby"  // has the state; another replica holds the lease
	Active   Role = "active"   // has recovered the state; reads and publishes
)

// Account is the state of an account in this process.
type Account struct {
	Account string    `json:"account"`
	File    string    `json:"file,omitempty"` // in ACCOUNTS_DIR
	Role    Role      `json:"role"`
	Started time.Time `json:"started"`
	Ready   bool      `json:"ready"`
	NotYet  string    `json:"notReady,omitempty"`
	// Ended is why this process has stopped working on the account; omitted if it has not.
	Ended string `json:"ended,omitempty"`
	// Settings is why the account's file is not used as it is now; omitted if it is.
	Settings string  `json:"settingsTrouble,omitempty"`
	Kafka    *Outage `json:"kafkaTrouble"` // null while commits work
	Lease    *Lease  `json:"lease"`        // null with LEASE=off
	Budget   Budget  `json:"budget"`
	// Memory is what a standby knows; null in other roles.
	Memory *Memory `json:"memory"`
	// Poller has the coverage and the actual cadences; null until the state is recovered.
	Poller *poller.Status `json:"poller"`
	// Freshness is how old the newest data was at the worst in each five minutes of the last hours that this process was active in.
	Freshness []Freshness `json:"freshness"`
	// Drift is how the rows differ from the schema; null until the state is known.
	Drift *drift.Report `json:"drift"`
}

// FreshnessStep is the time that one Freshness is about, FreshnessSteps how many of them are remembered: six hours.
const (
	FreshnessStep  = 5 * time.Minute
	FreshnessSteps = 72
)

// Freshness is how old the newest data was, at the worst, in a FreshnessStep.
type Freshness struct {
	At    time.Time      `json:"at"` // their beginning
	Worst poller.Seconds `json:"worst"`
}

// Outage is a time in which nothing can be committed.
type Outage struct {
	Since    time.Time `json:"since"`
	Category string    `json:"category"`
	Error    string    `json:"error"` // and the remedy, if it is known
	Attempts int       `json:"attempts"`
}

// Lease says who works on an account.
type Lease struct {
	Group   string `json:"group"`   // the consumer group
	Name    string `json:"name"`    // of this process
	Held    bool   `json:"held"`    // by this process
	Holder  string `json:"holder"`  // name of the active replica; "" while it is unknown
	Standby string `json:"standby"` // name of the replica that takes over; "" if there is none
	// Resigned is how often in a row this process gave the account up because it could not do the work.
	Resigned int `json:"resigned,omitempty"`
	// Trouble is why this process could not take part in the last rebalance; omitted if it did.
	Trouble string `json:"trouble,omitempty"`
}

// Budget is the request budget as it stands.
type Budget struct {
	PerMinute      int        `json:"perMinute"`
	Requests       uint64     `json:"requests"`
	Throttled      uint64     `json:"throttled"` // answers with status 429
	Login          string     `json:"login"`
	ThrottledUntil *time.Time `json:"throttledUntil"` // null if the service does not throttle
}

// Memory is what a standby knows of the account.
type Memory struct {
	Sequence        int64     `json:"sequence"` // of the last commit seen
	CompleteThrough time.Time `json:"completeThrough"`
	Remembered      int       `json:"remembered"`
}
