package config

import (
	"net"
	"time"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Running says how the process runs: who of several works, what becomes of lost state, the admin port, the log.
type Running struct {
	RecordTimestamp RecordTimestamp

	Lease        bool          // elect one active worker among those of the account
	LeaseTimeout time.Duration // after which a silent worker loses the lease

	AccountsDir     string // folder of one file for each account; "" for one account, which the environment tells
	StateLost       StateLost
	AdminAddr       string        // host:port to listen on; the host may be empty
	AdminToken      secret.Secret // not set: POST from loopback only
	AdminProtect    AdminProtect
	ShutdownTimeout time.Duration
	LogLevel        string // trace, debug, info, warn or error
	LogFormat       LogFormat
}

func (r *Running) settings() []*setting {
	token := tokenOf("ADMIN_TOKEN", &r.AdminToken)
	return []*setting{
		{name: "ACCOUNTS_DIR", value: plain(&r.AccountsDir),
			doc: "folder of one file `NAME.env` for each account, see [many accounts](#many-accounts); then `SMARTASSIST_ACCOUNT_ID` is not set"},
		{name: "RECORD_TIMESTAMP", preset: "publish", value: choice(&r.RecordTimestamp, AtPublish, AtStart),
			doc: "Kafka record time: `publish`, or `start` (the conversation's start, where it is not in the future and within half the topic's retention)"},
		{name: "LEASE", preset: "on", value: of(&r.Lease, onOff),
			doc: "`on`: one active worker for the account, others stand by; `off`: no consumer group is used, and a worker that another one fences exits 1"},
		{name: "LEASE_TIMEOUT", preset: "10s", value: between(&r.LeaseTimeout, duration, time.Second, 5*time.Minute),
			doc: "after how long without a sign of life a standby takes over; 1s to 5m, and what the brokers allow (6s to 30m unless changed)"},
		{name: "STATE_LOST", preset: "stop", value: choice(&r.StateLost, StopWhenLost, ResumeWhenLost, RestartWhenLost),
			doc: "when the state is missing, incomplete, or older than the progress topic says: `stop` (exit 1), `resume` (at the last completeThrough; what lies before is not read again) or `restart` (at `START_FROM`, as a first start); both remember what the topics still hold"},
		{name: "ADMIN_ADDR", group: ofAdmin, preset: ":8080", value: plain(&r.AdminAddr), check: r.checkAdminAddr,
			doc: "`host:port` of the admin port: `/metrics`, `/healthz`, `/readyz`, `/status`, and what commands ask for: `POST /dead-letters/replay`, `POST /audits`"},
		{name: "ADMIN_TOKEN", group: ofAdmin, value: token.direct(),
			doc: "bearer token with which the admin port takes POST from elsewhere than loopback; unset: from loopback only"},
		{name: "ADMIN_TOKEN_FILE", group: ofAdmin, value: token.path(),
			doc: "a file that holds that token instead; read again when it changes"},
		{name: "ADMIN_PROTECT", group: ofAdmin, preset: "post", value: choice(&r.AdminProtect, ProtectPost, ProtectAll), check: r.checkProtect,
			doc: "what the admin port asks the token for, of those who are not on loopback: `post`, or `all`: reading as well; `/healthz` and `/readyz` answer probes without it, but not why"},
		{name: "SHUTDOWN_TIMEOUT", preset: "20s", value: between(&r.ShutdownTimeout, duration, time.Second, time.Hour),
			doc: "how long a drain may take after SIGTERM"},
		{name: "LOG_LEVEL", preset: "info", value: choice(&r.LogLevel, "trace", "debug", "info", "warn", "error"),
			doc: "`trace`, `debug`, `info`, `warn` or `error`"},
		{name: "LOG_FORMAT", preset: "auto", value: choice(&r.LogFormat, LogAuto, LogJSON, LogConsole),
			doc: "`json`, `console`, or `auto`: console on a terminal, else json"},
	}
}

// RecordTimestamp says which instant becomes the time of a Kafka record.
type RecordTimestamp string

// AtPublish is the instant of publishing; AtStart the start of the conversation, where Kafka would keep such a record.
const (
	AtPublish RecordTimestamp = "publish"
	AtStart   RecordTimestamp = "start"
)

// AdminProtect says for what the admin port asks for its token.
type AdminProtect string

// ProtectPost asks for it where something is changed; ProtectAll for reading as well.
const (
	ProtectPost AdminProtect = "post"
	ProtectAll  AdminProtect = "all"
)

// StateLost says what to do when the state is missing, incomplete, or older than the progress topic says.
type StateLost string

// StopWhenLost ends the worker; ResumeWhenLost goes on at the last completeThrough; RestartWhenLost begins as a first
// start does. The last two remember what the topics still hold.
const (
	StopWhenLost    StateLost = "stop"
	ResumeWhenLost  StateLost = "resume"
	RestartWhenLost StateLost = "restart"
)

// LogFormat says how log lines look.
type LogFormat string

// LogAuto is LogConsole on a terminal and LogJSON elsewhere.
const (
	LogAuto    LogFormat = "auto"
	LogJSON    LogFormat = "json"
	LogConsole LogFormat = "console"
)

func (r *Running) checkAdminAddr(p *problems) {
	_, port, err := net.SplitHostPort(r.AdminAddr)
	p.require(err == nil && (port == "0" || portOK(port, false)), "ADMIN_ADDR", "%s is not a host:port; expected one like :8080 or 127.0.0.1:8080", quote(r.AdminAddr))
}

func (r *Running) checkProtect(p *problems) {
	p.require(r.AdminProtect != ProtectAll || r.AdminToken.IsSet(), "ADMIN_PROTECT", "all asks for a token, and there is none; expected ADMIN_TOKEN (or ADMIN_TOKEN_FILE)")
}
