package schemas

import (
	"embed"
	"fmt"
	"strings"
	"sync"

	"github.com/twmb/avro"
)

//go:embed history/*.avsc
var history embed.FS

// Versions are all texts that were ever written with, the newest last: it is the
// present one. Two may have one fingerprint, where only docs differ.
func (s Schema) Versions() []Schema { return versions()[s.Name] }

// Known is the version of this schema that has the fingerprint, of those that this program holds.
func (s Schema) Known(fingerprint uint64) (*avro.Schema, bool) {
	if fingerprint == s.Fingerprint() {
		return s.parsed, true
	}
	for _, v := range s.Versions() {
		if fingerprint == v.Fingerprint() {
			return v.parsed, true
		}
	}
	return nil, false
}

// versions are parsed when first asked for: most programs only write.
var versions = sync.OnceValue(func() map[string][]Schema {
	return map[string][]Schema{
		Conversation.Name: loadVersions(Conversation.Name),
		Progress.Name:     loadVersions(Progress.Name),
	}
})

// loadVersions reads history/name.1.avsc and on, up to the first that is not there.
func loadVersions(full string) []Schema {
	var all []Schema
	for {
		text, err := history.ReadFile(historyFile(full, len(all)+1))
		if err != nil {
			return all
		}
		all = append(all, load(full, string(text)))
	}
}

// historyFile is where a version stands: history/conversation.1.avsc.
func historyFile(full string, version int) string {
	name := strings.ToLower(full[strings.LastIndexByte(full, '.')+1:])
	return fmt.Sprintf("history/%s.%d.avsc", name, version)
}
