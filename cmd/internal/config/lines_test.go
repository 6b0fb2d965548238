package config

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// parsed parses the text of a file and returns what is wrong with it, a line each.
func parsed(text string) (values map[string]string, wrong string) {
	p := &problems{}
	values = parse(p, []byte(text))
	var lines []string
	for _, f := range p.found {
		lines = append(lines, f.Error())
	}
	return values, strings.Join(lines, "\n")
}

func TestParse(t *testing.T) {
	settle := func(value string) map[string]string { return map[string]string{"SETTLE": value} }
	for text, want := range map[string]map[string]string{
		"":                    {},
		"\n  # all\n\t\n#":    {},
		"SETTLE=3m":           settle("3m"),
		"SETTLE=3m\r\n":       settle("3m"),
		"\ufeffSETTLE=3m":     settle("3m"),
		" export SETTLE = 3m": settle("3m"),
		"SETTLE=":             settle(""),
		"SETTLE=''":           settle(""),
		"SETTLE=3m # why":     settle("3m"),
		"SETTLE=\t# why":      settle(""),
		"SETTLE=ä # why":      settle("ä"),
		"SETTLE=a=b==":        settle("a=b=="),
		"SETTLE=$HOME":        settle("$HOME"),
		`SETTLE="a#b" # "`:    settle("a#b"),
		`SETTLE="a\"#\\" # b`: settle(`a"#\`),
		`SETTLE="\u00e4"`:     settle("ä"),
		`SETTLE='a"\#b'`:      settle(`a"\#b`),
		"SETTLE=1m\nREREAD=2h:1h\r\n\r\nSMARTASSIST_URL=https://h": {"SETTLE": "1m", "REREAD": "2h:1h", "SMARTASSIST_URL": "https://h"},
	} {
		values, wrong := parsed(text)
		if diff := cmp.Diff(want, values); diff != "" || wrong != "" {
			t.Errorf("%q: %s (-want +got):\n%s", text, wrong, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const syntax = "expected VARIABLE=value without control characters, and in double quotes only the escapes of JSON"
	for text, want := range map[string]string{
		"hush":                                   "line 1: missing =",
		"\n=hush":                                "line 2: empty key",
		"SETTLE='hush":                           "SETTLE: line 1: unmatched '",
		"SETTLE=hush\"":                          "SETTLE: line 1: unmatched \"",
		"SETTLE=\"hush\\q\"":                     "SETTLE: line 1: " + syntax,
		"SETTLE=hush\x01":                        "SETTLE: line 1: " + syntax,
		"SETTLE=1m\rREREAD=1h:5m":                "SETTLE: line 1: " + syntax,
		"hush+hush==":                            "line 1: " + syntax,
		"SETTLE=hush#1":                          "SETTLE: line 1: # begins a comment; expected white space before it, or quotes around the value",
		"SETTLE=1m\n\nSETTLE=1m":                 "SETTLE: set twice, in lines 1 and 3",
		"KAFKA_BROKERS=hush":                     "KAFKA_BROKERS: line 1: a setting of the process; set it in the environment",
		"KAFKA_SASL_PASSWORD=hush":               "KAFKA_SASL_PASSWORD: line 1: a setting of the process; set it in the environment",
		"ACCOUNTS_DIR=hush":                      "ACCOUNTS_DIR: line 1: a setting of the process; set it in the environment",
		"REREED=hush":                            "REREED: line 1: unknown setting; did you mean REREAD?",
		"smartassist_jwt=hush":                   "smartassist_jwt: line 1: unknown setting; did you mean SMARTASSIST_JWT?",
		"SMARTASSIST_PASSWORD=hush":              "SMARTASSIST_PASSWORD: line 1: not a setting of an account; 'convstream config' lists them, and what is the process's belongs into its environment",
		"hush1HUSH2hush3=":                       "line 1: unknown setting",
		"HUSH" + strings.Repeat("H_H", 99) + "=": "line 1: unknown setting",
		"SETTLE=" + strings.Repeat("h", 1<<16):   "line 1: longer than 64 KiB",
		strings.Repeat("hush\n", 30):             strings.Join(numbered(enoughWrong, ": missing ="), "\n") + "\nthe lines from 21 on were not read; expected lines of VARIABLE=value",
	} {
		if _, wrong := parsed(text); wrong != want {
			t.Errorf("%.80q:\n%s\nwant\n%s", text, wrong, want)
		}
	}
}

func numbered(n int, text string) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = lineName(i+1) + text
	}
	return lines
}

// FuzzParse puts a secret into any file: whatever becomes of the lines, nothing of it is shown.
func FuzzParse(f *testing.F) {
	for _, seed := range [][2]string{
		{"SMARTASSIST_JWT=", ""}, {"SMARTASSIST_JWT=\"", "\\u12"}, {"", "=="}, {"A_", "=1"}, {"export ", "="}, {"SETTLE='", "#'#\r\nSETTLE=1"}, {"\ufeff#", "\x00"}, {"KAFKA_BROKERS=", "\nREREED=\\"},
		{"SETTLE=\"\\ud800\\u", "\""},
	} {
		f.Add(seed[0], seed[1])
	}
	const secret = "hush7hush"
	f.Fuzz(func(t *testing.T, before, after string) {
		values, wrong := parsed(before + secret + after)
		if strings.Contains(wrong, secret) {
			t.Errorf("shown: %s", wrong)
		}
		for name, value := range values {
			if groups[name] != ofAccount || utf8.ValidString(before+after) && !utf8.ValidString(value) {
				t.Errorf("%s=%q is taken", name, value)
			}
		}
	})
}
