package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The time in which calls are counted for one kind of request. It is apart from all else, because counting costs time.
const counting = 500 * time.Millisecond

const allSystemCalls = "raw_syscalls:sys_enter"

// The system calls that are listed by name. All others count together.
var systemCalls = []string{
	"read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg", "epoll_wait", "epoll_pwait", "epoll_ctl",
	"futex", "sched_yield", "nanosleep", "clock_nanosleep", "madvise", "mmap", "munmap", "mprotect", "brk", "clone3", "getpid",
	"tgkill", "rt_sigreturn", "rt_sigprocmask", "getrandom",
}

// Everything in libc that allocates. The others call one of these, or nothing allocates with them.
var allocators = []string{"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"}

// Says once why a figure is missing.
var without sync.Map

func missing(what string, err error) {
	if _, said := without.LoadOrStore(what, true); !said {
		fmt.Fprintf(os.Stderr, "bench: %s are not counted: %v\n", what, err)
	}
}

// Counts the system calls and the allocations of each kind of request, where `perf` is there and may.
func countCalls(subject *subject, engine engine) {
	for _, operation := range subject.operations {
		counted, requests, err := count(subject.process, []string{allSystemCalls}, operation)
		if err != nil {
			missing("system calls", err)
			return
		}
		operation.sample.SystemCalls = counted[allSystemCalls] / requests
	}
	if !engine.libc {
		return
	}
	events, remove, err := probe(libc(subject.process), allocators)
	defer remove()
	if err != nil {
		missing("allocations", err)
		return
	}
	for _, operation := range subject.operations {
		counted, requests, err := count(subject.process, events, operation)
		if err != nil {
			missing("allocations", err)
			return
		}
		operation.sample.Allocations = sum(counted) / requests
	}
}

// Counts the system calls of one request by name.
func countByName(subject *subject, operation operation) (map[string]float64, error) {
	const prefix = "syscalls:sys_enter_"
	events := []string{allSystemCalls}
	for _, name := range systemCalls {
		events = append(events, prefix+name)
	}
	counted, requests, err := count(subject.process, events, operation)
	if err != nil {
		return nil, err
	}
	total := counted[allSystemCalls]
	delete(counted, allSystemCalls)
	byName := map[string]float64{"all": total / requests, "others": max(0, total-sum(counted)) / requests}
	for event, calls := range counted {
		if calls > 0 {
			byName[strings.TrimPrefix(event, prefix)] = calls / requests
		}
	}
	return byName, nil
}

func sum(counted map[string]float64) (total float64) {
	for _, calls := range counted {
		total += calls
	}
	return total
}

// Makes the kernel count calls of these functions of a library. Returns the names of the events, and how to undo it.
func probe(library string, functions []string) (events []string, remove func(), err error) {
	group := fmt.Sprintf("airlock_bench_%d", os.Getpid())
	remove = func() { exec.Command("perf", "probe", "--quiet", "--del", group+":*").Run() }
	if library == "" {
		return nil, remove, errors.New("the process has not loaded libc")
	}
	for _, function := range functions {
		// `perf` wants a name that no other group has.
		event := group + ":" + group + "_" + function
		add := exec.Command("perf", "probe", "--quiet", "--exec", library, "--add", event+"="+function)
		if output, err := add.CombinedOutput(); err != nil {
			return nil, remove, fmt.Errorf("perf probe %s: %w %s", function, err, bytes.TrimSpace(output))
		}
		events = append(events, event)
	}
	return events, remove, nil
}

// Counts events of a process exactly while it serves requests. Returns the counts, and the number of requests.
func count(pid int, events []string, operation operation) (map[string]float64, float64, error) {
	commands, toPerf, err := os.Pipe()
	if err != nil {
		return nil, 0, err
	}
	defer toPerf.Close()
	fromPerf, answers, err := os.Pipe()
	if err != nil {
		commands.Close()
		return nil, 0, err
	}
	defer fromPerf.Close()
	var output bytes.Buffer
	perf := exec.Command("perf", "stat", "--field-separator=;", "--delay=-1", "--control=fd:3,4",
		"--event="+strings.Join(events, ","), "--pid="+strconv.Itoa(pid))
	perf.Stderr, perf.ExtraFiles = &output, []*os.File{commands, answers}
	err = perf.Start()
	commands.Close()
	answers.Close()
	if err != nil {
		return nil, 0, err
	}
	answered := bufio.NewReader(fromPerf)
	tell := func(command string) error {
		if _, err := io.WriteString(toPerf, command+"\n"); err != nil {
			return err
		}
		_, err := answered.ReadString('\n')
		return err
	}
	requests := 0
	err = tell("enable")
	if err == nil {
		var latencies []time.Duration
		load := operation.load
		load.length = counting
		latencies, err = load.run(operation.send)
		requests = len(latencies)
	}
	err = errors.Join(err, tell("disable"))
	perf.Process.Signal(os.Interrupt)
	perf.Wait()
	if err != nil || requests == 0 {
		return nil, 0, fmt.Errorf("perf stat: %v %s", err, bytes.TrimSpace(output.Bytes()))
	}
	counted, err := parse(output.String())
	return counted, float64(requests), err
}

// Reads the lines of `perf stat`: count, unit, event, and more.
func parse(output string) (map[string]float64, error) {
	counted := map[string]float64{}
	for line := range strings.Lines(output) {
		fields := strings.Split(line, ";")
		if len(fields) < 3 {
			continue
		}
		if strings.HasPrefix(fields[0], "<not supported>") {
			return nil, fmt.Errorf("perf stat: %s is not supported", fields[2])
		}
		// An event that never happened is "<not counted>".
		calls, _ := strconv.ParseFloat(fields[0], 64)
		counted[fields[2]] += calls
	}
	if len(counted) == 0 {
		return nil, fmt.Errorf("perf stat: %s", strings.TrimSpace(output))
	}
	return counted, nil
}
