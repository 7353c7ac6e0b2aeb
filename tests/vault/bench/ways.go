package main

import (
	"context"
	"fmt"
	"time"
)

// Returns a subject that reads and writes, whose cost is added to the figures.
func newSubject(engine engine, figures *figures, process int, load load, read, write func(key int) error) *subject {
	figures.Engine, figures.Measure, figures.Read, figures.Write = engine.name, engine.measure, &sample{}, &sample{}
	return &subject{
		figures: figures,
		process: process,
		calls:   func() int64 { return 0 },
		operations: []operation{
			{sample: figures.Read, load: load, send: read},
			{sample: figures.Write, load: load, send: write},
		},
	}
}

// Returns a subject that reads and writes at the first mount of a plugin.
func (c *client) subject(figures *figures, load load, value string) *subject {
	mount := c.mounts[0]
	read := func(key int) error { return mount.read(context.Background(), key) }
	write := func(key int) error { return mount.write(context.Background(), key, value) }
	subject := newSubject(c.engine, figures, c.pid, load, read, write)
	subject.calls = mount.storage.calls.Load
	return subject
}

// Plugins under go-plugin's own client.
type fleet []*client

// Starts each plugin once.
func launch(engines []engine) (fleet, error) {
	var clients fleet
	for _, engine := range engines {
		client, err := start(context.Background(), engine)
		if err != nil {
			clients.end()
			return nil, err
		}
		clients = append(clients, client)
	}
	return clients, nil
}

func (f fleet) end() {
	for _, client := range f {
		client.end()
	}
}

// Starts each plugin several times, and returns the last processes with the times of the starts.
func launchOften(engines []engine) (fleet, []*figures, error) {
	var clients fleet
	times := make([]figures, len(engines))
	checks, handshakes := make([][]time.Duration, len(engines)), make([][]time.Duration, len(engines))
	answers := make([][]time.Duration, len(engines))
	for number := range starts + 1 {
		for index, engine := range engines {
			client, err := start(context.Background(), engine)
			if err != nil {
				clients.end()
				return nil, nil, err
			}
			// The first start compiles a guest. The median of the others counts, with the compiled code at hand.
			if number > 0 {
				checks[index] = append(checks[index], client.check)
				handshakes[index] = append(handshakes[index], client.handshake)
				answers[index] = append(answers[index], client.firstAnswer)
			} else if engine.args != nil {
				times[index].Compiled = median([]time.Duration{client.firstAnswer})
			}
			if number < starts {
				client.end()
				continue
			}
			clients = append(clients, client)
			times[index].Idle = resident(client.pid)
		}
	}
	var measured []*figures
	for index := range times {
		times[index].Check, times[index].Handshake = median(checks[index]), median(handshakes[index])
		times[index].FirstAnswer = median(answers[index])
		measured = append(measured, &times[index])
	}
	return clients, measured, nil
}

// Measures the plugins under go-plugin's own client.
func byClient(engines []engine, length time.Duration) ([]*figures, error) {
	clients, measured, err := launchOften(engines)
	if err != nil {
		return nil, err
	}
	defer clients.end()
	var subjects []*subject
	for index, client := range clients {
		subject := client.subject(measured[index], usual(length), value)
		fill(subject, keys, subject.operations[1].send)
		subjects = append(subjects, subject)
	}
	measure(subjects, rounds)
	if err := failure(measured); err != nil {
		return nil, err
	}
	for index, subject := range subjects {
		countCalls(subject, engines[index])
	}
	return measured, nil
}

// Measures all engines through a real Vault.
func byVault(program string, engines []engine, length time.Duration) ([]*figures, error) {
	vault, err := startVault(program, callers)
	if err != nil {
		return nil, err
	}
	defer vault.end()
	var subjects []*subject
	var measured []*figures
	for _, engine := range engines {
		if err := vault.mount(engine); err != nil {
			return nil, fmt.Errorf("%s: %w", engine.name, err)
		}
		process := 0
		if engine.builtin == "" {
			process = vault.process(engine)
		}
		read := func(key int) error { return vault.read(engine, key) }
		write := func(key int) error { return vault.write(engine, key) }
		subject := newSubject(engine, &figures{Idle: resident(process)}, process, usual(length), read, write)
		fill(subject, keys, write)
		subjects, measured = append(subjects, subject), append(measured, subject.figures)
	}
	measure(subjects, rounds)
	return measured, failure(measured)
}
