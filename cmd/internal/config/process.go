package config

import (
	"errors"
	"slices"
)

// LoadProcess reads, decodes and validates the settings of the process, whichever accounts it works on. lookup and environ
// are as for Load. The error is an *Error that names every wrong one of them.
func LoadProcess(lookup func(name string) (string, bool), environ []string) (*Process, error) {
	p, wrong, err := loadProcess(lookup, environ)
	if err == nil {
		err = wrong.err()
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// LoadAll reads the settings of the process and of all its accounts, at its start. The error is one *Error that names every
// wrong setting of the environment and of every file. There is at least one account, and none has an Err.
func LoadAll(lookup func(name string) (string, bool), environ []string) (*Process, []AccountFile, error) {
	p, wrong, err := loadProcess(lookup, environ)
	if err != nil {
		return nil, nil, err
	}
	accounts, err := p.Accounts(lookup, environ)
	if err == nil && len(accounts) == 0 {
		err = folderError("%s holds no file NAME%s; expected one for each account", quote(p.AccountsDir), suffix)
	}
	errs := []error{err}
	for _, a := range accounts {
		errs = append(errs, a.Err)
	}
	for _, err := range errs {
		if err := wrong.include(err); err != nil {
			return nil, nil, err
		}
	}
	if err := wrong.err(); err != nil {
		return nil, nil, err
	}
	return p, accounts, nil
}

func loadProcess(lookup func(string) (string, bool), environ []string) (*Process, *problems, error) {
	p, wrong, env := &Process{}, &problems{}, trimmed(lookup)
	if err := examine(wrong, p.settings(), env, everything); err != nil {
		return nil, nil, err
	}
	p.Registry.checkRegister(wrong)
	_, one := env.Lookup("SMARTASSIST_ACCOUNT_ID")
	wrong.require(!one || p.AccountsDir == "", "SMARTASSIST_ACCOUNT_ID", "is set, and so is ACCOUNTS_DIR; expected it in each file of that folder")
	refuseMisspelt(wrong, environ, func(g group) bool { return g != ofAccount })
	return p, wrong, nil
}

// include adds the problems of an *Error that are not there yet. It returns any other error.
func (p *problems) include(err error) error {
	wrong, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	for _, f := range wrong.Problems {
		if !slices.Contains(p.found, f) {
			p.found = append(p.found, f)
		}
	}
	return nil
}
