package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/producer/authority"
)

// rotation replaces something that workers show or trust, while they work.
type rotation struct {
	name    string
	turn    func(w *securedWorld)
	noticed bool // workers make their connections anew
}

// TestKafkaSecure takes workers through each login of a secured cluster: two replicas, one killed, all replaced as an update does,
// then every certificate and password changed while they work. Nothing may be lost or come twice, and no process may end.
func TestKafkaSecure(t *testing.T) {
	startKafka(t)
	seed, began := seedOf(t), time.Now()
	y := &tally{}
	t.Run("beside each other", func(t *testing.T) {
		for i, m := range []struct {
			name, listener string
			login          func(w *securedWorld)
			rotations      []rotation
		}{
			{"mTLS", mutualListener, (*securedWorld).showsCertificate, []rotation{clientCertificate, bothAuthorities, newAuthority, authorityOfClients}},
			{"SCRAM-SHA-256", scramListener, scramLogin, []rotation{scramPassword, userGone}},
			{"SCRAM-SHA-512", scramListener, scramLogin, []rotation{brokerCertificate, passwordTooEarly}},
			{"OAUTHBEARER", scramListener, (*securedWorld).getsTokens, []rotation{signingKey, clientSecret}},
		} {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				w := newSecuredWorld(t, m.name, m.listener, seed+uint64(i))
				m.login(w)
				w.play(y, m.rotations...)
			})
		}
	})
	t.Run("PLAIN", func(t *testing.T) { // not beside the others: its password is changed by restarting the brokers
		w := newSecuredWorld(t, "PLAIN", plainListener, seed+10)
		w.logsIn("PLAIN", plainUser)
		w.play(y, bothAuthorities, newAuthority, plainPassword)
	})
	t.Logf("SUMMARY seed %d: mTLS, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; %d revisions in %d commits: lost %d, twice %d; in %v",
		seed, y.revisions, y.commits, y.lost, y.twice, time.Since(began).Round(time.Second))
}

// play is one login's story.
func (w *securedWorld) play(y *tally, rotations ...rotation) {
	w.t.Helper()
	w.allowed()
	active, standby := w.changeOver(w.pair())
	for _, r := range rotations {
		began := time.Now()
		w.rotate(r, active, standby)
		w.t.Logf("%s: committed twice with the new one after %v", r.name, time.Since(began).Round(time.Second))
	}
	y.judge(w.realWorld, active)
	standby.Drain()
}

const (
	saidAnew    = "changed; connections are made anew"
	saidRefused = "changed and does not work; connections stay"
)

// rotate waits until both workers have noticed, where they are to, and commits go on.
func (w *securedWorld) rotate(r rotation, workers ...*realWorker) {
	w.t.Helper()
	before := w.said(saidAnew, workers...)
	r.turn(w)
	if r.noticed {
		w.awaitSaid(saidAnew, before, workers...)
	}
	w.AwaitCommits(2)
}

// said is how often each worker has said it, or begun a session: that reads everything anew, and where brokers take long to come back it
// may be there first.
func (w *securedWorld) said(text string, workers ...*realWorker) (times []int) {
	for _, p := range workers {
		n := 0
		for _, line := range []string{text, `"message":"standing by"`, `"message":"state recovered"`} {
			n += strings.Count(p.stderr.String(), line)
		}
		times = append(times, n)
	}
	return times
}

// awaitSaid waits until each worker has said it more often than that.
func (w *securedWorld) awaitSaid(text string, before []int, workers ...*realWorker) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < 2*patient; time.Sleep(50 * time.Millisecond) {
		now := w.said(text, workers...)
		if more(now, before) {
			return
		}
	}
	w.t.Fatalf("not all of the workers said %q within %v", text, 2*patient)
}

func more(now, before []int) bool {
	for i := range now {
		if now[i] <= before[i] {
			return false
		}
	}
	return true
}

func scramLogin(w *securedWorld) {
	w.t.Helper()
	_, mechanism, _ := strings.Cut(w.t.Name(), "SCRAM")
	w.scramUser("SCRAM" + mechanism)
}

