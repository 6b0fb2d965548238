package simulator

import (
	"math"
	"slices"
	"sync"
	"time"
)

// kind is what a row is drawn as.
type kind uint8

const (
	contactRow kind = iota // a human conversation
	botRow                 // a session with an automation, no conversationId
	assistRow              // the assist side of a human conversation: a bot-only row
	poisonRow              // a row that can hardly be a conversation
	extraRow               // Config.Extra, verbatim
)

// row is one row of the world before it is written: all that is needed to decide
// whether a window shows it. Times are Unix milliseconds, of which the answer
// shows the seconds.
type row struct {
	id      uint64 // unique: seeds everything the row says
	conv    uint64 // seeds the conversationId
	session uint64 // seeds the sessionId and the userId
	start   int64
	end     int64
	shown   int64 // first visible
	gone    int64 // no longer visible from here on; 0: never
	closed  int64 // the end is known from here on; before, end is shown as start
	kind    kind
	hidden  bool  // takes its place in paging and is never shown
	twin    bool  // a second bot-only row of its session, with another botId
	bots    bool  // comes from the source of bot-only rows
	extra   int32 // place in Config.Extra
}

func (r *row) visible(now int64) bool { return r.shown <= now && (r.gone == 0 || now < r.gone) }

// times are the start and the end as they are known now.
func (r *row) times(now int64) (start, end int64) {
	if now < r.closed {
		return r.start, r.start
	}
	return r.start, r.end
}

const (
	minute  = int64(time.Minute / time.Millisecond)
	maxTalk = 40 * minute // the longest session
	spill   = 11 * minute // rows of a conversation start at most this long after its minute began
	// cachedRows bounds the memory for drawn minutes: about 25 MB.
	cachedRows = 1 << 18
)

// world draws minutes on demand.
type world struct {
	config Config
	origin int64 // no conversation begins before
	until  int64 // or from here on
	burst  map[int64][]Burst
	extras []row

	mu     sync.Mutex
	drawn  map[int64][]row
	cached int
}

func newWorld(c Config) *world {
	w := &world{
		config: c,
		origin: c.Start.Add(-c.History).UnixMilli(),
		until:  math.MaxInt64,
		burst:  map[int64][]Burst{},
		drawn:  map[int64][]row{},
	}
	if !c.Until.IsZero() {
		w.until = c.Until.UnixMilli()
	}
	for _, b := range c.Burst {
		m := floorMinute(b.At.UnixMilli())
		w.burst[m] = append(w.burst[m], b)
	}
	for i, raw := range c.Extra {
		w.extras = append(w.extras, parseExtra(i, raw, c.Start))
	}
	return w
}

// floorMinute is the number of the minute, counted from 1970, also before it.
func floorMinute(ms int64) int64 {
	m := ms / minute
	if ms%minute < 0 {
		m--
	}
	return m
}

// minute is every row of the conversations that begin in a minute. The slice is
// shared and must not be changed.
func (w *world) minute(m int64) []row {
	w.mu.Lock()
	defer w.mu.Unlock()
	if rows, ok := w.drawn[m]; ok {
		return rows
	}
	rows := w.draw(m)
	for old := range w.drawn { // any will do: what is forgotten is drawn again the same
		if w.cached+len(rows) <= cachedRows {
			break
		}
		w.cached -= len(w.drawn[old]) + 1
		delete(w.drawn, old)
	}
	w.drawn[m] = rows
	w.cached += len(rows) + 1
	return rows
}

func (w *world) draw(m int64) []row {
	var rows []row
	if (m+1)*minute > w.origin && m*minute < w.until {
		rows = w.drawConversations(m)
	}
	for i, b := range w.burst[m] {
		d := roll(w.config.Seed^uint64(b.At.Unix())+uint64(i)<<32, streamBurst)
		for range b.Rows {
			seed := d.next()
			start := b.At.Unix()*1000 + d.n(1000)
			rows = append(rows, w.row(seed, pick(&d, []kind{contactRow, contactRow, contactRow, botRow}), start))
		}
	}
	return slices.Clip(rows)
}

