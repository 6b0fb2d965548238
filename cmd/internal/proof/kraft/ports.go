package kraft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/convstream/convstream/cmd/internal/proof/maven"
)

// A cluster takes a block of ports below those that the system gives to whoever asks for any (from 32768 on Linux). A file
// lock says that the block is taken. Brokers inherit the lock, so it lasts as long as any of them lives, also where the
// process that started them has ended.
const (
	firstPort = 16384
	blockSize = 64
	blocks    = 250
)

// takePorts gives the first port of a block and the lock on it.
func takePorts() (int, *os.File, error) {
	for _, block := range rand.Perm(blocks) {
		port := firstPort + block*blockSize
		f, err := lockPorts(port)
		if err != nil {
			return 0, nil, err
		}
		if f != nil && free(port) {
			return port, f, nil
		}
		if f != nil {
			_ = f.Close()
		}
	}
	return 0, nil, errors.New("every block of ports on this machine is taken")
}

// lockPorts gives no file where another cluster has the block.
func lockPorts(port int) (*os.File, error) {
	dir, err := maven.Cache()
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(dir, "ports")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(port)), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock ports %d to %d: %w", port, port+blockSize-1, err)
	}
	return f, nil
}

// free tells that nobody listens on the block who knows nothing of our locks.
func free(first int) bool {
	for port := first; port < first+blockSize; port++ {
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
