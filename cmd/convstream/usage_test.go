package main

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// valid is an environment that `convstream run` would start with.
var valid = map[string]string{
	"SMARTASSIST_URL": "https://localhost:1", "SMARTASSIST_ACCOUNT_ID": account, "SMARTASSIST_JWT": token, "KAFKA_BROKERS": "127.0.0.1:1",
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		code   int
		stdout string // what has to be there; "" is nothing at all
		stderr string
	}{
		"help":               {[]string{"help"}, exitDone, "usage: convstream [command]", ""},
		"--help":             {[]string{"--help"}, exitDone, "usage: convstream [command]", ""},
		"-h":                 {[]string{"-h"}, exitDone, "usage: convstream [command]", ""},
		"help of a command":  {[]string{"help", "tail"}, exitDone, "usage: convstream tail [TOPIC...] [--from beginning|end] [--json] [--no-follow] [--rows]\n", ""},
		"help of nothing":    {[]string{"help", "nonsense"}, exitUsage, "", "unknown command \"nonsense\""},
		"run --help":         {[]string{"run", "--help"}, exitDone, "usage: convstream run\n", ""},
		"tail -h":            {[]string{"tail", "voice", "-h"}, exitDone, "usage: convstream tail [TOPIC...]", ""},
		"config --help":      {[]string{"config", "--help"}, exitDone, "usage: convstream config [--markdown]\n", ""},
		"two words --help":   {[]string{"dead-letters", "list", "--help"}, exitDone, "usage: convstream dead-letters list [--all] [--json] [--rows]\n", ""},
		"half of two words":  {[]string{"dead-letters", "--help"}, exitDone, "usage: convstream [command]", ""},
		"no second word":     {[]string{"dead-letters"}, exitUsage, "", "dead-letters: expected list or replay"},
		"wrong second word":  {[]string{"dead-letters", "lits"}, exitUsage, "", "dead-letters: expected list or replay"},
		"two words argument": {[]string{"dead-letters", "list", "voice"}, exitUsage, "", "dead-letters list takes --all, --json and --rows and nothing else"},
		"replay nothing":     {[]string{"dead-letters", "replay"}, exitUsage, "", "expected ids, or --all"},
		"version":            {[]string{"version"}, exitDone, "convstream v1.2.3, commit 0a1b2c3, go", ""},
		"--version":          {[]string{"--version"}, exitDone, "convstream v1.2.3, commit 0a1b2c3, go", ""},
		"unknown command":    {[]string{"polll"}, exitUsage, "", `unknown command "polll"`},
		"unknown flag":       {[]string{"--verbose"}, exitUsage, "", `unknown command "--verbose"`},
		"run argument":       {[]string{"run", "now"}, exitUsage, "", "run takes no arguments, settings are environment variables"},
		"run flag":           {[]string{"run", "--brokers"}, exitUsage, "", "run takes no arguments, settings are environment variables: flag provided but not defined: -brokers"},
		"version argument":   {[]string{"version", "all"}, exitUsage, "", "version takes no arguments"},
		"check --help":       {[]string{"check", "--help"}, exitDone, "usage: convstream check [--json]\n", ""},
		"check argument":     {[]string{"check", "kafka"}, exitUsage, "", "check takes --json and nothing else"},
		"config flag":        {[]string{"config", "--html"}, exitUsage, "", "config takes --markdown and nothing else"},
		"config argument":    {[]string{"config", "KAFKA_BROKERS"}, exitUsage, "", "config takes --markdown and nothing else"},
		"tail flag":          {[]string{"tail", "voice", "--rowss"}, exitUsage, "", "-rowss"},
		"tail from":          {[]string{"tail", "--from", "start"}, exitUsage, "", "beginning or end"},
		"tail from nothing":  {[]string{"tail", "--from"}, exitUsage, "", "-from"},
		"tail json and rows": {[]string{"tail", "--json", "voice", "--rows"}, exitUsage, "", "--json and --rows exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := convstream(t, valid, c.args...)
			if code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			says(t, "stdout", stdout, c.stdout)
			says(t, "stderr", stderr, c.stderr)
		})
	}
}

// TestDeclarations: usage and overview are made from what each command declares, so nothing of that may be missing.
func TestDeclarations(t *testing.T) {
	all := commands()
	for _, c := range all {
		if c.summary == "" || strings.Contains(c.summary, "\n") || c.run == nil {
			t.Errorf("%s: summary %q is not one line, or it does nothing", c.name, c.summary)
		}
		if found, rest := find(all, append(strings.Fields(c.name), "x")); found != c || len(rest) != 1 {
			t.Errorf("%s is not found by its name", c.name)
		}
		for _, f := range c.options() {
			if f.Usage == "" || !strings.Contains(c.usage(), "  "+spelt(f)+"  ") || !strings.Contains(overview(all), "["+spelt(f)+"]") {
				t.Errorf("%s --%s: no usage, or it is not shown", c.name, f.Name)
			}
		}
		if !strings.Contains(overview(all), c.summary) || !strings.Contains(c.usage(), c.summary) {
			t.Errorf("%s: its summary is not shown", c.name)
		}
	}
}

