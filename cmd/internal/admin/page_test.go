package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"reflect"
	"regexp"
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

// TestPagePolicy: a browser runs the page's own script and style, whatever the status is, and nothing else.
func TestPagePolicy(t *testing.T) {
	var s Status
	fill(reflect.ValueOf(&s).Elem(), true)
	var out bytes.Buffer
	if err := page.Execute(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, element := range []string{"style", "script"} {
		all := regexp.MustCompile("(?s)<"+element+"[^>]*>(.*?)</"+element+">").FindAllSubmatch(out.Bytes(), -1)
		if len(all) != 1 {
			t.Fatalf("%d elements %s", len(all), element)
		}
		sum := sha256.Sum256(all[0][1])
		if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(pagePolicy(), element+"-src 'sha256-"+hash+"'") {
			t.Errorf("%s is not allowed by %s", element, pagePolicy())
		}
	}
	if foreign := regexp.MustCompile(`(?:src|style|onclick)="?[^ ]*`).FindString(out.String()); foreign != "" {
		t.Errorf("the page has %q, which its policy does not allow", foreign)
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
