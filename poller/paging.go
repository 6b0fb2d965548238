package poller

// Paging is what was found out about how the service pages. None of it is documented beyond doubt.
type Paging struct {
	Unit         Unit `json:"unit"`         // what an offset counts
	Largest      int  `json:"largest"`      // rows of the largest page seen: a page with fewer was not cut to a smaller maximum
	Proven       int  `json:"proven"`       // rows of the largest short page whose next page brought nothing new
	Leaves       int  `json:"leaves"`       // settled windows read since the last proof
	ShortUnsafe  bool `json:"shortUnsafe"`  // a short page was not the last one: every window is walked
	BeyondCap    bool `json:"beyondCap"`    // an offset above 10 brought new rows: there is no cap of 10
	Capped       bool `json:"capped"`       // an offset above 10 was not served
	FailsBehind  bool `json:"failsBehind"`  // an offset behind the last row is answered with an error
	IgnoresTime  bool `json:"ignoresTime"`  // the service looks at the dates of a window, not at the time of day
	Examined     bool `json:"examined"`     // a proof was made under the present configuration
	ProbesFailed int  `json:"probesFailed"` // proofs that found rows on the page after a short one

	moved int // walks in a row whose pages did not hang together; not kept
}

// Unit is what the service's offset counts.
type Unit string

// The two readings of the documentation, and that neither has been seen yet.
const (
	UnitUnknown Unit = ""
	UnitRows    Unit = "rows"
	UnitPages   Unit = "pages"
)

const (
	proofEvery = 50 // settled windows between two proofs
	offsetCap  = 10 // the largest offset that newer documentation allows

	// mostMoved is how many walks in a row may come apart before windows are made for single pages.
	mostMoved = 3
)

// walks reports whether a window of many pages is best walked page by page: each page then proves by its first rows that nothing
// has moved since the one before, and a request brings a whole page of new rows. Where offsets count rows that takes a service
// which goes beyond the documented cap.
func (p Paging) walks() bool {
	return p.hangsTogether() && (p.Unit == UnitPages || p.Unit == UnitRows && p.BeyondCap && !p.Capped)
}

// mayWalk reports whether it is worth finding out whether windows can be walked.
func (p Paging) mayWalk() bool {
	return p.walks() || p.hangsTogether() && p.Unit != UnitPages && !p.BeyondCap && !p.Capped
}

func (p Paging) hangsTogether() bool { return !p.IgnoresTime && p.moved < mostMoved }

// rows returns how many rows a window is to hold.
func (p Paging) rows() float64 {
	switch {
	case !p.walks():
		return pageRows
	case p.Unit == UnitPages:
		return walkRowsOfPages
	}
	return walkRows
}

// requests returns what it costs to read so many rows.
func (p Paging) requests(rows float64) float64 {
	switch {
	case !p.walks():
		return max(1, rows/pageRows)
	case p.Unit == UnitPages:
		return max(1, rows/92+0.5)
	}
	return max(1, rows/99+0.5)
}

// trusted reports whether a short page of n rows needs no proof of its own: a larger page was seen, so it was not cut to a
// smaller maximum, and one as large was proven, so rows are not taken out after paging. Every fiftieth is audited.
func (p Paging) trusted(n int) bool {
	return p.Examined && n <= p.Proven && n < p.Largest && p.Leaves < proofEvery
}

// forgetUnit has it found out anew what an offset counts, with the next page, and then whether there is a cap.
func (p *Paging) forgetUnit() {
	p.Unit, p.BeyondCap, p.Capped, p.Examined = UnitUnknown, false, false, false
}

// proved notes that no rows stand behind a short page of n rows.
func (p *Paging) proved(n int) { p.Proven, p.Leaves, p.Examined = max(p.Proven, n), 0, true }

// disproved notes that rows stood behind a short page.
func (p *Paging) disproved() {
	p.ShortUnsafe, p.Examined = true, true
	p.ProbesFailed++
}

// walked notes how a walk over a settled window ended.
func (p *Paging) walked(chained bool) {
	if p.moved++; chained {
		p.moved = 0
	}
}
