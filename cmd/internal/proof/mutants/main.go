// Mutants plants bugs, one at a time, and holds that the tests find each of them:
//
//	go run ./cmd/internal/proof/mutants [-seeds 30] [-only NAME]
//
// Nothing is written into the tree: the changed files are given to go test as an overlay. For each bug it prints which test
// finds it and how long that takes, and which of the random worlds of TestSeeds is the first to find it. The exit code is 1
// where a bug was not found by the test it is meant for.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func main() {
	seeds := flag.Int("seeds", 30, "random worlds that look for each bug; 0 for none")
	only := flag.String("only", "", "a part of a bug's name: plant no other")
	flag.Parse()
	fmt.Println("| planted bug | found by | after | first of the random worlds that finds it |\n|---|---|---|---|")
	survived := 0
	for _, m := range mutants {
		if !strings.Contains(m.name, *only) {
			continue
		}
		found, line, err := m.hunt(*seeds)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", m.name, err)
			os.Exit(2)
		}
		if fmt.Println(line); !found {
			survived++
		}
	}
	if survived > 0 {
		fmt.Printf("\n%d bugs were not found\n", survived)
		os.Exit(1)
	}
}

// hunt plants the bug and gives its line of the table.
func (m mutant) hunt(seeds int) (found bool, line string, err error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return false, "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.plant(dir)
	if err != nil {
		return false, "", err
	}
	began := time.Now()
	out, passed, err := goTest(overlay, m.in, "-run", "^"+m.test+"$", "-failfast")
	if err != nil {
		return false, "", err
	}
	by, after := m.test, time.Since(began).Round(time.Second)
	if passed {
		by = "NOT by " + m.test
	} else {
		for _, name := range failed.FindAllStringSubmatch(out, -1) { // the deepest
			if len(name[1]) > len(by) || !strings.Contains(by, "/") {
				by = name[1]
			}
		}
	}
	world := "not looked for"
	if seeds > 0 {
		if world, err = firstWorld(overlay, seeds); err != nil {
			return false, "", err
		}
	}
	return !passed, fmt.Sprintf("| %s | `%s` | %v | %s |", m.name, by, after, world), nil
}

var (
	failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	seed   = regexp.MustCompile(`(?m)^\s*seeds_test.go:\d+: seed (\d+):|--- FAIL: TestSeeds/worlds/(\d+)`)
)

// firstWorld is the number of the first random world that finds the bug. They are played one after the other.
func firstWorld(overlay string, seeds int) (string, error) {
	began := time.Now()
	out, passed, err := goTest(overlay, "./cmd/internal/fleet", "-run", "^TestSeeds$", "-failfast", "-parallel", "1", "-seeds", strconv.Itoa(seeds), "-shrink", "0")
	if err != nil || passed {
		return fmt.Sprintf("none of %d", seeds), err
	}
	number := seed.FindStringSubmatch(out)
	if number == nil {
		return "the process ended", nil
	}
	return fmt.Sprintf("%s, after %v", number[1]+number[2], time.Since(began).Round(time.Second)), nil
}

// plant writes the changed files into dir and gives the overlay's name.
func (m mutant) plant(dir string) (overlay string, err error) {
	replace := map[string]string{}
	for i, e := range m.edits {
		file, err := filepath.Abs(e.file)
		if err != nil {
			return "", err
		}
		source := file
		if replace[file] != "" {
			source = replace[file]
		}
		text, err := os.ReadFile(source)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			return "", fmt.Errorf("%s holds %d times what is to be changed, want once: %s", e.file, n, e.old)
		}
		replace[file] = filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(replace[file], []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o644)
}

// goTest runs tests with the overlay. A bug that does not compile is an error, and finds nothing.
func goTest(overlay, pkg string, args ...string) (out string, passed bool, err error) {
	args = append([]string{"test", "-count=1", "-vet=off", "-timeout=5m", "-overlay=" + overlay, pkg}, args...)
	b, err := exec.Command("go", args...).CombinedOutput()
	if strings.Contains(string(b), "[build failed]") {
		return "", false, fmt.Errorf("does not compile:\n%s", b)
	}
	return string(b), err == nil, nil
}
