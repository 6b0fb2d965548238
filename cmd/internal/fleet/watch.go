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

// readsAfter is how often the accounts' files are read again.
const readsAfter = 5 * time.Second

// watch reads the accounts' files again and again, until the context ends: those that are new are worked on, those that have
// changed are restarted with their new settings, those that are gone are given up. The others do not notice.
func (f *Fleet) watch(ctx context.Context) {
	if f.Reload == nil {
		<-ctx.Done()
		return
	}
	for {
		if wait(ctx, readsAfter); ctx.Err() != nil {
			return
		}
		f.noteGroup()
		files, err := f.Reload()
		if f.noteFolder(err); err == nil {
			f.apply(ctx, files)
		}
	}
}

// noteGroup logs when it changes whether this process can take part in the group.
func (f *Fleet) noteGroup() {
	if f.member == nil {
		return
	}
	trouble := f.member.Status().Trouble
	switch {
	case trouble == nil && f.outOfGroup.IsZero():
	case trouble == nil:
		if time.Since(f.outOfGroup) > f.Process.LeaseTimeout {
			f.Log.Info().Dur("after", time.Since(f.outOfGroup)).Msg("this process takes part in the group again")
		}
		f.outOfGroup, f.groupTold = time.Time{}, false
	case f.outOfGroup.IsZero():
		f.outOfGroup = time.Now()
	case !f.groupTold && time.Since(f.outOfGroup) > f.Process.LeaseTimeout:
		f.groupTold = true
		f.Log.Warn().Str("group", f.member.Group).Err(trouble).Msg("no part in the group that spreads the accounts; trying again until it can")
	}
}

// noteFolder logs when it changes whether the files can be read.
func (f *Fleet) noteFolder(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.mu.Lock()
	news := f.folder != text
	f.folder = text
	f.mu.Unlock()
	switch {
	case !news:
	case err != nil:
		f.Log.Error().Err(err).Msg("the accounts' files cannot be read again; going on with those that are known")
	default:
		f.Log.Info().Msg("the accounts' files can be read again")
	}
}

// apply makes the accounts what the files say.
func (f *Fleet) apply(ctx context.Context, files []config.AccountFile) {
	said := map[string]bool{}  // ids that a file speaks of
	wrong := map[string]bool{} // names of files that are refused, and whose account is not theirs
	for _, file := range files {
		a := f.of(file)
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
		case a.named() != file.Name && slices.ContainsFunc(files, func(other config.AccountFile) bool { return other.Name == a.named() }):
			wrong[file.Name] = true
			f.refuse(file.Name, fmt.Errorf("SMARTASSIST_ACCOUNT_ID: %s is in %s.env, too, which is in use; expected one file for an account", a.id, a.named()))
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

// noteRefused notes why a file's account is not worked on, and reports whether that is news.
func (f *Fleet) noteRefused(file string, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := f.refused[file] != err.Error()
	f.refused[file] = err.Error()
	return news
}

// wrong returns the files that are not used as they are.
func (f *Fleet) wrong() (list []admin.WrongFile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.folder != "" {
		list = append(list, admin.WrongFile{Error: f.folder})
	}
	for _, name := range slices.Sorted(maps.Keys(f.refused)) {
		list = append(list, admin.WrongFile{File: name, Error: f.refused[name]})
	}
	for _, a := range f.sorted() {
		if err := a.settingsTrouble(); err != nil {
			list = append(list, admin.WrongFile{File: a.named(), Error: err.Error()})
		}
	}
	return list
}

// of returns the account that a file is about; nil for one that is not known yet. Of a file that is wrong only the name tells.
func (f *Fleet) of(file config.AccountFile) *account {
	for _, a := range f.list() {
		if file.Config != nil && a.id == file.Config.AccountID || file.Config == nil && a.named() == file.Name {
			return a
		}
	}
	return nil
}

// refuse leaves a file aside.
func (f *Fleet) refuse(name string, err error) {
	if f.noteRefused(name, err) {
		f.Log.Error().Str("file", name).Err(err).Msg("the file is wrong; its account is not worked on")
	}
}

// keep leaves an account with its last good settings.
func (f *Fleet) keep(a *account, file config.AccountFile) {
	if a.setSettings(file.Err) {
		f.Log.Error().Str("account", a.id).Str("file", file.Name).Err(file.Err).Msg("the file has become wrong; the account keeps its last good settings")
	}
}

// accept notes that the account's file is as it is used.
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
	f.Log.Info().Str("account", a.id).Str("file", file.Name).Msg("a new account")
	return nil
}

// finish waits until the account has finished what it has begun.
func (f *Fleet) finish(a *account) {
	a.stop()
	if err := a.wait(); err != nil {
		f.Log.Warn().Str("account", a.id).Err(err).Msg("the account could not finish what it had begun")
	}
}

// restart has the account worked on with new settings. It keeps its lease: this replica goes on with it.
func (f *Fleet) restart(ctx context.Context, a *account, file config.AccountFile) {
	f.finish(a)
	next, err := f.newAccount(file)
	if err != nil { // what can be wrong was looked for when the file was read
		f.Log.Error().Str("account", a.id).Err(err).Msg("the account cannot be worked on with its new settings")
		a.setEnded(err)
		return
	}
	f.mu.Lock()
	f.accounts[a.id] = next
	f.mu.Unlock()
	f.start(ctx, next)
	f.Log.Info().Str("account", a.id).Str("file", file.Name).Msg("the account has new settings")
}

func (f *Fleet) remove(a *account) {
	f.finish(a)
	f.withdraw(a)
	f.mu.Lock()
	delete(f.accounts, a.id)
	f.mu.Unlock()
	f.Log.Info().Str("account", a.id).Msg("the account's file is gone; the account is not worked on any more")
}
