package admin

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"regexp"
	"sync"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/poller"
)

//go:embed status.html
var pageText string

var page = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago": func(t time.Time) string {
		if t.IsZero() {
			return "not yet"
		}
		return span(time.Since(t)) + " ago"
	},
	"manual":  func(section string) string { return operations + "#" + section },
	"share":   func(p poller.PassStatus) int { return int(client.Share(p) * 100) },
	"spark":   drawFreshness,
	"strip":   drawStrip,
	"utc":     utc,
	"verdict": func(a Account) Verdict { return VerdictOf(a, time.Now()) },
}).Parse(pageText))

// pagePolicy returns the Content-Security-Policy of the page: its own style and script by their hashes, its own origin to be asked again, and
// nothing else.
var pagePolicy = sync.OnceValue(func() string {
	var text bytes.Buffer
	_ = page.Execute(&text, Status{})
	hash := func(element string) string {
		m := regexp.MustCompile("(?s)<" + element + ">(.*?)</" + element + ">").FindSubmatch(text.Bytes())
		sum := sha256.Sum256(m[1])
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		hash("style"), hash("script"))
})
