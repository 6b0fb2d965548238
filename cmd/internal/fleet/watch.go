package fleet

import (
	"context"
	"time"

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
		files, err := f.Reload()
		if f.noteFolder(err); err == nil {
			f.apply(ctx, files)
		}
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
	said := map[string]bool{} // ids that a file speaks of
	for _, file := range files {
		a := f.of(file)
		switch {
		case a != nil && said[a.id]: // a file that was used before now names an account that another has
			continue
		case file.Err != nil:
			f.refuse(a, file)
		case a == nil:
			f.add(ctx, file)
		case a.file.Digest != file.Digest:
			f.restart(ctx, a, file)
		default:
			f.accept(a)
		}
		if a != nil {
			said[a.id] = true
		} else if file.Config != nil {
			said[file.Config.AccountID] = true
		}
	}
	for _, a := range f.list() {
		if !said[a.id] {
			f.remove(a)
		}
	}
}

// of returns the account that a file is about; nil for one that is not known yet. What is wrong in it may be the id.
func (f *Fleet) of(file config.AccountFile) *account {
	for _, a := range f.list() {
		if file.Config != nil && a.id == file.Config.AccountID || file.Config == nil && a.file.Name == file.Name {
			return a
		}
	}
	return nil
}

// refuse leaves an account with its last good settings.
func (f *Fleet) refuse(a *account, file config.AccountFile) {
	if a == nil {
		if f.metrics.refuse(file.Name, file.Err) {
			f.Log.Error().Str("file", file.Name).Err(file.Err).Msg("the file is wrong; its account is not worked on")
		}
		return
	}
	if a.setSettings(file.Err) {
		f.Log.Error().Str("account", a.id).Str("file", file.Name).Err(file.Err).Msg("the file has become wrong; the account keeps its last good settings")
	}
}

// accept notes that the account's file is as it is used.
func (f *Fleet) accept(a *account) {
	if a.setSettings(nil) {
		f.Log.Info().Str("account", a.id).Str("file", a.file.Name).Msg("the file is right again")
	}
}

func (f *Fleet) add(ctx context.Context, file config.AccountFile) {
	f.metrics.refuse(file.Name, nil)
	a, err := f.newAccount(file)
	if err != nil {
		f.withdraw(a)
		if f.metrics.refuse(file.Name, err) {
			f.Log.Error().Str("file", file.Name).Err(err).Msg("the account cannot be worked on")
		}
		return
	}
	f.mu.Lock()
	f.accounts[a.id] = a
	f.mu.Unlock()
	f.start(ctx, a, nil)
	f.Log.Info().Str("account", a.id).Str("file", file.Name).Msg("a new account")
}

// restart has the account worked on with new settings. It keeps its lease: this replica goes on with it.
func (f *Fleet) restart(ctx context.Context, a *account, file config.AccountFile) {
	a.stop()
	if err := a.wait(); err != nil {
		f.Log.Warn().Str("account", a.id).Err(err).Msg("the account could not finish what it had begun")
	}
	next, err := f.newAccount(file)
	if err != nil { // what can be wrong was looked for when the file was read
		f.Log.Error().Str("account", a.id).Err(err).Msg("the account cannot be worked on with its new settings")
		f.withdraw(a)
		return
	}
	f.mu.Lock()
	f.accounts[a.id] = next
	f.mu.Unlock()
	f.start(ctx, next, nil)
	f.Log.Info().Str("account", a.id).Str("file", file.Name).Msg("the account has new settings")
}

func (f *Fleet) remove(a *account) {
	a.stop()
	if err := a.wait(); err != nil {
		f.Log.Warn().Str("account", a.id).Err(err).Msg("the account could not finish what it had begun")
	}
	f.withdraw(a)
	f.mu.Lock()
	delete(f.accounts, a.id)
	f.mu.Unlock()
	f.Log.Info().Str("account", a.id).Msg("the account's file is gone; the account is not worked on any more")
}
