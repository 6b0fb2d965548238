// Package apicurio runs Apicurio Registry for tests: a schema registry that nobody here wrote, with Confluent's API, from
// its own Maven artifact, on loopback and with nothing kept. Needs Java 17 or newer, and Maven for the first time.
package apicurio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/child"
	"github.com/convstream/convstream/cmd/internal/proof/maven"
)

// Version is Apicurio Registry's: the newest that runs on Java 17.
const Version = "3.0.9"

const (
	directory = "apicurio-registry-" + Version
	artifact  = "io.apicurio:apicurio-registry-app:" + Version + ":tar.gz:all"
)

// Registry is one that runs.
type Registry struct {
	URL string // of Confluent's API, for SCHEMA_REGISTRY_URL

	log   string // file
	cmd   *exec.Cmd
	ended <-chan struct{}
}

// Start starts a registry whose files are in the directory and waits until it answers. It dies with this process.
func Start(ctx context.Context, dir string) (*Registry, error) {
	if missing := maven.Missing(directory); missing != "" {
		return nil, fmt.Errorf("start Apicurio Registry: %s missing, install default-jdk-headless and maven", missing)
	}
	home, err := maven.Archive(ctx, directory, artifact)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &Registry{
		URL: fmt.Sprintf("http://127.0.0.1:%d/apis/ccompat/v7", port), log: filepath.Join(dir, "registry.log"),
	}
	r.cmd = exec.Command("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx384m",
		"-Dquarkus.http.host=127.0.0.1", fmt.Sprintf("-Dquarkus.http.port=%d", port), "-Djava.io.tmpdir="+dir,
		"-cp", filepath.Join(home, "apicurio-registry-app-"+Version+"-runner.jar")+":"+filepath.Join(home, "lib", "*"),
		"io.quarkus.runner.GeneratedMain")
	r.cmd.Dir = dir
	if err := r.start(); err != nil {
		return nil, err
	}
	if err := r.await(ctx); err != nil {
		r.Stop()
		return nil, fmt.Errorf("%w; its log ends with\n%s", err, r.LogTail())
	}
	return r, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (r *Registry) start() error {
	log, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer log.Close()
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is for the tests alone
	r.ended, err = child.Start(r.cmd)
	return err
}

// await waits until the registry answers.
func (r *Registry) await(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	client := http.Client{Timeout: 2 * time.Second}
	for {
		if res, err := client.Get(r.URL + "/subjects"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-r.ended:
			return errors.New("the registry has ended")
		case <-ctx.Done():
			return fmt.Errorf("waiting until the registry answers: %w", context.Cause(ctx))
		}
	}
}

// Stop ends the registry; what it knows is gone.
func (r *Registry) Stop() {
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// LogTail is the end of what the registry says.
func (r *Registry) LogTail() string {
	text, _ := os.ReadFile(r.log)
	return string(text[max(0, len(text)-4000):])
}
