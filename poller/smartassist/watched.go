package smartassist

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// errPaused is why an answer was given up in which nothing came any more.
var errPaused = fmt.Errorf("pause in the answer: %w", context.DeadlineExceeded)

// watched is the body of an answer, given up when nothing of it comes for
// pauseTimeout. Bytes count as they come, before they are decompressed: much may have
// to come of a gzipped answer before there is text. So it is decompressed here, and not
// by net/http.
type watched struct {
	io.Closer
	body   io.Reader
	timer  *time.Timer
	paused atomic.Bool
}

// watch puts a watched body into the answer, to be stopped in the end; giveUp ends
// the request.
func watch(resp *http.Response, giveUp context.CancelCauseFunc) *watched {
	w := &watched{Closer: resp.Body, body: resp.Body}
	w.timer = time.AfterFunc(pauseTimeout, func() {
		w.paused.Store(true)
		giveUp(errPaused)
	})
	resp.Body = w
	if gzipped(resp) {
		resp.Body = &gunzipper{Closer: w, gzipped: w}
	}
	return w
}

func (w *watched) stop() { w.timer.Stop() }

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	switch {
	case err == nil && n > 0:
		w.timer.Reset(pauseTimeout)
	case err != nil && err != io.EOF && w.paused.Load():
		err = errPaused
	}
	return n, err
}

// gzipped reports whether the body is gzipped, as we have asked for.
func gzipped(resp *http.Response) bool {
	return strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") && resp.ContentLength != 0
}

// gunzipper reads the gzip header with the first Read: until then the service may
// have sent nothing of the body.
type gunzipper struct {
	io.Closer
	gzipped io.Reader
	text    *gzip.Reader
}

// Read implements io.Reader.
func (g *gunzipper) Read(p []byte) (int, error) {
	if g.text == nil {
		text, err := gzip.NewReader(g.gzipped)
		if err != nil {
			return 0, err
		}
		g.text = text
	}
	return g.text.Read(p)
}
