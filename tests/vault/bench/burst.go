package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	burstWrites = 64
	burstBytes  = 900_000
)

// When resident memory is looked at after a burst, in seconds.
var burstTimes = []float64{0, 1, 2, 5, 10, 20, 30, 40, 50, 60}

// The resident memory of a plugin before, in and after a burst of large writes.
type burst struct {
	Engine  string    `json:"engine"`
	Before  float64   `json:"resident_mib_before"`
	Peak    float64   `json:"resident_mib_peak"`
	Seconds []float64 `json:"seconds_after"`
	After   []float64 `json:"resident_mib_after"`
	Failed  string    `json:"failed,omitempty"`
}

// Sends each plugin a burst of large writes after its usual load, and watches its memory while nothing else happens.
func byBurst(engines []engine, opts options) ([]*burst, error) {
	clients, err := launch(engines)
	if err != nil {
		return nil, err
	}
	defer clients.end()
	var bursts []*burst
	var watching sync.WaitGroup
	for _, client := range clients {
		subject := client.subject(&figures{}, usual(opts.length), value)
		fill(subject, keys, subject.operations[1].send)
		for _, operation := range subject.operations {
			if err := operation.run(subject); err != nil {
				return nil, fmt.Errorf("%s: %w", client.engine.name, err)
			}
		}
		of := &burst{Engine: client.engine.name, Before: resident(client.pid)}
		bursts = append(bursts, of)
		if err := client.burst(); err != nil {
			of.Failed = err.Error()
		}
		of.Peak = peak(client.pid)
		watching.Go(func() { of.watch(client.pid) })
	}
	watching.Wait()
	return bursts, nil
}

func (b *burst) watch(pid int) {
	began := time.Now()
	for _, seconds := range burstTimes {
		time.Sleep(time.Until(began.Add(time.Duration(seconds * float64(time.Second)))))
		b.Seconds, b.After = append(b.Seconds, seconds), append(b.After, resident(pid))
	}
}

// Writes many large values at once.
func (c *client) burst() error {
	large := strings.Repeat("x", burstBytes)
	failures := make([]error, burstWrites)
	var running sync.WaitGroup
	for key := range burstWrites {
		running.Go(func() { failures[key] = c.mounts[0].write(context.Background(), key, large) })
	}
	running.Wait()
	return errors.Join(failures...)
}

func printBursts(bursts []*burst) {
	fmt.Printf("\nResident MiB around a burst of %d writes of %d kB at once, after the usual load\n\n", burstWrites, burstBytes/1000)
	memory := table{heads: []string{"engine", "before", "peak", "right after", "10 s after", "60 s after", "failed"}}
	for _, of := range bursts {
		at := func(index int) string { return mebibytes(of.After[index], of.Before) }
		memory.row(of.Engine, mebibytes(of.Before, of.Before), mebibytes(of.Peak, of.Before), at(0), at(4),
			at(len(of.After)-1), of.Failed)
	}
	memory.print()
}
