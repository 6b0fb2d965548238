package fleet

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
)

func (w *world) gaps() (g client.Gaps) {
	w.t.Helper()
	code, text := w.get(client.GapsPath)
	if code != http.StatusOK {
		w.t.Fatalf("gaps: %d %s", code, text)
	}
	w.must(json.Unmarshal([]byte(text), &g))
	return g
}

// TestAGapIsAccepted: completeThrough stops at a second that cannot be read until an operator accepts it, which is told in progress and in
// /status, and is so after a restart. When the second can be read at last, its rows are published.
func TestAGapIsAccepted(t *testing.T) {
	t.Parallel()
	bad := bubble.Add(-30 * time.Minute)
	mended := bubble.Add(3 * time.Hour)
	c := simulator.Config{History: 2 * time.Hour, PerMinute: 0.5, LateBy: -1, SurveyBy: -1, Burst: []simulator.Burst{{At: bad, Rows: 3}}}
	c.Faults.BadSeconds = []simulator.BadSecond{{At: bad, Kind: simulator.BadError, Until: mended}}
	env := frugal(map[string]string{"START_FROM": "1h", "REREAD": "12h:1h", "ADMIN_TOKEN": adminToken1})
	inWorld(t, c, env, func(w *world) {
		stop := w.start()
		time.Sleep(30 * time.Minute)
		through := func() time.Time { return w.worker.Status().Poller.CompleteThrough }
		g := w.gaps()
		if len(g.Gaps) != 1 || !g.Gaps[0].Contains(bad) || g.Gaps[0].Accepted || g.Gaps[0].Cause != poller.Unanswered || g.Gaps[0].Since.IsZero() || through().After(bad) {
			t.Fatalf("complete through %v, gaps %+v", through(), g)
		}
		gap := g.Gaps[0].Window
		within := client.AcceptRequest{From: bad, To: bad.Add(time.Second), By: "the operator"}
		if code, text := w.command(adminAddr, client.AcceptPath, within); gap.Len() > time.Second && (code != http.StatusBadRequest || !strings.Contains(text, gap.String())) {
			t.Errorf("a part of it: %d %s", code, text)
		}
		ask := client.AcceptRequest{From: gap.Start, To: gap.End, By: "the operator"}
		if code, text := w.command(adminAddr, client.AcceptPath, ask); code != http.StatusOK {
			t.Fatalf("accept: %d %s", code, text)
		}
		if behind := time.Since(through()); behind > 5*time.Minute {
			t.Errorf("complete through %v ago after the gap was accepted", behind)
		}
		if code, text := w.command(adminAddr, client.AcceptPath, ask); code != http.StatusConflict || !strings.Contains(text, "accepted already") {
			t.Errorf("accepted twice: %d %s", code, text)
		}
		w.must(stop())
		stop = w.start()
		time.Sleep(10 * time.Minute)
		if g := w.gaps(); len(g.Accepted) != 1 || g.Accepted[0].By != "the operator" || g.Accepted[0].At.IsZero() || g.Accepted[0].Window != gap || !g.Gaps[0].Accepted || time.Since(through()) > 5*time.Minute {
			t.Errorf("after a restart: complete through %v, %+v", through(), g)
		}
		time.Sleep(5 * time.Hour)
		if g := w.gaps(); len(g.Gaps) != 0 {
			t.Errorf("the second can be read, and is still a gap: %+v", g)
		}
		w.must(stop())
		r := w.verify(w.complete)
		r.CheckClaims(2 * time.Minute)
		if len(r.Problems) > 0 || events(r, poller.GapAccepted) != 1 {
			t.Errorf("%d events, %v", events(r, poller.GapAccepted), r.Problems)
		}
		for row := range w.service.RowsAt(time.Now(), bad, bad.Add(time.Second)) {
			if !r.Holds(row) {
				t.Errorf("%s is not published, though its second can be read", row.Key.Identity)
			}
		}
	})
}
