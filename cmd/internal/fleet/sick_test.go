package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/producer"
)

// sickCompany is two replicas and two accounts; the first replica works on both before the second comes.
func sickCompany(t *testing.T, test func(c *company, first *member)) {
	inCompany(t, 2, simulator.Config{Seed: 1, History: 30 * time.Minute, PerMinute: 1}, func(c *company) {
		first := c.start()
		c.spread(time.Minute, first)
		test(c, first)
	})
}

// takenOver waits until the replica works on the account, and returns how long that took.
func (c *company) takenOver(by *member, account string, most time.Duration) time.Duration {
	c.t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Second) {
		for _, id := range by.works() {
			if id == account {
				return time.Since(begun)
			}
		}
		if time.Since(begun) > most {
			c.t.Fatalf("%s does not work on %s after %v\n%s", by.Name, account, most, c.log.tail())
		}
	}
}

// misreads has replicas that are started from now on read another token for the account.
func (c *company) misreads(account string) {
	c.reads = func(f *config.AccountFile) {
		if f.Name == account {
			env := c.env(c.tenantOf(account))
			env["SMARTASSIST_JWT"] = "an.old.token"
			f.Config, f.Digest = c.load(env), "old"
		}
	}
}

// TestALoginThatFailsHere: a replica whose login the service refuses gives the account up to one whose login is good, within
// minutes, and keeps the others.
func TestALoginThatFailsHere(t *testing.T) {
	long(t)
	t.Parallel()
	inCompany(t, 1, simulator.Config{Seed: 1, History: 30 * time.Minute, PerMinute: 1}, func(c *company) {
		account := c.tenants[0].id
		c.misreads(account)
		sick := c.start()
		time.Sleep(time.Minute)
		c.reads = nil
		well := c.start()
		took := c.takenOver(well, account, 10*time.Minute)
		t.Logf("the account was worked on after %v", took)
		time.Sleep(30 * time.Minute)
		if n := c.log.count("giving the account up"); n != 1 {
			t.Errorf("it was given up %d times", n)
		}
		c.takenOver(well, account, 0)
		c.stopAll(sick, well)
		c.verify()
	})
}

// TestALoginThatFailsEverywhere: replicas of which none can log in do not pass the account around.
func TestALoginThatFailsEverywhere(t *testing.T) {
	long(t)
	t.Parallel()
	inCompany(t, 1, simulator.Config{Seed: 1, History: 30 * time.Minute, PerMinute: 1}, func(c *company) {
		c.misreads(c.tenants[0].id)
		a, b := c.start(), c.start()
		time.Sleep(4 * time.Hour)
		if n := c.log.count("giving the account up"); n < 3 || n > 10 {
			t.Errorf("in four hours it was given up %d times\n%s", n, c.log.tail())
		}
		if n := c.log.count("kafka: trying again"); n > 0 {
			t.Errorf("%d lines tell of a trouble with Kafka that there is not", n)
		}
		c.stopAll(a, b)
	})
}

// TestCommitsThatFailHere: a replica that cannot commit gives the account up to one that can.
func TestCommitsThatFailHere(t *testing.T) {
	long(t)
	t.Parallel()
	sickCompany(t, func(c *company, sick *member) {
		well := c.start()
		c.spread(time.Minute, sick, well)
		account := sick.works()[0]
		lease := sick.accounts[account].lease
		c.cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.cluster.KeepControl()
			req := r.(*kmsg.ProduceRequest)
			if req.TransactionID == nil || !strings.HasSuffix(*req.TransactionID, account) || !lease.Status().Held {
				return nil, nil, false
			}
			return nil, errors.New("the broker breaks the connection off"), true
		})
		took := c.takenOver(well, account, 5*time.Minute)
		t.Logf("the account was worked on by the other after %v", took)
		if took < 2*time.Minute || took > 4*time.Minute {
			t.Errorf("taken over after %v", took)
		}
		time.Sleep(30 * time.Minute)
		if n := c.log.count("giving the account up"); n != 1 {
			t.Errorf("it was given up %d times\n%s", n, c.log.tail())
		}
		c.stopAll(sick, well)
		c.verify()
	})
}

// TestAnAccountThatEnds: an account whose state is lost ends alone, is told of, and begins again when that was mended.
func TestAnAccountThatEnds(t *testing.T) {
	t.Parallel()
	sickCompany(t, func(c *company, m *member) {
		time.Sleep(10 * time.Minute)
		c.stopAll(m)
		lost, other := c.tenants[0].id, c.tenants[1].id
		if partitionOf(lost) == partitionOf(other) {
			t.Fatal("both accounts lie in one partition: this says nothing")
		}
		if err := c.cluster.DeleteRecords("conversations.state", int32(partitionOf(lost)), -1); err != nil {
			t.Fatal(err)
		}
		m = c.start()
		time.Sleep(10 * time.Minute)
		c.takenOver(m, other, 0)
		for _, a := range m.Status(context.Background()).Accounts {
			if ended := a.Account == lost; strings.Contains(a.Ended, "state is lost") != ended {
				t.Errorf("%s: ended %q", a.Account, a.Ended)
			}
		}
		if err := m.Readiness(context.Background()); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if n := c.log.count("the account has ended on this replica"); n < 1 || n > 3 {
			t.Errorf("%d lines tell of it", n)
		}
		c.change(func() { c.tenants[0].digest++; c.tenants[0].env["STATE_LOST"] = "resume" })
		c.takenOver(m, lost, time.Minute)
		time.Sleep(30 * time.Minute)
		c.stopAll(m)
		c.verify()
	})
}

