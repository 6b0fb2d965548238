package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

const (
	clientID = "cs-0a6f3f4e-demo"
	secret   = "demo-secret"
)

// tenant is one account: its own simulated service, and every page that left it.
type tenant struct {
	id      string
	file    string // of ACCOUNTS_DIR, where there are several accounts
	secret  string // with which it logs in, and no other
	service *simulator.Service
	journal verify.Journal
	through time.Time // how far it was complete when the live summary last looked
}

func (s *stage) openTenant(i int) (*tenant, error) {
	t := &tenant{id: fmt.Sprintf("65269fe0dd9c622245c1%04d", i), file: fmt.Sprintf("account-%02d.env", i+1), secret: secret}
	if i > 0 {
		t.secret = fmt.Sprint(secret, "-", i+1)
	}
	var err error
	t.service, err = simulator.New(s.world(i, t))
	return t, err
}

// world is the simulated service of an account: a busy one, whose rows appear and change within seconds rather than hours.
func (s *stage) world(i int, t *tenant) simulator.Config {
	c := simulator.Config{
		Seed: s.seed + uint64(i)<<20, AccountID: t.id, ClientID: clientID, ClientSecret: t.secret, History: s.history, PerMinute: s.perMinute,
		LateBy: settle - 2*time.Second, SurveyBy: 2 * time.Minute, RateLimit: 60, Observe: t.journal.Observe,
		Switches: simulator.Switches{TwinSessions: 0.01, VeryLate: 0.002},
	}
	c.Faults.Poison = 0.002
	if s.faults {
		c.Faults = simulator.Mixed(0.15)
		c.Faults.RetryAfter = time.Second
		delete(c.Faults.Rate, simulator.Hang)         // a minute of waiting shows nothing here
		delete(c.Faults.Rate, simulator.Unauthorized) // and neither does the minute's pause after it
	}
	return c
}

// services answers for every account under one address, as the real service does: the path says whose conversations are asked for.
type services []*tenant

// ServeHTTP implements http.Handler.
func (all services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, t := range all {
		if r.URL.Path == simulator.Path(t.id) {
			t.service.ServeHTTP(w, r)
			return
		}
	}
	all[0].service.ServeHTTP(w, r) // which refuses it
}

// settings are what is said of the account alone.
func (t *tenant) settings() map[string]string {
	return map[string]string{"SMARTASSIST_ACCOUNT_ID": t.id, "SMARTASSIST_CLIENT_ID": clientID, "SMARTASSIST_CLIENT_SECRET": t.secret}
}

// fill makes the folder of the accounts' files, which is removed when the stage is closed.
func (s *stage) fill() error {
	var err error
	if s.folder, err = os.MkdirTemp("", "convstream-demo-"); err != nil {
		return err
	}
	for _, t := range s.tenants {
		text := ""
		for _, name := range slices.Sorted(maps.Keys(t.settings())) {
			text += fmt.Sprintf("%s='%s'\n", name, t.settings()[name])
		}
		if err := os.WriteFile(filepath.Join(s.folder, t.file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
