// Package child starts processes that die with this one: what a test starts does not outlive it, however the test ends.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts the command. ended is closed when it has ended; ProcessState is set then.
func Start(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started, over := make(chan error), make(chan struct{})
	go func() {
		// A process is told of the death of the thread that started it, not of the process: keep this thread for as long.
		runtime.LockOSThread()
		err := cmd.Start()
		if started <- err; err == nil {
			_ = cmd.Wait()
			close(over)
		}
	}()
	return over, <-started
}
