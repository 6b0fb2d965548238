package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// suffix is what the names of accounts' files end in. Others in the folder are not looked at: a mounted Secret has ..data.
const suffix = ".env"

// file is one of ACCOUNTS_DIR as it was read. One without a name stands for an account that the environment alone tells.
type file struct {
	name   string            // without its suffix
	values map[string]string // what it sets; "" unsets what the environment sets; nil where it cannot be read
	wrong  problems          // with the file itself or its lines
}

// readFolder reads the files of all accounts, sorted by name. The error is about the folder.
func readFolder(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, withoutPath(err)
	}
	var files []file
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), suffix)
		if !is || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if f, exists := readAccount(dir, name); exists {
			for i := range f.wrong.found {
				f.wrong.found[i].File = f.name + suffix
			}
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// readAccount reads one file; exists is false if it went away since the folder was read.
func readAccount(dir, name string) (f file, exists bool) {
	f = file{name: name}
	if !loggable(name) {
		f.name = strconv.QuoteToASCII(name)
		f.wrong.add("", "expected a name of up to 100 printable characters")
		return f, true
	}
	path := filepath.Join(dir, name+suffix)
	content, err := readable(path, largestFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return file{}, false
		}
	}
	if err != nil {
		f.wrong.add("", "%v", err)
		return f, true
	}
	f.values = parse(&f.wrong, content)
	return f, true
}

// loggable reports whether a name can stand in a log and a label as it is.
func loggable(name string) bool {
	return utf8.ValidString(name) && utf8.RuneCountInString(name) <= 100 && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}