func (w *world) drawConversations(m int64) []row {
	d := roll(w.config.Seed+uint64(m)*0x9e3779b97f4a7c15, streamMinute)
	mean := w.perMinute(m)
	rows := make([]row, 0, int(mean*1.5)+4)
	for range d.poisson(mean) {
		seed, start := d.next(), m*minute+d.n(minute)
		if start < w.origin || start >= w.until {
			continue
		}
		rows = w.conversation(rows, seed, start)
		rows = w.hidden(rows, seed, start)
		rows = w.poison(rows, seed, start)
	}
	return rows
}

// perMinute follows the day: the mean, with its peak at 14:00 UTC.
func (w *world) perMinute(m int64) float64 {
	swing := max(0, w.config.Peak-1)
	hour := float64(m%(24*60)) / 60
	return w.config.PerMinute * (1 + swing*math.Cos(2*math.Pi*(hour-14)/24))
}

// conversation adds the one to three rows of a conversation.
func (w *world) conversation(rows []row, seed uint64, start int64) []row {
	d := roll(seed, streamConversation)
	if d.chance(0.3) {
		bot := w.row(seed, botRow, start)
		if d.chance(0.3) {
			return w.handover(rows, bot, &d)
		}
		return w.twinBot(append(rows, bot), bot)
	}
	contact := w.row(seed, contactRow, start)
	rows = append(rows, contact)
	companion, twin := d.chance(0.25), d.chance(w.config.Switches.TwinSessions)
	if companion {
		assist := w.row(d.next(), assistRow, start+d.between(3_000, 50_000))
		assist.conv = contact.conv
		rows = append(rows, assist)
	}
	if twin {
		second := w.row(d.next(), contactRow, start+d.between(20_000, 10*minute))
		second.conv = contact.conv
		rows = append(rows, second)
	}
	return rows
}

// twinBot adds a second row of a bot's session.
func (w *world) twinBot(rows []row, bot row) []row {
	d := roll(bot.id, streamTwinBot)
	if !d.chance(w.config.Switches.TwinBots) {
		return rows
	}
	bot.id, bot.twin = d.next(), true
	return append(rows, bot)
}

// handover turns a bot's session into a contact: a row with the same sessionId,
// visible from the handover on.
func (w *world) handover(rows []row, bot row, d *dice) []row {
	contact := w.row(d.next(), contactRow, bot.start)
	contact.session = bot.session
	contact.shown = bot.shown + min(d.between(5_000, 60_000), max(0, bot.start+w.late()-bot.shown))
	contact.closed = max(contact.closed, contact.shown)
	if !w.config.Switches.BotRowStays {
		bot.gone = contact.shown
	}
	return append(rows, bot, contact)
}

// hidden adds a row that takes a place in paging and is not shown.
func (w *world) hidden(rows []row, seed uint64, start int64) []row {
	d := roll(seed, streamThin)
	if !d.chance(w.config.Switches.Thin) {
		return rows
	}
	r := w.row(d.next(), pick(&d, []kind{contactRow, botRow}), start)
	r.hidden = true
	return append(rows, r)
}

func (w *world) poison(rows []row, seed uint64, start int64) []row {
	d := roll(seed, streamPoison)
	if !d.chance(w.config.Faults.Poison) {
		return rows
	}
	return append(rows, w.row(d.next(), poisonRow, start))
}

// candidates calls visit with every visible row whose minute can matter to the
// times [lo, hi], in no particular order; the caller compares the times.
func (w *world) candidates(lo, hi, now int64, visit func(*row)) {
	for i := range w.extras {
		visit(&w.extras[i])
	}
	from := lo - spill
	if w.config.Switches.FilterBy != ByStart {
		from -= maxTalk
	}
	first, last := w.reach()
	for m := max(floorMinute(from), first); m <= min(floorMinute(min(hi, now)), last); m++ {
		rows := w.minute(m)
		for i := range rows {
			if rows[i].visible(now) {
				visit(&rows[i])
			}
		}
	}
}

// reach is the first and the last minute in which a conversation can begin.
func (w *world) reach() (first, last int64) {
	first, last = floorMinute(w.origin), math.MaxInt64
	if w.until != math.MaxInt64 {
		last = floorMinute(w.until)
	}
	for m := range w.burst {
		first, last = min(first, m), max(last, m)
	}
	return first, last
}
