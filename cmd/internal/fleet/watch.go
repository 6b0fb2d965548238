package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/config"
)

// reloadEvery is how often the accounts' files are read again.
const reloadEvery = 5 * time.Second

// watch reads the accounts' files again and again until the context ends: accounts that are new are started, those whose settings have
// changed are restarted, those without a file are removed. The others are not affected.
func (f *Fleet) watch(ctx context.Context) {
	if f.Reload == nil {
		<-ctx.Done()
		return
	}
	for {
		if wait(ctx, reloadEvery); ctx.Err() != nil {
			return
		}
		f.logGroup()
		files, err := f.Reload()
		if f.logReload(err); err == nil {
			f.apply(ctx, files)
		}
	}
}

// logGroup logs when this process has been out of the group for LEASE_TIMEOUT, and when it is back.
func (f *Fleet) logGroup() {
	if f.member == nil {
		return
	}
	trouble := f.member.Status().Trouble
	switch {
	case trouble == nil && f.outOfGroup.IsZero():
	case trouble == nil:
		if time.Since(f.outOfGroup) > f.Process.LeaseTimeout {
			f.Log.Info().Dur("after", time.Since(f.outOfGroup)).Msg("the replica is in the consumer group again")
		}
		f.outOfGroup, f.groupLogged = time.Time{}, false
	case f.outOfGroup.IsZero():
		f.outOfGroup = time.Now()
	case !f.groupLogged && time.Since(f.outOfGroup) > f.Process.LeaseTimeout:
		f.groupLogged = true
		f.Log.Warn().Str("group", f.member.Group).Err(trouble).Msg("the replica is not in the consumer group; retrying")
	}
}

// logReload stores the error of a Reload, and logs it if it has changed.
func (f *Fleet) logReload(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.mu.Lock()
	news := f.reloadError != text
	f.reloadError = text
	f.mu.Unlock()
	switch {
	case !news:
	case err != nil:
		f.Log.Error().Err(err).Msg("the accounts' files cannot be read again; the known ones stay in use")
	default:
		f.Log.Info().Msg("the accounts' files can be read again")
	}
}

// apply starts, restarts and removes accounts, so that they are those of the files.
func (f *Fleet) apply(ctx context.Context, files []config.AccountFile) {
	said := map[string]bool{}  // ids of accounts that have a file
	wrong := map[string]bool{} // names of files that are refused
	for _, file := range files {
		a := f.accountOf(file)
		if a != nil {
			said[a.id] = true
		}
		switch {
		case file.Err != nil && a == nil:
			wrong[file.Name] = true
			f.refuse(file.Name, file.Err)
		case file.Err != nil:
			f.keep(a, file)
		case a == nil:
			if err := f.add(ctx, file); err != nil {
				wrong[file.Name] = true
				f.refuse(file.Name, err)
			}
		case a.fileName() != file.Name && slices.ContainsFunc(files, func(other config.AccountFile) bool { return other.Name == a.fileName() }):
			wrong[file.Name] = true
			f.refuse(file.Name, fmt.Errorf("SMARTASSIST_ACCOUNT_ID: %s is also in %s.env, which is in use; expected one file for an account", a.id, a.fileName()))
		case a.file.Digest != file.Digest:
			f.restart(ctx, a, file)
		default:
			f.accept(a, file)
		}
		if file.Config != nil {
			said[file.Config.AccountID] = true
		}
	}
	for _, a := range f.list() {
		if !said[a.id] {
			f.remove(a)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.refused, func(name, _ string) bool { return !wrong[name] })
}

// noteRefused sets why a file's account is not worked on, and reports whether that text has changed.
func (f *Fleet) noteRefused(file string, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := f.refused[file] != err.Error()
	f.refused[file] = err.Error()
	return news
}

// wrong returns the files that are not used as they are now.
func (f *Fleet) wrong() (list []admin.WrongFile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reloadError != "" {
		list = append(list, admin.WrongFile{Error: f.reloadError})
	}
	for _, name := range slices.Sorted(maps.Keys(f.refused)) {
		list = append(list, admin.WrongFile{File: name, Error: f.refused[name]})
	}
	for _, a := range f.sorted() {
		if err := a.settingsError(); err != nil {
			list = append(list, admin.WrongFile{File: a.fileName(), Error: err.Error()})
		}
	}
	return list
}

// accountOf returns the account of a file, nil for a new one. A file that is wrong is known by its name only.
func (f *Fleet) accountOf(file config.AccountFile) *account {
	for _, a := range f.list() {
		if file.Config != nil && a.id == file.Config.AccountID || file.Config == nil && a.fileName() == file.Name {
			return a
		}
	}
	return nil
}

// refuse does not use a file.
func (f *Fleet) refuse(name string, err error) {
	if f.noteRefused(name, err) {
		f.Log.Error().Str("file", name).Err(err).Msg("the file is wrong; its account is not worked on")
	}
}

// keep keeps the last good settings of an account.
func (f *Fleet) keep(a *account, file config.AccountFile) {
	if a.setSettings(file.Err) {
		f.Log.Error().Str("account", a.id).Str("file", file.Name).Err(file.Err).Msg("the file has become wrong; the account keeps its last good settings")
	}
}

// accept clears the error of a file whose settings are in use, and notes its name.
func (f *Fleet) accept(a *account, file config.AccountFile) {
	a.rename(file.Name)
	if a.setSettings(nil) {
		f.Log.Info().Str("account", a.id).Str("file", file.Name).Msg("the file is right again")
	}
}

func (f *Fleet) add(ctx context.Context, file config.AccountFile) error {
	a, err := f.newAccount(file)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.accounts[a.id] = a
	f.mu.Unlock()
	f.start(ctx, a)
	f.Log.Info().Str("account", a.id).Str("file", file.Name).Msg("account added")
	return nil
}

// finish stops the account and waits for its drain.
func (f *Fleet) finish(a *account) {
	a.stop()
	if err := a.wait(); err != nil {
		f.Log.Warn().Str("account", a.id).Err(err).Msg("the drain of the account was cut off")
	}
}

// restart restarts the account with new settings. It keeps the lease, so that the account stays on this replica.
func (f *Fleet) restart(ctx context.Context, a *account, file config.AccountFile) {
	f.finish(a)
	next, err := f.newAccount(file)
	if err != nil { // not expected: the settings were checked when the file was read
		f.Log.Error().Str("account", a.id).Err(err).Msg("the account cannot be started with its new settings")
		a.setEnded(err)
		return
	}
	f.mu.Lock()
	f.accounts[a.id] = next
	f.mu.Unlock()
	f.start(ctx, next)
	f.Log.Info().Str("account", a.id).Str("file", file.Name).Msg("account restarted with new settings")
}

func (f *Fleet) remove(a *account) {
	f.finish(a)
	f.withdraw(a)
	f.mu.Lock()
	delete(f.accounts, a.id)
	f.mu.Unlock()
	f.Log.Info().Str("account", a.id).Msg("account removed, its file is gone")
}
