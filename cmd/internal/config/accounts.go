package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"
)

// AccountFile is what is said of one account: by a file of ACCOUNTS_DIR over the environment, or by the environment alone.
type AccountFile struct {
	Name   string  // of the file, without .env; "" for the account that the environment tells
	Config *Config // nil where Err is not
	Err    error   // an *Error that names every wrong setting, or says why the file cannot be read
	Digest string  // SHA-256 in hex of all that holds for the account, Err included: another one where any of it changed
}

// Accounts reads what is said of each account, sorted by Name: of every file of ACCOUNTS_DIR, which may be none; without
// ACCOUNTS_DIR, of the one that the environment tells. It may be called again, to see what changed. lookup and environ are
// as for Load. The error is about the folder; what is wrong with an account is its own Err. Of files with one account id,
// all but the first are wrong.
func (p *Process) Accounts(lookup func(name string) (string, bool), environ []string) ([]AccountFile, error) {
	env := trimmed(lookup)
	common, err := examineCommon(env, environ)
	if err != nil {
		return nil, err
	}
	drafts, err := p.drafts(env)
	if err != nil {
		return nil, err
	}
	refuseTwice(drafts)
	accounts := make([]AccountFile, len(drafts))
	for i, d := range drafts {
		d.attribute(env, common)
		accounts[i] = d.finish(p)
	}
	return accounts, nil
}

// draft is an account that is being read.
type draft struct {
	file
	account Account
	rows    []*setting // of account
}

// drafts reads every account and finds what is wrong with each for itself.
func (p *Process) drafts(env envconfig.Lookuper) ([]*draft, error) {
	files := []file{{values: map[string]string{}}}
	if p.AccountsDir != "" {
		var err error
		if files, err = readFolder(p.AccountsDir); err != nil {
			return nil, folderError("%s: %v; expected a folder of files NAME%s", quote(p.AccountsDir), err, suffix)
		}
	}
	drafts := make([]*draft, len(files))
	for i, f := range files {
		d := &draft{file: f}
		d.rows = d.account.settings()
		drafts[i] = d
		if f.values == nil {
			continue
		}
		if err := examine(&d.wrong, d.rows, d.over(env), everything); err != nil {
			return nil, err
		}
	}
	return drafts, nil
}

func folderError(format string, args ...any) error {
	p := &problems{}
	p.add("ACCOUNTS_DIR", format, args...)
	return p.err()
}

// over looks values up in the file first and then in the environment. The id of an account is never shared.
func (f file) over(env envconfig.Lookuper) envconfig.LookuperFunc {
	return func(name string) (string, bool) {
		if v, set := f.values[name]; set {
			v = strings.TrimSpace(v)
			return v, v != ""
		}
		if f.name != "" && name == "SMARTASSIST_ACCOUNT_ID" {
			return "", false
		}
		return env.Lookup(name)
	}
}

// common is what is wrong with the values that the environment sets for every account.
type common struct {
	values   []Problem // as they are where no file says otherwise
	misspelt []Problem
}

func examineCommon(env envconfig.Lookuper, environ []string) (common, error) {
	var values, misspelt problems
	err := examine(&values, (&Account{}).settings(), env, everything)
	refuseMisspelt(&misspelt, environ, func(g group) bool { return g == ofAccount })
	return common{values.found, misspelt.found}, err
}

// attribute says of every problem with a value where it stands. A value of the environment that is wrong by itself is the
// environment's problem, the same for all files; one that is wrong beside what the file sets is the file's.
func (d *draft) attribute(env envconfig.Lookuper, c common) {
	for i := range d.wrong.found {
		f := &d.wrong.found[i]
		_, ours := d.values[f.Name]
		_, set := d.over(env).Lookup(f.Name)
		inherited := set && !ours
		if d.name == "" || f.File != "" || inherited && slices.Contains(c.values, *f) {
			continue
		}
		f.File = d.name + suffix
		if inherited {
			f.Text += fmt.Sprintf(" (the environment sets it; %s= in the file unsets it)", f.Name)
		}
	}
	d.wrong.found = append(d.wrong.found, c.misspelt...)
}

// refuseTwice refuses an account id that an earlier file has, too. A file that is wrong in another way still holds its id:
// its account may be running with the settings it had before.
func refuseTwice(drafts []*draft) {
	first := map[string]string{}
	for _, d := range drafts {
		id := d.account.AccountID
		if !d.wrong.ok("SMARTASSIST_ACCOUNT_ID") || id == "" {
			continue
		}
		if other, twice := first[id]; twice {
			d.wrong.add("SMARTASSIST_ACCOUNT_ID", "%s is in %s, too; expected one file for an account", quote(id), other+suffix)
			continue
		}
		first[id] = d.name
	}
}

func (d *draft) finish(p *Process) AccountFile {
	a := AccountFile{Name: d.name, Err: d.wrong.err()}
	if a.Err == nil {
		a.Config = &Config{d.account, *p}
	}
	sum := sha256.New()
	for _, s := range d.rows {
		fmt.Fprintf(sum, "%s=%q\n", s.name, s.text)
	}
	fmt.Fprintln(sum, a.Err)
	a.Digest = hex.EncodeToString(sum.Sum(nil))
	return a
}
