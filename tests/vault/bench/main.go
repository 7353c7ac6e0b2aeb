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
	"strings"
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
		{
			name: "kv2-airlock", program: filepath.Join(release, "airlock"), args: airlock("versioned-kv.wasm"),
			options: second, versioned: true, measure: "kv2-go",
		},
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
	var clients []*client
	defer func() {
		for _, client := range clients {
			client.end()
		}
	}()
	var subjects []*subject
	for _, engine := range engines {
		if engine.builtin != "" {
			continue
		}
		// The first start compiles a guest. The median of the others counts, with the compiled code at hand.
		var handshakes, answers []time.Duration
		for number := range starts + 1 {
			client, err := start(ctx, engine)
			if err != nil {
				return nil, err
			}
			if number > 0 {
				handshakes, answers = append(handshakes, client.handshake), append(answers, client.firstAnswer)
			}
			if number < starts {
				client.end()
				continue
			}
			clients = append(clients, client)
		}
		client := clients[len(clients)-1]
		subject := newSubject(engine, client.pid)
		subject.figures.Idle = resident(client.pid)
		subject.figures.Handshake, subject.figures.FirstAnswer = median(handshakes), median(answers)
		subject.calls = client.storage.calls.Load
		subject.read = func(key int) error { return client.read(ctx, engine, key) }
		subject.write = func(key int) error { return client.write(ctx, engine, key) }
		subjects = append(subjects, subject)
	}
	return measure(subjects, length)
}

// Measures all engines through a real Vault.
func byVault(program string, engines []engine, length time.Duration) ([]*figures, error) {
	vault, err := startVault(program, callers)
	if err != nil {
		return nil, err
	}
	defer vault.end()
	var subjects []*subject
	for _, engine := range engines {
		if err := vault.mount(engine); err != nil {
			return nil, fmt.Errorf("%s: %w", engine.name, err)
		}
		process := 0
		if engine.builtin == "" {
			process = vault.process(engine)
		}
		subject := newSubject(engine, process)
		subject.read = func(key int) error { return vault.read(engine, key) }
		subject.write = func(key int) error { return vault.write(engine, key) }
		subjects = append(subjects, subject)
	}
	return measure(subjects, length)
}

// An engine that serves, and how to reach it.
type subject struct {
	figures     *figures
	process     int
	calls       func() int64
	read, write func(key int) error
}

func newSubject(engine engine, process int) *subject {
	return &subject{
		figures: &figures{Engine: engine.name, Measure: engine.measure, Read: &sample{}, Write: &sample{}},
		process: process,
		calls:   func() int64 { return 0 },
	}
}

// Fills all keys, then measures the engines round by round.
func measure(subjects []*subject, length time.Duration) ([]*figures, error) {
	for _, subject := range subjects {
		for key := range keys {
			if err := subject.write(key); err != nil {
				return nil, fmt.Errorf("%s: write: %w", subject.figures.Engine, err)
			}
		}
	}
	for round := range rounds {
		for place := range subjects {
			// Each round begins with another engine.
			subject := subjects[(place+round)%len(subjects)]
			usage := func() (time.Duration, int64) { return cpuTime(subject.process), subject.calls() }
			if err := subject.figures.Read.load(length, usage, subject.read); err != nil {
				return nil, fmt.Errorf("%s: read: %w", subject.figures.Engine, err)
			}
			if err := subject.figures.Write.load(length, usage, subject.write); err != nil {
				return nil, fmt.Errorf("%s: write: %w", subject.figures.Engine, err)
			}
			subject.figures.Loaded = resident(subject.process)
		}
	}
	var measured []*figures
	for _, subject := range subjects {
		subject.figures.Read.finish()
		subject.figures.Write.finish()
		measured = append(measured, subject.figures)
	}
	return measured, nil
}

// Tries a write until it is no longer refused because the official KV engine upgrades its storage, which it does in the
// background.
func untilUpgraded(write func() error) error {
	until := time.Now().Add(30 * time.Second)
	for {
		err := write()
		if err == nil || !strings.Contains(err.Error(), "pgrad") || time.Now().After(until) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}
