// Measures Airlock beside Vault's Go plugins, in one run, round by round, so that a noisy machine favours nobody.
//
//	bench TARGET OUT.json [SECONDS]
//
// TARGET is the folder with all that was built. SECONDS is the time for one kind of request of one engine (default 4).
// `make bench` builds everything and runs this.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	callers = 16
	keys    = 100
	rounds  = 8
	starts  = 5
)

var value = "0123456789abcdef0123456789abcdef"

// An engine to measure.
type engine struct {
	name     string
	program  string
	args     []string
	checksum []byte
	options  map[string]string
	// The type of an engine that is part of Vault.
	builtin   string
	versioned bool
	// The engine that stands for 1.
	measure string
}

func (e engine) path(key int) string {
	if e.versioned {
		return fmt.Sprintf("data/key-%03d", key)
	}
	return fmt.Sprintf("key-%03d", key)
}

func (e engine) data() map[string]any {
	fields := map[string]any{"value": value}
	if e.versioned {
		return map[string]any{"data": fields}
	}
	return fields
}

// What was measured of an engine, one way.
type figures struct {
	Engine      string  `json:"engine"`
	Measure     string  `json:"compared_with"`
	Read        *sample `json:"read"`
	Write       *sample `json:"write"`
	Idle        float64 `json:"resident_mib_idle,omitempty"`
	Loaded      float64 `json:"resident_mib_after_load,omitempty"`
	Handshake   float64 `json:"ms_to_handshake,omitempty"`
	FirstAnswer float64 `json:"ms_to_first_answer,omitempty"`
}

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 || len(args) > 4 {
		return fmt.Errorf("usage: bench TARGET OUT.json [SECONDS]")
	}
	target, err := filepath.Abs(args[1])
	if err != nil {
		return err
	}
	seconds := 4.0
	if len(args) == 4 {
		if seconds, err = strconv.ParseFloat(args[3], 64); err != nil || seconds <= 0 {
			return fmt.Errorf("%q is not a valid number of seconds", args[3])
		}
	}
	length := time.Duration(seconds / rounds * float64(time.Second))
	cache, err := os.MkdirTemp("", "airlock-bench-cache-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	engines, err := all(target, cache)
	if err != nil {
		return err
	}
	alone, err := byClient(engines, length)
	if err != nil {
		return err
	}
	print("By go-plugin's own client, storage in its memory, an existence check before each write", alone)
	through, err := byVault(filepath.Join(target, "vault/vault"), engines, length)
	if err != nil {
		return err
	}
	print("Through a real Vault over HTTP, storage in its memory", through)
	text, err := json.MarshalIndent(map[string]any{
		"callers": callers, "keys": keys, "value_bytes": len(value), "rounds": rounds,
		"go_plugin_client": alone, "vault": through,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(args[2], append(text, '\n'), 0o644)
}

func all(target, cache string) ([]engine, error) {
	airlock := func(guest string) []string {
		return []string{
			"serve", "--guest=" + filepath.Join(target, "guests", guest), "--unpinned", "--cache-dir=" + cache,
		}
	}
	release := filepath.Join(target, "release")
	second := map[string]string{"version": "2"}
	engines := []engine{
		{name: "kv-go", program: filepath.Join(target, "bench/kv-go"), measure: "kv-go"},
		{name: "kv-native", program: filepath.Join(release, "examples/kv"), measure: "kv-go"},
		{name: "kv-airlock", program: filepath.Join(release, "airlock"), args: airlock("kv.wasm"), measure: "kv-go"},
		{name: "kv2-go", program: filepath.Join(target, "vault/kv-plugin"), options: second, versioned: true, measure: "kv2-go"},
		{name: "kv2-airlock", program: filepath.Join(release, "airlock"), args: airlock("versioned-kv.wasm"), options: second, versioned: true, measure: "kv2-go"},
		{name: "kv1-builtin", builtin: "kv", options: map[string]string{"version": "1"}, measure: "kv-go"},
		{name: "kv2-builtin", builtin: "kv", options: second, versioned: true, measure: "kv2-go"},
	}
	for index := range engines {
		engine := &engines[index]
		if engine.builtin != "" {
			continue
		}
		var err error
		if engine.checksum, err = checksum(engine.program); err != nil {
			return nil, err
		}
	}
	return engines, nil
}

// Measures the plugins under go-plugin's own client.
func byClient(engines []engine, length time.Duration) ([]*figures, error) {
	ctx := context.Background()
	var measured []*figures
	var clients []*client
	var plugins []engine
	defer func() {
		for _, client := range clients {
			client.end()
		}
	}()
	for _, engine := range engines {
		if engine.builtin != "" {
			continue
		}
		of := &figures{Engine: engine.name, Measure: engine.measure, Read: &sample{}, Write: &sample{}}
		// The first start compiles a guest. The median of the others counts, with the compiled code at hand.
		var handshakes, answers []time.Duration
		for number := range starts + 1 {
			client, err := start(ctx, engine)
			if err != nil {
				return nil, err
			}
			if number == 0 {
				client.end()
				continue
			}
			handshakes, answers = append(handshakes, client.handshake), append(answers, client.firstAnswer)
			if number < starts {
				client.end()
				continue
			}
			of.Idle = resident(client.pid)
			clients = append(clients, client)
		}
		of.Handshake, of.FirstAnswer = median(handshakes), median(answers)
		for key := range keys {
			if err := clients[len(clients)-1].write(ctx, engine, key); err != nil {
				return nil, fmt.Errorf("%s: %w", engine.name, err)
			}
		}
		measured, plugins = append(measured, of), append(plugins, engine)
	}
	for round := range rounds {
		for place := range plugins {
			// Each round begins with another engine.
			index := (place + round) % len(plugins)
			client, engine, of := clients[index], plugins[index], measured[index]
			usage := func() (time.Duration, int64) { return cpuTime(client.pid), client.storage.calls.Load() }
			read := func(caller, number int) error { return client.read(ctx, engine, (caller*7+number)%keys) }
			write := func(caller, number int) error { return client.write(ctx, engine, (caller*7+number)%keys) }
			if err := of.Read.load(callers, length, usage, read); err != nil {
				return nil, fmt.Errorf("%s: read: %w", engine.name, err)
			}
			if err := of.Write.load(callers, length, usage, write); err != nil {
				return nil, fmt.Errorf("%s: write: %w", engine.name, err)
			}
			of.Loaded = resident(client.pid)
		}
	}
	return finished(measured), nil
}

// Measures all engines through a real Vault.
func byVault(program string, engines []engine, length time.Duration) ([]*figures, error) {
	vault, err := startVault(program, callers)
	if err != nil {
		return nil, err
	}
	defer vault.end()
	var measured []*figures
	var processes []int
	for _, engine := range engines {
		if err := vault.mount(engine); err != nil {
			return nil, fmt.Errorf("%s: %w", engine.name, err)
		}
		for key := range keys {
			if err := vault.write(engine, key); err != nil {
				return nil, fmt.Errorf("%s: %w", engine.name, err)
			}
		}
		measured = append(measured, &figures{Engine: engine.name, Measure: engine.measure, Read: &sample{}, Write: &sample{}})
		process := 0
		if engine.builtin == "" {
			process = vault.process(engine)
		}
		processes = append(processes, process)
	}
	for round := range rounds {
		for place := range engines {
			index := (place + round) % len(engines)
			engine, of, process := engines[index], measured[index], processes[index]
			usage := func() (time.Duration, int64) { return cpuTime(process), 0 }
			read := func(caller, number int) error { return vault.read(engine, (caller*7+number)%keys) }
			write := func(caller, number int) error { return vault.write(engine, (caller*7+number)%keys) }
			if err := of.Read.load(callers, length, usage, read); err != nil {
				return nil, fmt.Errorf("%s: read: %w", engine.name, err)
			}
			if err := of.Write.load(callers, length, usage, write); err != nil {
				return nil, fmt.Errorf("%s: write: %w", engine.name, err)
			}
			if process != 0 {
				of.Loaded = resident(process)
			}
		}
	}
	return finished(measured), nil
}

func finished(measured []*figures) []*figures {
	for _, of := range measured {
		of.Read.finish()
		of.Write.finish()
	}
	return measured
}
