package encoder

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reading is a value as the service may send it and what becomes of it: what is
// typed, nil for nothing, and whether the field holds it alone, without its
// source text in unmapped.
type reading struct {
	source string
	typed  any
	alone  bool
}

// What is sure is typed and stands in its field alone. What is likely is typed
// too, with its text kept. What is neither is not typed: a wrong time is worse
// than none.
var readings = map[string]struct {
	path, name string
	all        []reading
}{
	"a time without a zone": {"sessionStartTime", "sessionStartTime", []reading{
		{`"2024-08-24T14:48:15"`, utc("2024-08-24T14:48:15Z"), true},
		{`"2024-02-29T00:00:00"`, utc("2024-02-29T00:00:00Z"), true},
		{`"2024-08-24 14:48:15"`, utc("2024-08-24T14:48:15Z"), false},
		{`"2024-08-24T14:48:15.250"`, utc("2024-08-24T14:48:15.25Z"), false},
		{`"2024-08-24T14:48:15.250Z"`, utc("2024-08-24T14:48:15.25Z"), false},
		{`"2024-08-24T14:48:15Z"`, utc("2024-08-24T14:48:15Z"), false},
		{`"2024-08-24T20:18:15+05:30"`, utc("2024-08-24T14:48:15Z"), false},
		{`"2024-08-24 14:48:15.2509"`, utc("2024-08-24T14:48:15.25Z"), false},
		{`"1969-12-31T23:59:59.9999"`, utc("1969-12-31T23:59:59.999Z"), false},
		{`"9999-12-31T23:59:59-00:01"`, nil, false},
		{`"2023-02-29T00:00:00"`, nil, false},
		{`"2024-13-01T00:00:00"`, nil, false},
		{`"2024-00-10T00:00:00"`, nil, false},
		{`"2024-08-24T24:00:00"`, nil, false},
		{`"2024-08-24T14:60:15"`, nil, false},
		{`"2024-08-24"`, nil, false},
		{`"24/08/2024 14:48"`, nil, false},
		{`"0000-00-00 00:00:00"`, nil, false},
		{`"14:48:15"`, nil, false},
		{`""`, nil, false},
		{`1724510895000`, nil, false},
	}},
	"a time in UTC": {"campaign.campaignRunDate", "campaignRunDate", []reading{
		{`"2025-09-30T06:34:48.810Z"`, utc("2025-09-30T06:34:48.81Z"), true},
		{`"2025-09-30T06:34:48.000Z"`, utc("2025-09-30T06:34:48Z"), true},
		{`"2025-09-30T06:34:48Z"`, utc("2025-09-30T06:34:48Z"), false},
		{`"2025-09-30T06:34:48.8109Z"`, utc("2025-09-30T06:34:48.81Z"), false},
		{`"2025-09-30T12:04:48.810+05:30"`, utc("2025-09-30T06:34:48.81Z"), false},
		{`"2025-09-30T06:34:48.810"`, utc("2025-09-30T06:34:48.81Z"), false},
		{`"2025-09-30 06:34:48"`, utc("2025-09-30T06:34:48Z"), false},
		{`"2025-09-31T06:34:48.810Z"`, nil, false},
		{`"0000-09-30T06:34:48.810Z"`, nil, false},
	}},
	"YES or NO": {"voicemail", "isVoicemail", []reading{
		{`"YES"`, true, true}, {`"NO"`, false, true},
		{`true`, true, false}, {`false`, false, false}, {`"Yes"`, true, false}, {`"TRUE"`, true, false}, {`"no"`, false, false},
		{`""`, nil, false}, {`"Y"`, nil, false}, {`1`, nil, false}, {`"YES "`, nil, false}, {`["YES"]`, nil, false},
	}},
	"true or false": {"destinations.callbackOpted", "CallbackOpted", []reading{
		{`true`, true, true}, {`false`, false, true},
		{`"YES"`, true, false}, {`"true"`, true, false}, {`"False"`, false, false},
		{`0`, nil, false}, {`""`, nil, false}, {`"on"`, nil, false},
	}},
	"a number": {"csatScore", "csatScore", []reading{
		{`5`, int32(5), true}, {`-2147483648`, int32(-2147483648), true},
		{`"5"`, int32(5), false}, {`5.0`, int32(5), false}, {`5e0`, int32(5), false}, {`-0`, int32(0), false}, {`"05"`, int32(5), false},
		{`2147483648`, nil, false}, {`12345678901234567890123`, nil, false}, {`1e400`, nil, false}, {`4.5`, nil, false},
		{`"4.5"`, nil, false}, {`"five"`, nil, false}, {`""`, nil, false}, {`" 5"`, nil, false}, {`true`, nil, false},
	}},
	"an id": {"userId", "userId", []reading{
		{`"u-06e05f6e-5fd0-58fa-8e16-7e7c33ac0001"`, "u-06e05f6e-5fd0-58fa-8e16-7e7c33ac0001", true},
		{`" u-1 "`, " u-1 ", true},
		{`12345678901234567890123`, "12345678901234567890123", false}, {`1.0`, "1.0", false},
		{`{"id":"u-1"}`, nil, false}, {`["u-1"]`, nil, false},
	}},
}

// Each reading is what the table says, and each value that a field does not hold
// alone is counted once, under the name of the field.
func TestSurenessOfTypes(t *testing.T) {
	e := testEncoder(t)
	for kind, field := range readings {
		t.Run(kind, func(t *testing.T) {
			for _, r := range field.all {
				row, parent := wrap(field.path, fmt.Sprintf("%q:%s", field.name, r.source))
				checkPassage(t, e, []byte(row))
				m, c, err := passage(e, []byte(row))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(r.typed, at(decodeAny(t, m.Value), field.path)); diff != "" {
					t.Errorf("%s: typed wrongly:\n%s", r.source, diff)
				}
				kept, counted := map[string]string{"/kept": "0"}, []string{"unknown"}
				if !r.alone {
					kept[parent+"/"+field.name], counted = r.source, append(counted, field.path)
				}
				if diff := cmp.Diff(kept, c.Unmapped); diff != "" {
					t.Errorf("%s: unmapped:\n%s", r.source, diff)
				}
				if diff := cmp.Diff(counted, bounded(m, UnknownMember, Misfit)); diff != "" {
					t.Errorf("%s: counted:\n%s", r.source, diff)
				}
			}
		})
	}
}
