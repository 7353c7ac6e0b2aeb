package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What one kind of request cost an engine, over all rounds.
type sample struct {
	Requests     int     `json:"requests"`
	PerSecond    float64 `json:"requests_per_second"`
	P50          float64 `json:"p50_us"`
	P99          float64 `json:"p99_us"`
	CPU          float64 `json:"plugin_cpu_us_per_request"`
	StorageCalls float64 `json:"storage_calls_per_request,omitempty"`

	latencies []time.Duration
	spent     time.Duration
	cpu       time.Duration
	calls     int64
}

// Sends requests from all callers for some time, each over all keys, and adds what they cost.
func (s *sample) load(length time.Duration, usage func() (time.Duration, int64), send func(key int) error) error {
	cpuBefore, callsBefore := usage()
	began := time.Now()
	until := began.Add(length)
	latencies := make([][]time.Duration, callers)
	failures := make([]error, callers)
	var running sync.WaitGroup
	for caller := range callers {
		running.Go(func() {
			for number := 0; ; number++ {
				sent := time.Now()
				if sent.After(until) {
					return
				}
				if err := send((caller*7 + number) % keys); err != nil {
					failures[caller] = err
					return
				}
				latencies[caller] = append(latencies[caller], time.Since(sent))
			}
		})
	}
	running.Wait()
	s.spent += time.Since(began)
	cpuAfter, callsAfter := usage()
	s.cpu += cpuAfter - cpuBefore
	s.calls += callsAfter - callsBefore
	for caller := range callers {
		if failures[caller] != nil {
			return failures[caller]
		}
		s.latencies = append(s.latencies, latencies[caller]...)
	}
	return nil
}

// Computes the figures once all rounds are done.
func (s *sample) finish() {
	s.Requests = len(s.latencies)
	if s.Requests == 0 {
		return
	}
	slices.Sort(s.latencies)
	microseconds := func(of time.Duration) float64 { return float64(of) / float64(time.Microsecond) }
	s.P50 = microseconds(s.latencies[s.Requests/2])
	s.P99 = microseconds(s.latencies[s.Requests*99/100])
	s.PerSecond = float64(s.Requests) / s.spent.Seconds()
	s.CPU = microseconds(s.cpu) / float64(s.Requests)
	s.StorageCalls = float64(s.calls) / float64(s.Requests)
}

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
func resident(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}