// TestStatusOfMany: what a process of several accounts says on its admin port.
func TestStatusOfMany(t *testing.T) {
	t.Parallel()
	sickCompany(t, func(c *company, m *member) {
		handler := m.Port().Handler()
		for path, texts := range map[string][]string{
			"/status":  {`"accounts": [`, `"account": "account-00"`, `"account": "account-01"`, `"group": {`, `"joined": true`, `"file": "account-01"`},
			"/metrics": {"convstream_accounts 2", "convstream_group_joined 1", `convstream_active{account="account-00"} 1`, `convstream_active{account="account-01"} 1`},
			"/":        {`href="#account-01"`, "account account-00: active"},
		} {
			body := ask(handler, http.MethodGet, path, "")
			for _, text := range texts {
				if !strings.Contains(body, text) {
					t.Errorf("%s lacks %q:\n%s", path, text, body)
				}
			}
		}
		for query, want := range map[string]string{"": "there are 2 accounts: name one", "?account=nobody": "is not an account of this process", "?account=account-01": `"done":true`} {
			if body := ask(handler, http.MethodPost, "/dead-letters/replay"+query, `{"all":true}`); !strings.Contains(body, want) {
				t.Errorf("replay%s: %s, want %q", query, body, want)
			}
		}
		c.stopAll(m)
	})
}

// TestAWrongFile is told of in /status, the metric and one line of the log, until it is right or gone; an account whose file became wrong
// goes on.
func TestAWrongFile(t *testing.T) {
	long(t)
	t.Parallel()
	sickCompany(t, func(c *company, m *member) {
		broken := &tenant{id: "broken", wrong: errWrongFile}
		known := c.tenants[1]
		told := func(want ...string) {
			t.Helper()
			time.Sleep(10 * time.Second)
			var files []string
			for _, w := range m.Status(context.Background()).Wrong {
				files = append(files, w.File)
			}
			metric := ask(m.Port().Handler(), http.MethodGet, "/metrics", "")
			if !slices.Equal(files, want) || !strings.Contains(metric, fmt.Sprintf("\nconvstream_account_files_wrong %d\n", len(want))) {
				t.Errorf("/status says %v, want %v", files, want)
			}
		}
		told()
		c.change(func() { c.files = append(c.files, broken); known.wrong = errWrongFile })
		told("broken", known.id)
		time.Sleep(time.Minute)
		c.takenOver(m, known.id, 0)
		for _, text := range []string{"the file is wrong", "the file has become wrong"} {
			if n := c.log.count(text); n != 1 {
				t.Errorf("%d lines say %q", n, text)
			}
		}
		c.change(func() { c.files = slices.Clone(c.tenants); known.wrong = nil })
		told()
		c.stopAll(m)
		c.verify()
	})
}

// TestFilesThatAreRenamedAndCopied: an account stays with its last good settings whatever its file is called, and a copy of its file, even
// one that comes first by name, does not take it over.
func TestFilesThatAreRenamedAndCopied(t *testing.T) {
	long(t)
	t.Parallel()
	sickCompany(t, func(c *company, m *member) {
		one := c.tenants[0]
		files := func(change func(files []config.AccountFile) []config.AccountFile) {
			c.change(func() { c.folder = change })
			time.Sleep(10 * time.Second)
		}
		files(func(files []config.AccountFile) []config.AccountFile { files[0].Name = "renamed"; return files })
		files(func(files []config.AccountFile) []config.AccountFile {
			files[0] = config.AccountFile{Name: "renamed", Err: errWrongFile, Digest: "wrong"}
			return files
		})
		time.Sleep(time.Minute)
		c.takenOver(m, one.id, 0)
		if wrong := m.Status(context.Background()).Wrong; len(wrong) != 1 || wrong[0].File != "renamed" {
			t.Errorf("/status says %v", wrong)
		}
		files(func(files []config.AccountFile) []config.AccountFile {
			files[0].Name = "renamed"
			first := files[0]
			first.Name, first.Digest = "aaa", "another"
			second := config.AccountFile{Name: "renamed", Err: errors.New("the id is in aaa.env, too"), Digest: "twice"}
			return append([]config.AccountFile{first, second}, files[1:]...)
		})
		if wrong := m.Status(context.Background()).Wrong; len(wrong) != 2 {
			t.Errorf("/status says %v", wrong)
		}
		if n := c.log.count("restarted with new settings"); n > 0 {
			t.Error("a copy of its file took the account over")
		}
		time.Sleep(time.Minute)
		files(nil)
		if wrong := m.Status(context.Background()).Wrong; len(wrong) != 0 {
			t.Errorf("/status says %v", wrong)
		}
		for _, text := range []string{"the file is wrong", "the file has become wrong"} {
			if n := c.log.count(text); n < 1 || n > 2 {
				t.Errorf("%d lines say %q", n, text)
			}
		}
		c.stopAll(m)
		c.verify()
	})
}

// TestWithoutALease two processes cannot work on the same accounts: the one that is fenced ends, and does not fence the other in return.
func TestWithoutALease(t *testing.T) {
	long(t)
	t.Parallel()
	inCompany(t, 2, simulator.Config{Seed: 1, History: 30 * time.Minute, PerMinute: 1}, func(c *company) {
		c.settings["LEASE"] = "off"
		first := c.start()
		time.Sleep(5 * time.Minute)
		second := c.start()
		time.Sleep(20 * time.Minute)
		if err := first.stop(); !errors.Is(err, producer.ErrFenced) {
			t.Errorf("the first ended with %v", err)
		}
		if n := len(second.works()); n != 2 {
			t.Errorf("the second works on %d accounts", n)
		}
		c.stopAll(second)
	})
}
