package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"
)

// cost is what a measured process used, all of it from its start on.
type cost struct {
	User, System time.Duration
	PeakRSS      int64 // bytes
	Allocated    int64 // bytes, in all
}

// profileVariable names the file for a CPU profile of the measured process.
const profileVariable = "CATCHUP_PROFILE"

// measured runs f and then prints the cost, for the process that started this one.
func measured(f func() error) error {
	if name := os.Getenv(profileVariable); name != "" {
		file, err := os.Create(name)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if err := f(); err != nil {
		return err
	}
	c, err := costSoFar()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

var highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

func costSoFar() (cost, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return cost{}, err
	}
	// Not Maxrss: that counts what the process was before exec, a copy of the one that started it.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return cost{}, err
	}
	found := highWater.FindSubmatch(status)
	if found == nil {
		return cost{}, fmt.Errorf("/proc/self/status has no VmHWM")
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return cost{
		User: time.Duration(used.Utime.Nano()), System: time.Duration(used.Stime.Nano()),
		PeakRSS: kilobytes << 10, Allocated: int64(memory.TotalAlloc),
	}, err
}

// print is one row of the table.
func (c cost) print(what string, wall time.Duration, rows, transactions int) {
	fmt.Printf("| %s | %.1f | %.1f | %.1f | %.1f | %.0f | %d | %.1f | %d | %d |\n", what, (c.User + c.System).Seconds(), c.User.Seconds(),
		c.System.Seconds(), wall.Seconds(), float64(rows)/wall.Seconds(), transactions, float64(transactions)/wall.Seconds(),
		c.PeakRSS>>20, c.Allocated>>20)
}
