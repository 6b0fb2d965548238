// Package maven has Maven fetch what tests run and nobody here wrote: Apache Kafka, a schema registry, Flink. Everything is
// kept below the user's cache directory, whole or not at all; processes that want the same at the same time wait for the
// first.
package maven

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Cache is our directory below the user's cache, made where it is not there.
func Cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "convstream")
	return dir, os.MkdirAll(dir, 0o755)
}

// Missing names the programs that are needed to run Java from the named directories of the cache and are not there; "" is
// none. Maven is needed only where one of the directories is still to be filled.
func Missing(names ...string) string {
	need := []string{"java"}
	cache, err := Cache()
	for _, name := range names {
		if err != nil || !exists(filepath.Join(cache, name)) {
			need = append(need, "mvn")
			break
		}
	}
	var missing []string
	for _, program := range need {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	return strings.Join(missing, " and ")
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// Named is a name in the cache for what the text describes: another text has another name.
func Named(name string, text []byte) string {
	return fmt.Sprintf("%s-%x", name, sha256.Sum256(text))[:len(name)+9]
}

// Libs gives the directory with the jars that the pom depends on.
func Libs(ctx context.Context, name string, pom []byte) (string, error) {
	return Fill(name, func(dir string) error {
		work, err := os.MkdirTemp("", "pom")
		if err != nil {
			return err
		}
		defer os.RemoveAll(work)
		if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
			return err
		}
		return mvn(ctx, work, "dependency:copy-dependencies", "-DoutputDirectory="+dir)
	})
}

// Archive gives the directory with what is in a tar.gz; the artifact is group:name:version:type:classifier.
func Archive(ctx context.Context, name, artifact string) (string, error) {
	return Fill(name, func(dir string) error {
		work, err := os.MkdirTemp("", "archive")
		if err != nil {
			return err
		}
		defer os.RemoveAll(work)
		// Not dependency:get: that asks for the parent of the artifact's pom, which is not everywhere to be had.
		if err := mvn(ctx, work, "dependency:copy", "-Dartifact="+artifact, "-DoutputDirectory="+work); err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(work, "*.tar.gz"))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("fetch %s: %d archives came (%w)", artifact, len(files), err)
		}
		if out, err := exec.CommandContext(ctx, "tar", "-xzf", files[0], "-C", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w\n%s", artifact, err, out)
		}
		return nil
	})
}

func mvn(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "mvn", append([]string{"-q", "-B"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Fill gives the named directory of the cache. Where it is not there yet it is made from an empty one that fill has filled.
func Fill(name string, fill func(dir string) error) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(dir) {
		return dir, nil
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := fill(work); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	return dir, os.Rename(work, dir)
}

// lock waits until it alone holds the file.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}
