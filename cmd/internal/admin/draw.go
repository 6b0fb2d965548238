package admin

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/convstream/convstream/poller"
)

// What is drawn has classes and no styles of its own, so that the page's Content-Security-Policy need not allow any, and a text for those
// who do not see it.

// stripWidth is how many units of width a strip has: one for a quarter of an hour.
const stripWidth = poller.StripDays * 24 * 4

// drawStrip draws how the last days are covered, the present on the right.
func drawStrip(parts []poller.Part) template.HTML {
	if len(parts) == 0 {
		return ""
	}
	var b strings.Builder
	from, to := parts[0].Start, parts[len(parts)-1].End
	x := func(t time.Time) float64 { return stripWidth * t.Sub(from).Seconds() / to.Sub(from).Seconds() }
	fmt.Fprintf(&b, `<svg class="strip" role="img" viewBox="0 0 %d 22" preserveAspectRatio="none"><title>%s</title>`, stripWidth, template.HTMLEscapeString(stripText(parts)))
	for _, p := range parts {
		left, width := x(p.Start), x(p.End)-x(p.Start)
		if width = math.Max(width, 1); p.State == poller.PartPartial || p.State == poller.PartGap {
			width = math.Max(width, 3) // a second that is missing is to be seen
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%.2f" y="0" width="%.2f" height="16"><title>%s</title></rect>`, partClass(p, to), math.Min(left, stripWidth-width), width, template.HTMLEscapeString(partText(p, to)))
	}
	for day := from.Truncate(24 * time.Hour).Add(24 * time.Hour); day.Before(to); day = day.Add(24 * time.Hour) {
		fmt.Fprintf(&b, `<rect class="tick" x="%.2f" y="16" width="1" height="6"><title>%s</title></rect>`, x(day), day.Format("Monday, 2 January"))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// partClass returns the class of a part: its state, and of one that is covered how long ago it was read.
func partClass(p poller.Part, now time.Time) string {
	if p.State != poller.PartCovered {
		return string(p.State)
	}
	switch age := now.Sub(p.ReadAt); {
	case age <= time.Hour:
		return "covered hour"
	case age <= 24*time.Hour:
		return "covered day"
	}
	return "covered"
}

// partTexts says of each state what it means.
var partTexts = map[poller.PartState]string{
	poller.PartCovered: "read whole", poller.PartPartial: "could not be read whole", poller.PartAccepted: "could not be read whole; accepted",
	poller.PartGap: "not read yet", poller.PartBackfill: "to be backfilled", poller.PartNew: "too new to be called complete", poller.PartUnwanted: "before what is wanted",
}

func partText(p poller.Part, now time.Time) string {
	text := fmt.Sprintf("%s UTC: %s", p.Window, partTexts[p.State])
	if !p.ReadAt.IsZero() {
		text += fmt.Sprintf(", last read %s ago", span(now.Sub(p.ReadAt)))
	}
	return text
}

// stripText says what a strip shows.
func stripText(parts []poller.Part) string {
	var long [2]time.Duration
	partial := 0
	for _, p := range parts {
		switch p.State {
		case poller.PartCovered, poller.PartAccepted:
			long[0] += p.Len()
		case poller.PartGap:
			long[1] += p.Len()
		case poller.PartPartial:
			partial++
		}
	}
	text := fmt.Sprintf("The last %d days: %s read whole, %s not read yet", poller.StripDays, span(long[0]), span(long[1]))
	if partial > 0 {
		text += fmt.Sprintf(", parts that could not be read whole: %d", partial)
	}
	return text
}

// The heights of the bars of a history: from a quarter of a minute to four hours, in steps of twice as much.
const (
	sparkLeast  = 15 * time.Second
	sparkHeight = 10
	sparkLate   = 5 * time.Minute
)

// drawFreshness draws how old the newest data was in the last hours, the present on the right.
func drawFreshness(steps []Freshness) template.HTML {
	if len(steps) == 0 {
		return ""
	}
	var b strings.Builder
	worst, end := time.Duration(0), steps[len(steps)-1].At.Add(FreshnessStep)
	for _, s := range steps {
		worst = max(worst, time.Duration(s.Worst))
	}
	fmt.Fprintf(&b, `<svg class="spark" role="img" viewBox="0 0 %d %d" preserveAspectRatio="none"><title>The newest data was at most %s old in the last %d hours</title>`, FreshnessSteps, sparkHeight, span(worst), int((FreshnessSteps * FreshnessStep).Hours()))
	for _, s := range steps {
		age := time.Duration(s.Worst)
		class, height := "soon", min(sparkHeight, max(1, 1+math.Log2(age.Seconds()/sparkLeast.Seconds())))
		if age > sparkLate {
			class = "late"
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%.1f" width="1" height="%.1f"><title>%s UTC: %s</title></rect>`,
			class, FreshnessSteps-int(end.Sub(s.At)/FreshnessStep), sparkHeight-height, height, s.At.UTC().Format("15:04"), span(age))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// span is a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", math.Max(0, d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