var (
	clientCertificate = rotation{"the client's certificate", func(w *securedWorld) { w.t.Helper(); w.certified(w.keys.ca) }, true}
	brokerCertificate = rotation{"the brokers' certificate", func(w *securedWorld) {
		w.t.Helper()
		w.must(w.keys.renew())
		w.brokersUse(w.keys.ca.PEM)
	}, false}
	// bothAuthorities is the first step to another authority: both sides trust it, and the brokers' certificate is of it.
	bothAuthorities = rotation{"the brokers' authority, both trusted", func(w *securedWorld) {
		w.t.Helper()
		old := w.keys.ca
		ca, err := authority.New("the second authority")
		w.must(err)
		w.mount.put(map[string][]byte{caFile: slices.Concat(old.PEM, ca.PEM)})
		w.keys.ca = ca
		w.must(w.keys.renew())
		w.brokersUse(old.PEM, ca.PEM)
	}, true}
	newAuthority = rotation{"the brokers' authority, the new one alone", func(w *securedWorld) {
		w.t.Helper()
		w.mount.put(map[string][]byte{caFile: w.keys.ca.PEM})
	}, true}
	// authorityOfClients goes on from these: the client's certificate is of the new one, then brokers trust no other.
	authorityOfClients = rotation{"the client's authority", func(w *securedWorld) {
		w.t.Helper()
		w.certified(w.keys.ca)
		w.brokersUse(w.keys.ca.PEM)
	}, true}
	scramPassword = rotation{"the password", func(w *securedWorld) {
		w.t.Helper()
		w.do(func(ctx context.Context) error { return w.kafka.SetPassword(ctx, w.name(), "Palmenhaus 2") })
		w.mount.put(map[string][]byte{passwordFile: []byte("Palmenhaus 2")})
	}, true}
	// passwordTooEarly changes the file before the brokers know the new password: connections stay until they do.
	passwordTooEarly = rotation{"the password, file first", func(w *securedWorld) {
		w.t.Helper()
		w.mount.put(map[string][]byte{passwordFile: []byte("Palmenhaus 2")})
		w.awaitLine(saidRefused, fmt.Sprintf("refuses the login of user %q with SCRAM-SHA-512", w.name()))
		w.AwaitCommits(2)
		w.do(func(ctx context.Context) error { return w.kafka.SetPassword(ctx, w.name(), "Palmenhaus 2") })
	}, true}
	// userGone removes the user until its sessions have ended: nothing can be done then, and all goes on when it is back.
	userGone = rotation{"the user removed and made again", func(w *securedWorld) {
		w.t.Helper()
		w.do(func(ctx context.Context) error { return w.kafka.RemoveUser(ctx, w.name()) })
		w.awaitLine("trying again", fmt.Sprintf("refuses the login of user %q with SCRAM-SHA-256", w.name()))
		w.do(func(ctx context.Context) error { return w.kafka.SetPassword(ctx, w.name(), "Palmenhaus 2") })
	}, false}
	// signingKey and clientSecret wait until a token has come with the new one, and its predecessor has ended.
	signingKey = rotation{"the key that signs tokens", func(w *securedWorld) {
		w.t.Helper()
		w.must(kafka.issuer.renew())
		time.Sleep(tokenLife)
	}, false}
	clientSecret = rotation{"the client's secret", func(w *securedWorld) {
		w.t.Helper()
		kafka.issuer.knows(w.name(), "Palmenhaus 2")
		w.mount.put(map[string][]byte{passwordFile: []byte("Palmenhaus 2")})
		time.Sleep(tokenLife)
	}, false}
	plainPassword = rotation{"the password", func(w *securedWorld) {
		w.t.Helper()
		const second = "Palmenhaus 2"
		ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
		defer cancel()
		w.must(w.kafka.Reconfigure(ctx, func(c *kraft.Config) {
			i := slices.IndexFunc(c.Secured, func(l kraft.Listener) bool { return l.Name == plainListener })
			c.Secured[i].Settings["plain.sasl.jaas.config"] = plainUsers(second)
		}))
		w.awaitLine("", fmt.Sprintf("refuses the login of user %q with PLAIN", plainUser))
		w.mount.put(map[string][]byte{passwordFile: []byte(second)})
	}, true}
)

// awaitLine waits until one of the workers has written a line with both texts.
func (w *securedWorld) awaitLine(what, why string) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < 2*patient; time.Sleep(50 * time.Millisecond) {
		for _, p := range w.workers {
			for line := range strings.Lines(p.stderr.String()) {
				if strings.Contains(line, what) && strings.Contains(line, strings.ReplaceAll(why, `"`, `\"`)) {
					return
				}
			}
		}
	}
	w.t.Fatalf("no worker said %q because of %q", what, why)
}
