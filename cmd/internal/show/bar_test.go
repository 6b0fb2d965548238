package show

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// TestBarOnATerminal is drawn again in its place, and makes room for what else is written.
func TestBarOnATerminal(t *testing.T) {
	var out bytes.Buffer
	b := &Bar{out: &out, terminal: true}
	b.Hide()
	b.Show(-1, "recalling")
	b.Show(0.999, "9 rows")
	b.Note("worker-2\x1b[2J stands by")
	b.Hide()
	const want = "\r\x1b[K\x1b[?7lrecalling\x1b[?7h" + "\r\x1b[K\x1b[?7l[=================== ]  99% 9 rows\x1b[?7h" + "\r\x1b[Kworker-2\uFFFD[2J stands by\n"
	if out.String() != want {
		t.Errorf("%q\nwant\n%q", out.String(), want)
	}
}

// TestBarInALog is a line now and then; what is noted is written at once.
func TestBarInALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := NewBar(&out)
		for range 61 {
			b.Show(0.5, "5 rows")
			time.Sleep(time.Second)
		}
		b.Note("worker-2 stands by")
		b.Hide()
		const line = "[==========          ]  50% 5 rows\n"
		if out.String() != line+line+line+"worker-2 stands by\n" {
			t.Errorf("%q", out.String())
		}
	})
}
