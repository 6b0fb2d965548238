package poller

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// filler gives every field that others can see a value that no other has, so that two that are mixed up show.
type filler int

func (n *filler) next() int { *n++; return int(*n) }

// fill fails the test on a type that it does not know: a field of that type could be lost and no test would tell.
func (n *filler) fill(t *testing.T, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(at(100 * n.next())))
		return
	case time.Duration:
		v.Set(reflect.ValueOf(time.Duration(n.next()) * time.Second))
		return
	case Coverage:
		var c Coverage
		for i, cause := range causes {
			c = c.Add(Stretch{Window: window(1000*i, 1000*i+n.next()), ReadAt: at(n.next()), Partial: cause, Withheld: i%2 == 1})
		}
		v.Set(reflect.ValueOf(c))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				n.fill(t, v.Field(i))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			n.fill(t, v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			n.fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString(fmt.Sprint("value ", n.next()))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n.next()))
	case reflect.Uint32:
		v.SetUint(uint64(n.next()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(n.next()) / 4)
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("%v: not known to the test", v.Type())
	}
}

// TestEveryFieldOfTheLedgerIsKept, alone and beside all others: one that is added and not stored would be lost with each restart.
func TestEveryFieldOfTheLedgerIsKept(t *testing.T) {
	var n filler
	var all Ledger
	fields := reflect.ValueOf(&all).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		if n.fill(t, fields.Field(i)); fields.Field(i).IsZero() {
			t.Fatalf("%s was not filled", name)
		}
		var one, restored Ledger
		reflect.ValueOf(&one).Elem().Field(i).Set(fields.Field(i))
		if err := restored.restore(one.encode()); err != nil || !reflect.DeepEqual(restored, one) {
			t.Errorf("%s alone: %v\nrestored %+v\nwritten  %+v", name, err, restored, one)
		}
	}
	var restored Ledger
	if err := restored.restore(all.encode()); err != nil || !reflect.DeepEqual(restored, all) {
		t.Errorf("%v\nrestored %+v\nwritten  %+v", err, restored, all)
	}
	if again := restored.encode(); !bytes.Equal(again, all.encode()) {
		t.Errorf("written again as\n%s\nwas\n%s", again, all.encode())
	}
}

// TestAnyEntryIsKept: each field to its bounds, in a record that no other has the key of.
func TestAnyEntryIsKept(t *testing.T) {
	if n := reflect.TypeFor[Entry]().NumField(); n != 8 {
		t.Fatalf("an entry has %d fields; this test draws 8", n)
	}
	rapid.Check(t, func(t *rapid.T) {
		e := Entry{
			fingerprint: [2]uint32{rapid.Uint32().Draw(t, "low"), rapid.Uint32().Draw(t, "high")},
			session:     rapid.Uint32().Draw(t, "session"), revision: rapid.Int32Min(0).Draw(t, "revision"), shown: rapid.Uint16().Draw(t, "shown"),
			bot: rapid.Bool().Draw(t, "bot"), aside: rapid.SampledFrom([]aside{notAside, isAside, maybeAside}).Draw(t, "aside"),
			list: rapid.Uint8Max(mostLists-1).Draw(t, "list"), republished: rapid.Uint16().Draw(t, "republished"),
		}
		key := Key(rapid.SliceOfN(rapid.Byte(), len(Key{}), len(Key{})).Draw(t, "key"))
		s := State{Account: "a"}
		records := s.Records(Ledger{Sequence: 1}, []Remembered{{Key: key, Entry: e}})
		for _, r := range records {
			if err := s.Restore(r); err != nil {
				t.Fatal(err)
			}
		}
		if got, known := s.Seen.lookup(key); !known || got != e {
			t.Fatalf("%+v, %t; want %+v", got, known, e)
		}
		if len(records) != 2 || s.IsLedger(records[0]) || !s.IsLedger(records[1]) {
			t.Fatalf("%d records: the ledger is to be the last", len(records))
		}
	})
}

// TestAnyResolutionIsKept to the millisecond.
func TestAnyResolutionIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := func(name string) time.Time { return time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, name)).UTC() }
		res := Resolution{
			Fate:     rapid.SampledFrom([]Fate{LetterPublished, LetterSuperseded}).Draw(t, "fate"),
			Revision: rapid.Int32Min(0).Draw(t, "revision"), At: instant("at"), Written: instant("written"),
		}
		id := LetterID(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "id"))
		for _, r := range (Letters{id: res}).records("a/b") {
			if account, gotID, got, ok := LetterRecord(r); !ok || account != "a/b" || gotID != id || got != res {
				t.Fatalf("%s: %q %v %+v %t, want %+v", r.Key, account, gotID, got, ok, res)
			}
		}
	})
}
