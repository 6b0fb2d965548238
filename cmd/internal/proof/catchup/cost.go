package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"
)

// cost is what a measured process used.
type cost struct {
	User, System, Wall time.Duration
	PeakRSS            int64 // bytes, from the start of the process on
}

// profileVariable names the file for a CPU profile of the measured process; beside it comes one of its allocations.
const profileVariable = "CATCHUP_PROFILE"

// measured runs f and then prints the cost that f gives, for the process that started this one.
func measured(f func() (cost, error)) error {
	end, err := profile(os.Getenv(profileVariable))
	if err != nil {
		return err
	}
	c, err := f()
	if err := errors.Join(err, end()); err != nil {
		return err
	}
	if c.PeakRSS, err = peakRSS(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

func profile(name string) (end func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	cpu, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		allocs, err := os.Create(name + ".allocs")
		if err != nil {
			return errors.Join(err, cpu.Close())
		}
		return errors.Join(cpu.Close(), pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close())
	}, pprof.StartCPUProfile(cpu)
}

// used is what the process has used so far, Wall being the time of day: differences count.
func used() (cost, error) {
	var r syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return cost{User: time.Duration(r.Utime.Nano()), System: time.Duration(r.Stime.Nano()), Wall: time.Since(started)}, err
}

var started = time.Now()

// add adds what was used between two calls of used.
func (c *cost) add(from, to cost) {
	c.User += to.User - from.User
	c.System += to.System - from.System
	c.Wall += to.Wall - from.Wall
}

var highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// peakRSS is not Rusage.Maxrss: that counts what the process was before exec, a copy of the one that started it.
func peakRSS() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	found := highWater.FindSubmatch(status)
	if found == nil {
		return 0, errors.New("/proc/self/status has no VmHWM")
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	return kilobytes << 10, err
}

// print is one row of the table.
func (c cost) print(what string, rows, transactions int) {
	fmt.Printf("| %s | %.1f | %.1f | %.1f | %.1f | %.0f | %d | %.1f | %d |\n", what, (c.User + c.System).Seconds(), c.User.Seconds(),
		c.System.Seconds(), c.Wall.Seconds(), float64(rows)/c.Wall.Seconds(), transactions, float64(transactions)/c.Wall.Seconds(), c.PeakRSS>>20)
}
