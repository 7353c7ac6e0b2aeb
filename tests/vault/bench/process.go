package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Returns the CPU time of a process with all its threads. The kernel counts it in nanoseconds in `schedstat`, which each
// thread has; a thread that has ended no longer counts.
func cpuTime(pid int) time.Duration {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0
	}
	var total time.Duration
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, thread.Name()))
		if fields := strings.Fields(string(text)); err == nil && len(fields) > 0 {
			nanoseconds, _ := strconv.ParseInt(fields[0], 10, 64)
			total += time.Duration(nanoseconds)
		}
	}
	return total
}

// Returns the resident memory of a process in MiB.
func resident(pid int) float64 { return memory(pid, "VmRSS:") }

// Returns the most memory that a process has had resident, in MiB.
func peak(pid int) float64 { return memory(pid, "VmHWM:") }

func memory(pid int, name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name); found {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// Returns the file of libc that a process has loaded, or nothing.
func libc(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 6 && strings.Contains(fields[5], "/libc.so") {
			return fields[5]
		}
	}
	return ""
}
