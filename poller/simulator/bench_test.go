package simulator

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// busy is a world of 100,000 conversations a day.
func busy(b *testing.B) *Service {
	b.Helper()
	s, err := New(Config{Seed: 1, AccountID: account, Start: noon, Until: noon, History: 24 * time.Hour, PerMinute: 100_000.0 / (24 * 60)})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func dayPage(b *testing.B, s *Service) {
	body := `{"startDate":"2025-03-03 12:00:00","endDate":"2025-03-04 12:00:00","timeZoneOffset":0}`
	r := httptest.NewRequest(http.MethodPost, Path(account)+"?limit=100&offset=50000", strings.NewReader(body))
	r.Header.Set("auth", "x")
	r.Header.Set("accountId", account)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if n, err := io.Copy(io.Discard, w.Body); err != nil || n < 50_000 {
		b.Fatalf("%d bytes, %v", n, err)
	}
}

// A page in the middle of a day, nothing drawn yet: what the first request costs.
func BenchmarkDayWindowCold(b *testing.B) {
	s := busy(b)
	for b.Loop() {
		s.world = newWorld(s.config)
		dayPage(b, s)
	}
}

// The same once the day is drawn.
func BenchmarkDayWindow(b *testing.B) {
	s := busy(b)
	for b.Loop() {
		dayPage(b, s)
	}
}

// Writing one row.
func BenchmarkRow(b *testing.B) {
	s := busy(b)
	rows := s.world.minute(floorMinute(noon.UnixMilli()) - 1)
	size, i := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		r := &rows[i%len(rows)]
		size += len(s.rowText(r, view{}, summarised))
		i++
	}
	b.ReportMetric(float64(size)/float64(i), "bytes/row")
}

func BenchmarkContentHash(b *testing.B) {
	s := busy(b)
	rows := s.world.minute(floorMinute(noon.UnixMilli()) - 1)
	raw := s.rowText(&rows[0], view{}, summarised)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		ContentHash(raw)
	}
}