func says(t *testing.T, where, have, want string) {
	t.Helper()
	if !strings.Contains(have, want) || want == "" && have != "" {
		t.Errorf("%s: %q, want %q", where, have, want)
	}
}

// TestWrongSettings are all named at once, with what is expected, by every way to start the worker; no secret is quoted.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"SMARTASSIST_URL": "https://user:hunter2@service.example", "SMARTASSIST_ACCOUNT_ID": "a/b",
		"SMARTASSIST_JWT": "hunter2 in two words", "SMARTASSIST_CLIENT_SECRET_FILE": path, "SMARTASSIST_JWT_FILE": "hunter2",
		"SMARTASSIST_REQUESTS_PER_MINUTE": "100001", "KAFKA_BROKERS": "kafka", "KAFKA_SASL_PASSWORD": "hunter2", "POLL_INTERVAL": "30",
		"REREAD": "1h", "TOPIC_PARTITION": "3", "ADMIN_ADDR": "8080", "LOG_LEVEL": "loud",
	}
	expected := map[string]string{
		"SMARTASSIST_URL": "user or password in it", "SMARTASSIST_ACCOUNT_ID": "expected up to 100 letters",
		"SMARTASSIST_JWT": "expected one of them", "SMARTASSIST_CLIENT_SECRET_FILE": "empty", "SMARTASSIST_JWT_FILE": "expected the path",
		"SMARTASSIST_REQUESTS_PER_MINUTE": "expected 1 to 100000", "KAFKA_BROKERS": "host:port", "KAFKA_SASL_MECHANISM": "required with KAFKA_SASL_USERNAME",
		"POLL_INTERVAL": "expected one like 30s", "REREAD": "like 1h:5m", "TOPIC_PARTITION": "did you mean TOPIC_PARTITIONS?",
		"ADMIN_ADDR": "expected one like :8080", "LOG_LEVEL": "expected trace, debug, info",
	}
	for _, args := range [][]string{nil, {"run"}, {"config"}, {"check"}} {
		t.Run(strings.Join(append([]string{"convstream"}, args...), " "), func(t *testing.T) {
			code, stdout, stderr := convstream(t, env, args...)
			if shows := len(args) > 0 && args[0] == "config"; code != exitUsage || (stdout != "") != shows {
				t.Errorf("exit %d, want %d; stdout %q", code, exitUsage, stdout)
			}
			for name, text := range expected {
				if line := lineOf(stderr, "  "+name+": "); !strings.Contains(line, text) {
					t.Errorf("%s: said %q, want %q in it", name, line, text)
				}
			}
			if !strings.Contains(stderr, "configuration: 13 settings are wrong") {
				t.Errorf("does not count them: %q", stderr)
			}
			if strings.Contains(stdout+stderr, "hunter2") {
				t.Errorf("shows a secret:\n%s%s", stdout, stderr)
			}
		})
	}
}

// lineOf is the first line that holds the part.
func lineOf(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

func TestConfigShowsWhatHolds(t *testing.T) {
	t.Parallel()
	env := maps.Clone(valid)
	env["SETTLE"], env["SMARTASSIST_JWT"] = "3m", "hunter2"
	code, stdout, stderr := convstream(t, env, "config")
	if code != exitDone || stderr != "" || !strings.HasSuffix(stdout, "\nthe configuration is valid\n") {
		t.Errorf("exit %d, said %q, stdout\n%s", code, stderr, stdout)
	}
	for name, want := range map[string]string{
		"SETTLE": "2m 3m", "POLL_INTERVAL": "30s (default)", "SMARTASSIST_JWT ": "[redacted]", "KAFKA_BROKERS": "required 127.0.0.1:1",
	} {
		have := strings.Join(strings.Fields(lineOf(stdout, name)), " ")
		if !strings.HasSuffix(have, " "+want) {
			t.Errorf("%q, want it to end in %q", have, want)
		}
	}
	if strings.Contains(stdout, "hunter2") {
		t.Error("shows a secret")
	}
}

func TestConfigMarkdownIsATable(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := convstream(t, map[string]string{"SETTLE": "3m"}, "config", "--markdown")
	if code != exitDone || stderr != "" {
		t.Fatalf("exit %d, said %q", code, stderr)
	}
	rows := 0
	for lines := bufio.NewScanner(strings.NewReader(stdout)); lines.Scan() && lines.Text() != ""; rows++ {
		if n := strings.Count(strings.ReplaceAll(lines.Text(), `\|`, ""), "|"); n != 4 {
			t.Errorf("%d bars in %q", n, lines.Text())
		}
	}
	if rows < 30 || !strings.Contains(stdout, "| `SETTLE` | `2m` |") {
		t.Errorf("%d rows, want every setting with its default:\n%s", rows, stdout)
	}
}
