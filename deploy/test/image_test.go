package deploy

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const dockerfile = "../Dockerfile"

// instruction is one of the Dockerfile's, its continuation lines joined.
type instruction struct{ name, rest string }

// stages splits the Dockerfile at its FROM lines, in which arguments from before the first have their defaults.
func stages(t *testing.T) (stages [][]instruction) {
	t.Helper()
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		switch {
		case name == "FROM":
			stages = append(stages, nil)
			rest = withDefaults(rest, defaults)
		case len(stages) == 0 && name == "ARG":
			arg, value, _ := strings.Cut(rest, "=")
			defaults[arg] = value
			continue
		case len(stages) == 0:
			t.Fatalf("%s before the first FROM", name)
		}
		stages[len(stages)-1] = append(stages[len(stages)-1], instruction{name, strings.Join(strings.Fields(rest), " ")})
	}
	return stages
}

// withDefaults replaces $NAME for the arguments that are known.
func withDefaults(text string, defaults map[string]string) string {
	return os.Expand(text, func(name string) string {
		if value, ok := defaults[name]; ok {
			return value
		}
		return "$" + name
	})
}

// rests are the arguments of all instructions of a name.
func rests(stage []instruction, name string) (rests []string) {
	for _, i := range stage {
		if i.name == name {
			rests = append(rests, i.rest)
		}
	}
	return rests
}

func TestImageIsEmptyButForTheWorker(t *testing.T) {
	all := stages(t)
	if len(all) != 2 {
		t.Fatalf("%d stages, want 2", len(all))
	}
	last := all[1]
	for name, want := range map[string][]string{
		"FROM":       {"scratch"},
		"USER":       {"65532:65532"},
		"ENTRYPOINT": {`["/convstream"]`},
		"RUN":        nil,
		"ADD":        nil,
		"ENV":        {"ZONEINFO=/zoneinfo.zip"},
		"COPY": {"--from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt", "--from=build /usr/local/go/lib/time/zoneinfo.zip /zoneinfo.zip",
			"LICENSE /LICENSE", "--from=build /out/convstream /convstream"},
	} {
		if got := rests(last, name); !slices.Equal(got, want) {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	labels := strings.Join(rests(last, "LABEL"), " ")
	for _, label := range []string{"title=", "description=", "source=", "licenses=\"Apache-2.0\"", "version=\"$VERSION\"", "revision=\"$COMMIT\""} {
		if !strings.Contains(labels, "org.opencontainers.image."+label) {
			t.Errorf("label %s is missing in %s", label, labels)
		}
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(strings.TrimSpace(string(root)), "lib/time/zoneinfo.zip")); err != nil {
		t.Errorf("the time zones the image copies are not part of Go: %v", err)
	}
}

func TestBuilderHasTheModulesGo(t *testing.T) {
	output, err := inRepository("go", "list", "-m", "-f", "{{.GoVersion}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	minor := strings.Join(strings.Split(strings.TrimSpace(string(output)), ".")[:2], ".")
	if got, want := rests(stages(t)[0], "FROM"), "--platform=$BUILDPLATFORM golang:"+minor+"-bookworm AS build"; !slices.Equal(got, []string{want}) {
		t.Errorf("FROM %q, want %q", got, want)
	}
}

func inRepository(name string, args ...string) *exec.Cmd {
	command := exec.Command(name, args...)
	command.Dir = repository
	return command
}

// TestImageBuilds does what the builder does: the files that .dockerignore lets through, in a folder of their own, and
// the Dockerfile's own command: a folder that .dockerignore forgets fails here. What comes out must be static, and know
// its version.
func TestImageBuilds(t *testing.T) {
	context, out := t.TempDir(), t.TempDir()
	copyContext(t, context)
	commands := rests(stages(t)[0], "RUN")
	if len(commands) != 2 || commands[0] != "go mod download" {
		t.Fatalf("RUN %q", commands)
	}
	build := exec.Command("sh", "-c", strings.ReplaceAll(commands[1], "/out/", out+"/"))
	build.Dir = context
	build.Env = append(build.Environ(), "VERSION=v9.8.7-test", "COMMIT=0123abc", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	binary := filepath.Join(out, "convstream")
	checkStatic(t, binary)
	if runtime.GOOS != "linux" {
		return
	}
	output, err := exec.Command(binary, "version").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "v9.8.7-test") || !strings.Contains(string(output), "0123abc") {
		t.Errorf("convstream version: %v, %s", err, output)
	}
}

// checkStatic looks for an interpreter, shared libraries, cgo and paths of the builder.
func checkStatic(t *testing.T, binary string) {
	t.Helper()
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s has a %v segment: it is not static", binary, p.Type)
		}
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["-trimpath"] != "true" || settings["CGO_ENABLED"] != "0" {
		t.Errorf("built with %v", settings)
	}
}

// copyContext copies what .dockerignore lets through: it lists what is let in again after a first "*", and then what of
// that stays out.
func copyContext(t *testing.T, to string) {
	t.Helper()
	text, err := os.ReadFile(repository + "/.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	var in, out []string
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case line == "" || line == "*" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "!"):
			in = append(in, line[1:])
		case strings.HasPrefix(line, "**/"):
			out = append(out, strings.TrimPrefix(line, "**/"))
		default:
			t.Fatalf(".dockerignore: this test does not understand %q", line)
		}
	}
	if !strings.Contains(string(text), "\n*\n") {
		t.Fatal(".dockerignore does not begin by ignoring everything")
	}
	for _, name := range in {
		copyTree(t, filepath.Join(repository, name), filepath.Join(to, name), out)
	}
}

func copyTree(t *testing.T, from, to string, except []string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, pattern := range except {
			if matched, err := filepath.Match(pattern, entry.Name()); err != nil || matched {
				if entry.IsDir() {
					return filepath.SkipDir
				}
				return err
			}
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, relative), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
