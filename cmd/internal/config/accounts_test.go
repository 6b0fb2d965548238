package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder writes the files of accounts, pairs of name and text, and is where they are.
func folder(t interface {
	TempDir() string
	Fatal(...any)
}, files ...string) string {
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// many is the smallest environment of many accounts that is right, with the given changes to it.
func many(dir string, changes ...string) map[string]string {
	env := least(append([]string{"SMARTASSIST_ACCOUNT_ID", "", "SMARTASSIST_JWT", "", "ACCOUNTS_DIR", dir}, changes...)...)
	return env
}

const (
	eu = "SMARTASSIST_ACCOUNT_ID=eu-1\nSMARTASSIST_JWT=hush-eu\n"
	us = "SMARTASSIST_ACCOUNT_ID=us-1\nSMARTASSIST_JWT=hush-us\n"
)

// problemsOf are the problems, a line each.
func problemsOf(err error) []string {
	var lines []string
	if wrong, ok := errors.AsType[*Error](err); ok {
		for _, p := range wrong.Problems {
			lines = append(lines, p.Error())
		}
	} else if err != nil {
		lines = append(lines, "not an *Error: "+err.Error())
	}
	return lines
}

func TestAccountsOfFiles(t *testing.T) {
	dir := folder(t, "eu.env", eu+"SETTLE=5m\nSMARTASSIST_QUEUES=\n", "a-b.env", us, "a.env", "SMARTASSIST_ACCOUNT_ID=third\nSMARTASSIST_JWT=x",
		".hidden.env", "nonsense", ".env", "nonsense", "README", "nonsense", "old.env.bak", "nonsense")
	if err := os.Symlink(filepath.Join(dir, "eu.env"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	p, accounts, err := LoadAll(from(many(dir, "SETTLE", "3m", "SMARTASSIST_QUEUES", "q", "TOPIC_PREFIX", "x.")))
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Name, ID, JWT, Settle, Prefix string
		Queues                        []string
	}
	var got []seen
	for _, a := range accounts {
		c := a.Config
		got = append(got, seen{a.Name, c.AccountID, given(c.JWT, "SMARTASSIST_JWT"), c.Settle.String(), c.Topics().Prefix, c.Queues})
	}
	want := []seen{
		{"a", "third", "x", "3m0s", "x.", []string{"q"}},
		{"a-b", "us-1", "hush-us", "3m0s", "x.", []string{"q"}},
		{"eu", "eu-1", "hush-eu", "5m0s", "x.", nil},
	}
	if diff := cmp.Diff(want, got); diff != "" || p.AccountsDir != dir {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOneAccountIsTheSameWithOne: without ACCOUNTS_DIR, LoadAll is Load.
func TestOneAccountIsTheSameWithOne(t *testing.T) {
	for _, env := range []map[string]string{
		least(), least("SMARTASSIST_ACCOUNT_ID", ""), least("REREAD", "never", "KAFKA_BROKERS", "k", "KAFKA_BROKER", "x", "SMARTASSIST_URI", "x", "KAFKA_TLS", "on"),
	} {
		one, oneErr := Load(from(env))
		_, accounts, err := LoadAll(from(env))
		if diff := cmp.Diff(problemsOf(oneErr), problemsOf(err)); diff != "" {
			t.Errorf("(-Load +LoadAll):\n%s", diff)
		}
		if err == nil && (len(accounts) != 1 || accounts[0].Name != "" || accounts[0].Config.AccountID != one.AccountID || accounts[0].Config.Kafka.Brokers[0] != one.Kafka.Brokers[0]) {
			t.Errorf("%+v, want the account of the environment", accounts)
		}
	}
}

func TestWrongAccounts(t *testing.T) {
	unreadable := filepath.Join(t.TempDir(), "missing")
	large := "#" + strings.Repeat("x", largestFile)
	long := strings.Repeat("n", 101)
	for about, test := range map[string]struct {
		files  []string
		change []string
		want   []string
	}{
		"everything at once": {
			[]string{"eu.env", eu + "REREAD=1h\nKAFKA_BROKERS=k:1", "us.env", "SMARTASSIST_JWT='hush\nSETLE=1m"}, []string{"LOG_LEVEL", "loud", "SMARTASSIST_URI", "x", "KAFKA_BROKER", "x"},
			[]string{
				`LOG_LEVEL: "loud" is not known; expected trace, debug, info, warn, error`,
				"KAFKA_BROKER: unknown setting; did you mean KAFKA_BROKERS?",
				"SMARTASSIST_URI: unknown setting; did you mean SMARTASSIST_URL?",
				`eu.env: REREAD: "1h" is not age:cadence, like 1h:5m`,
				"eu.env: KAFKA_BROKERS: line 4: a setting of the process; set it in the environment",
				"us.env: SMARTASSIST_ACCOUNT_ID: required",
				"us.env: SMARTASSIST_JWT: line 1: unmatched '",
				"us.env: SETLE: line 2: unknown setting; did you mean SETTLE?",
			}},
		"a common value is wrong once": {[]string{"eu.env", eu, "us.env", us}, []string{"SETTLE", "soon"},
			[]string{`SETTLE: "soon" is not a duration; expected one like 30s, 5m or 24h (days in hours: 168h)`}},
		"nobody uses the common value": {[]string{"eu.env", eu + "SETTLE=1m"}, []string{"SETTLE", "soon"}, nil},
		"common and own do not fit": {[]string{"eu.env", eu + "SETTLE=3h", "us.env", us}, []string{"REREAD", "2h:1h"},
			[]string{"eu.env: REREAD: the largest age 2h0m0s is less than SETTLE 3h0m0s; nothing would be read again once settled (the environment sets it; REREAD= in the file unsets it)"}},
		"common login beside another": {[]string{"eu.env", "SMARTASSIST_ACCOUNT_ID=eu\nSMARTASSIST_CLIENT_ID=me\nSMARTASSIST_CLIENT_SECRET=hush"}, []string{"SMARTASSIST_JWT", "hush"},
			[]string{"eu.env: SMARTASSIST_JWT: there are two ways to log in; expected either a token, or SMARTASSIST_CLIENT_ID and SMARTASSIST_CLIENT_SECRET (the environment sets it; SMARTASSIST_JWT= in the file unsets it)"}},
		"common login, own that cannot be read": {[]string{"eu.env", "SMARTASSIST_ACCOUNT_ID=eu\nSMARTASSIST_JWT='hush"}, []string{"SMARTASSIST_JWT", "hush"}, []string{"eu.env: SMARTASSIST_JWT: line 2: unmatched '"}},
		"common login unset":                    {[]string{"eu.env", "SMARTASSIST_ACCOUNT_ID=eu\nSMARTASSIST_JWT=\nSMARTASSIST_CLIENT_ID=me\nSMARTASSIST_CLIENT_SECRET=hush"}, []string{"SMARTASSIST_JWT", "hush"}, nil},
		"id in the environment": {[]string{"eu.env", eu, "us.env", "SMARTASSIST_JWT=hush"}, []string{"SMARTASSIST_ACCOUNT_ID", "eu-1"},
			[]string{"SMARTASSIST_ACCOUNT_ID: is set, and so is ACCOUNTS_DIR; expected it in each file of that folder", "us.env: SMARTASSIST_ACCOUNT_ID: required"}},
		"id twice": {[]string{"b.env", eu, "a.env", eu + "SETTLE=x", "c.env", eu}, nil,
			[]string{
				`a.env: SETTLE: "x" is not a duration; expected one like 30s, 5m or 24h (days in hours: 168h)`,
				`b.env: SMARTASSIST_ACCOUNT_ID: "eu-1" is in a.env, too; expected one file for an account`,
				`c.env: SMARTASSIST_ACCOUNT_ID: "eu-1" is in a.env, too; expected one file for an account`,
			}},
		"too large":       {[]string{"eu.env", large}, nil, []string{"eu.env: larger than 1024 KiB"}},
		"name too long":   {[]string{long + ".env", eu}, nil, []string{`"` + long + `".env: expected a name of up to 100 printable characters`}},
		"strange name":    {[]string{"e\nu.env", eu}, nil, []string{`"e\nu".env: expected a name of up to 100 printable characters`}},
		"name of letters": {[]string{"Łódź 1.env", eu}, nil, nil},
		"no file":         {[]string{"eu.txt", eu}, nil, []string{`ACCOUNTS_DIR: "DIR" holds no file NAME.env; expected one for each account`}},
		"no folder":       {nil, []string{"ACCOUNTS_DIR", unreadable, "LOG_LEVEL", "loud"}, []string{"ACCOUNTS_DIR: " + quote(unreadable) + ": no such file or directory; expected a folder of files NAME.env", `LOG_LEVEL: "loud" is not known; expected trace, debug, info, warn, error`}},
	} {
		dir := folder(t, test.files...)
		_, _, err := LoadAll(from(many(dir, test.change...)))
		want := strings.ReplaceAll(strings.Join(test.want, "\n"), `"DIR"`, quote(dir))
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(strings.Join(problemsOf(err), "\n"), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", about, diff)
		}
	}
}

func TestFolderInTheFolder(t *testing.T) {
	dir := folder(t, "eu.env", eu)
	if err := os.Mkdir(filepath.Join(dir, "x.env"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("gone", filepath.Join(dir, "y.env")); err != nil {
		t.Fatal(err)
	}
	p, err := LoadProcess(from(many(dir)))
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := p.Accounts(from(many(dir)))
	if err != nil || len(accounts) != 3 || accounts[0].Err != nil || accounts[1].Config != nil {
		t.Fatalf("%+v, %v", accounts, err)
	}
	got := append(problemsOf(accounts[1].Err), problemsOf(accounts[2].Err)...)
	if diff := cmp.Diff([]string{"x.env: not a regular file", "y.env: no such file or directory"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLaterReading: files come, go, change, and become wrong without hurting others; the digest tells.
func TestLaterReading(t *testing.T) {
	dir := folder(t, "eu.env", eu, "us.env", us)
	env := many(dir, "SETTLE", "3m")
	p, accounts, err := LoadAll(from(env))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(accounts[0].Digest, "hush") || len(accounts[0].Digest) != 64 {
		t.Errorf("digest %q", accounts[0].Digest)
	}
	before := map[string]string{"eu": accounts[0].Digest, "us": accounts[1].Digest}
	for _, step := range []struct {
		about, file, text string
		names, changed    string // names of all accounts, and of those whose digest is another
		wrong             string // names of those with an Err
	}{
		{"the same", "eu.env", eu, "eu us", "", ""},
		{"comments and order", "eu.env", "# x\nSMARTASSIST_JWT=\"hush-eu\"\nSMARTASSIST_ACCOUNT_ID=eu-1", "eu us", "", ""},
		{"another token", "eu.env", eu[:len(eu)-1] + "2", "eu us", "eu", ""},
		{"what holds anyway", "eu.env", eu + "SETTLE=3m", "eu us", "", ""},
		{"wrong", "eu.env", eu + "SETTLE=x", "eu us", "eu", "eu"},
		{"not a file of settings", "eu.env", "\x00", "eu us", "eu", "eu"},
		{"id of the other", "us.env", eu, "eu us", "us", "us"},
		{"came", "xx.env", "SMARTASSIST_ACCOUNT_ID=xx\nSMARTASSIST_JWT=x", "eu us xx", "xx", ""},
		{"went", "us.env", "", "eu", "", ""},
		{"all went", "", "", "", "", ""},
	} {
		dir := folder(t, "eu.env", eu, "us.env", us)
		p.AccountsDir = dir
		switch {
		case step.file == "":
			p.AccountsDir = t.TempDir()
		case step.text == "":
			if err := os.Remove(filepath.Join(dir, step.file)); err != nil {
				t.Fatal(err)
			}
		default:
			if err := os.WriteFile(filepath.Join(dir, step.file), []byte(step.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		accounts, err := p.Accounts(from(env))
		if err != nil {
			t.Fatal(err)
		}
		var all, changed, wrong []string
		for _, a := range accounts {
			all = append(all, a.Name)
			if a.Digest != before[a.Name] {
				changed = append(changed, a.Name)
			}
			if a.Err != nil {
				wrong = append(wrong, a.Name)
			}
			if (a.Err == nil) != (a.Config != nil) {
				t.Errorf("%s: %s has %v and %v", step.about, a.Name, a.Err, a.Config)
			}
		}
		got := [3]string{strings.Join(all, " "), strings.Join(changed, " "), strings.Join(wrong, " ")}
		if want := [3]string{step.names, step.changed, step.wrong}; got != want {
			t.Errorf("%s: names, changed, wrong %q, want %q", step.about, got, want)
		}
	}
}

// TestOneAccountCommandsRefuseMany; those that work on no account do not mind.
func TestOneAccountCommandsRefuseMany(t *testing.T) {
	env := many(folder(t, "eu.env", eu), "ADMIN_TOKEN", "t")
	_, err := Load(from(env))
	if got := strings.Join(problemsOf(err), "\n"); !strings.Contains(got, "ACCOUNTS_DIR: many accounts are not supported here") {
		t.Errorf("Load: %s", got)
	}
	if _, err := LoadForReading(from(env)); err != nil {
		t.Errorf("LoadForReading: %v", err)
	}
	if _, err := LoadForAsking(from(env)); err != nil {
		t.Errorf("LoadForAsking: %v", err)
	}
}

func TestSettingsOfFiles(t *testing.T) {
	dir := folder(t, "eu.env", eu+"SMARTASSIST_QUEUES=\nSETTLE=soon\nKAFKA_SASL_PASSWORD=hush\nhush", "us.env", "\x00")
	lookup, _ := from(many(dir, "SMARTASSIST_QUEUES", "q"))
	files, err := SettingsOfFiles(lookup)
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		for j := range files[i].Settings {
			files[i].Settings[j].Doc, files[i].Settings[j].Default = "", ""
		}
	}
	want := []FileSettings{
		{File: "eu.env", AccountID: "eu-1", Settings: []Setting{
			{Name: "SMARTASSIST_ACCOUNT_ID", Value: "eu-1", Set: true}, {Name: "SMARTASSIST_JWT", Value: "[redacted]", Set: true},
			{Name: "SMARTASSIST_QUEUES"}, {Name: "SETTLE", Value: "soon", Set: true},
		}},
		{File: "us.env"},
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, env := range []map[string]string{least(), many(dir + "/missing")} {
		lookup, _ := from(env)
		if files, err := SettingsOfFiles(lookup); files != nil || err != nil {
			t.Errorf("%v, %v", files, err)
		}
	}
}

// TestFiltersAreTheAccounts: a file's filters hold for its account alone, over what the environment says for all.
func TestFiltersAreTheAccounts(t *testing.T) {
	env := many(folder(t, "eu.env", eu+"SMARTASSIST_BOTS=st-1,st-2\nSMARTASSIST_DIRECTION=inbound\n", "us.env", us))
	env["SMARTASSIST_BOTS"] = "st-9"
	_, accounts, err := LoadAll(from(env))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"[st-1 st-2] Inbound", "[st-9] "} {
		if got := fmt.Sprint(accounts[i].Config.Bots, " ", accounts[i].Config.Direction); got != want {
			t.Errorf("%s: %q, want %q", accounts[i].Name, got, want)
		}
	}
}
