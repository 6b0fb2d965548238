package kraft

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Version is Apache Kafka's.
const Version = "4.3.1"

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>convstream</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + Version + `</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

// Missing names the programs that are needed and not there; "" is none.
func Missing() string {
	need := []string{"java"}
	if dir, err := cacheDir(); err != nil || !exists(filepath.Join(dir, "kafka-"+Version)) {
		need = append(need, "mvn")
	}
	var missing []string
	for _, name := range need {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	return strings.Join(missing, " and ")
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// cacheDir is ours below the user's, made where it is not there.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "convstream")
	return dir, os.MkdirAll(dir, 0o755)
}

// artifacts gives the directory of the jars. Where they are not in the cache yet Maven fetches them (43 MB); processes that
// come at the same time wait for the first.
func artifacts(ctx context.Context) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	libs := filepath.Join(cache, "kafka-"+Version)
	unlock, err := lock(libs + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(libs) {
		return libs, nil
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), []byte(pom), 0o644); err != nil {
		return "", err
	}
	fetch := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(work, "libs"))
	fetch.Dir = work
	if out, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch Apache Kafka %s with Maven: %w\n%s", Version, err, out)
	}
	return libs, os.Rename(filepath.Join(work, "libs"), libs)
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
