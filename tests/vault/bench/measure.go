package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// The requests to send at once, for how long, and over how many keys.
type load struct {
	callers, keys int
	length        time.Duration
}

// The cost of one kind of request of an engine, over all rounds.
type sample struct {
	Requests     int     `json:"requests"`
	PerSecond    float64 `json:"requests_per_second"`
	P50          float64 `json:"p50_us"`
	P99          float64 `json:"p99_us"`
	CPU          float64 `json:"plugin_cpu_us_per_request"`
	StorageCalls float64 `json:"storage_calls_per_request,omitempty"`
	SystemCalls  float64 `json:"system_calls_per_request,omitempty"`
	Allocations  float64 `json:"allocations_per_request,omitempty"`
	Rounds       []round `json:"rounds,omitempty"`

	latencies []time.Duration
	spent     time.Duration
	cpu       time.Duration
	calls     int64
}

// The cost in one round, which shows how much the machine's noise matters.
type round struct {
	PerSecond float64 `json:"requests_per_second"`
	CPU       float64 `json:"plugin_cpu_us_per_request"`
}

// A kind of request, and the sample that its cost is added to.
type operation struct {
	sample *sample
	load   load
	send   func(key int) error
}

// An engine that serves, and how to reach it.
type subject struct {
	figures    *figures
	process    int
	calls      func() int64
	operations []operation
}

// Sends requests from all callers for some time, each over all keys. Returns the time that each took.
func (l load) run(send func(key int) error) ([]time.Duration, error) {
	until := time.Now().Add(l.length)
	latencies := make([][]time.Duration, l.callers)
	failures := make([]error, l.callers)
	var running sync.WaitGroup
	for caller := range l.callers {
		running.Go(func() {
			for number := 0; ; number++ {
				sent := time.Now()
				if sent.After(until) {
					return
				}
				if err := send((caller*7 + number) % l.keys); err != nil {
					failures[caller] = err
					return
				}
				latencies[caller] = append(latencies[caller], time.Since(sent))
			}
		})
	}
	running.Wait()
	for _, failure := range failures {
		if failure != nil {
			return nil, failure
		}
	}
	return slices.Concat(latencies...), nil
}

// Runs one round and adds its cost.
func (o operation) run(subject *subject) error {
	s := o.sample
	cpuBefore, callsBefore := cpuTime(subject.process), subject.calls()
	began := time.Now()
	latencies, err := o.load.run(o.send)
	if err != nil {
		return err
	}
	spent, cpu := time.Since(began), cpuTime(subject.process)-cpuBefore
	s.calls += subject.calls() - callsBefore
	s.spent += spent
	s.cpu += cpu
	s.latencies = append(s.latencies, latencies...)
	if count := float64(len(latencies)); count > 0 {
		s.Rounds = append(s.Rounds, round{PerSecond: count / spent.Seconds(), CPU: microseconds(cpu) / count})
	}
	return nil
}

// Measures the engines round by round. An engine that fails says so in its figures, and is left out from then on.
func measure(subjects []*subject, rounds int) {
	for round := range rounds {
		for place := range subjects {
			// Each round begins with another engine.
			subject := subjects[(place+round)%len(subjects)]
			for _, operation := range subject.operations {
				if subject.figures.Failed != "" {
					break
				}
				if err := operation.run(subject); err != nil {
					subject.figures.Failed = err.Error()
				}
			}
			subject.figures.Loaded = resident(subject.process)
		}
	}
	for _, subject := range subjects {
		for _, operation := range subject.operations {
			operation.sample.finish()
		}
	}
}

// Writes all keys once, so that a read finds them.
func fill(subject *subject, keys int, write func(key int) error) {
	for key := range keys {
		if err := write(key); err != nil {
			subject.figures.Failed = fmt.Sprint("write: ", err)
			return
		}
	}
}

// Returns an error if an engine failed.
func failure(measured []*figures) error {
	for _, of := range measured {
		if of.Failed != "" {
			return fmt.Errorf("%s: %s", of.Engine, of.Failed)
		}
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
	s.P50 = microseconds(s.latencies[s.Requests/2])
	s.P99 = microseconds(s.latencies[s.Requests*99/100])
	s.PerSecond = float64(s.Requests) / s.spent.Seconds()
	s.CPU = microseconds(s.cpu) / float64(s.Requests)
	s.StorageCalls = float64(s.calls) / float64(s.Requests)
}

func microseconds(of time.Duration) float64 { return float64(of) / float64(time.Microsecond) }

// Returns the median in milliseconds.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2]) / float64(time.Millisecond)
}
