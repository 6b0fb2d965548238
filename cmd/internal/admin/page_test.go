package admin

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestPage: the page is whole whatever there is to show: a template fails at its first use of a field that is not there, in the middle of the page.
func TestPage(t *testing.T) {
	for _, yes := range []bool{false, true} {
		var s Status
		fill(reflect.ValueOf(&s).Elem(), yes)
		var out bytes.Buffer
		if err := page.Execute(&out, s); err != nil {
			t.Errorf("with %v for all that is yes or no: %v", yes, err)
		}
		if !strings.Contains(out.String(), "readyz</a></p>") {
			t.Errorf("the page ends with %q", out.String()[max(0, out.Len()-100):])
		}
	}
	var out bytes.Buffer
	if err := page.Execute(&out, Status{}); err != nil {
		t.Error("of nothing:", err)
	}
}

// fill gives a value to all that v holds: two elements to a slice, yes to what is yes or no.
func fill(v reflect.Value, yes bool) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), yes)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), yes)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Now()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), yes)
			}
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(yes)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(1)
	}
}
