package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// An engine to measure.
type engine struct {
	name     string
	program  string
	args     []string
	checksum []byte
	options  map[string]string
	// The type of an engine that is part of Vault.
	builtin string
	// Whether the engine keeps versions, below `data/`.
	versioned bool
	// The prefix of all paths, and the fields of a write if they are not only a value.
	folder string
	fields map[string]any
	// Whether the engine answers a list of keys.
	lists bool
	// Whether the program allocates with libc's `malloc`, which a Go program does not.
	libc bool
	// The engine that stands for 1.
	measure string
}

func (e engine) path(key int) string {
	return fmt.Sprintf("%skey-%06d", e.folder, key)
}

func (e engine) data(value string) map[string]any {
	fields := e.fields
	if fields == nil {
		fields = map[string]any{"value": value}
	}
	if e.versioned {
		return map[string]any{"data": fields}
	}
	return fields
}

// Returns the engine of `guest/kv` or `guest/versioned-kv` in `airlock serve`.
func airlock(name, program, guest, cache string) engine {
	return engine{
		name: name, program: program, lists: true, libc: true, measure: "kv-go",
		args: []string{"serve", "--guest=" + guest, "--unpinned", "--cache-dir=" + cache},
	}
}

// Returns the engine of a guest in one file with the host, which `airlock bundle` wrote.
func bundle(name, program string) engine {
	return engine{name: name, program: program, lists: true, libc: true, measure: "kv-go"}
}

// Makes an engine one with versions.
func versioned(e engine) engine {
	e.options, e.versioned, e.folder, e.measure = map[string]string{"version": "2"}, true, "data/", "kv2-go"
	return e
}

// Returns the engines in the order in which they are printed.
func allEngines(opts options) []engine {
	target, program, cache := opts.target, opts.program, opts.temporary
	release, guests := filepath.Join(target, "release"), filepath.Join(target, "guests")
	if program == "" {
		program = filepath.Join(release, "airlock")
	}
	kv, versionedKV := "kv.wasm", "versioned-kv.wasm"
	engines := []engine{
		{name: "kv-go", program: filepath.Join(target, "bench/kv-go"), lists: true, measure: "kv-go"},
		{name: "kv-native", program: filepath.Join(release, "examples/kv"), libc: true, measure: "kv-go"},
		airlock("kv-airlock", program, filepath.Join(guests, kv), cache),
		bundle("kv-bundle", filepath.Join(target, "bench/airlock-kv")),
		versioned(engine{name: "kv2-go", program: filepath.Join(target, "vault/kv-plugin")}),
		versioned(airlock("kv2-airlock", program, filepath.Join(guests, versionedKV), cache)),
		versioned(bundle("kv2-bundle", filepath.Join(target, "bench/airlock-versioned-kv"))),
		{name: "kv1-builtin", builtin: "kv", options: map[string]string{"version": "1"}, measure: "kv-go"},
		versioned(engine{name: "kv2-builtin", builtin: "kv"}),
	}
	if before := opts.before; before != "" {
		beforeGuests := opts.beforeGuests
		if beforeGuests == "" {
			beforeGuests = guests
		}
		// Compiled code of one binary must not replace that of the other.
		older := filepath.Join(cache, "before")
		engines = slices.Insert(engines, 2, airlock("kv-before", before, filepath.Join(beforeGuests, kv), older))
		second := versioned(airlock("kv2-before", before, filepath.Join(beforeGuests, versionedKV), older))
		engines = slices.Insert(engines, 6, second)
	}
	return engines
}

// Returns the engines with these names, with spaces or commas between them, or all of them if there is no name.
func choose(engines []engine, names string) ([]engine, error) {
	wanted := strings.FieldsFunc(names, func(letter rune) bool { return letter == ' ' || letter == ',' })
	if len(wanted) > 0 {
		var known []string
		for _, engine := range engines {
			known = append(known, engine.name)
		}
		for _, name := range wanted {
			if !slices.Contains(known, name) {
				return nil, fmt.Errorf("%q is not the name of an engine: choose from %s", name, strings.Join(known, " "))
			}
		}
		engines = slices.DeleteFunc(engines, func(of engine) bool { return !slices.Contains(wanted, of.name) })
	}
	// The first of a kind stands for 1 if the one that should was not chosen.
	first := map[string]string{}
	for index := range engines {
		engine := &engines[index]
		kind := engine.measure
		if first[kind] == "" {
			first[kind] = engine.name
		}
		engine.measure = first[kind]
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

// Returns the engines that are plugins.
func plugins(engines []engine) []engine {
	return slices.DeleteFunc(slices.Clone(engines), func(of engine) bool { return of.builtin != "" })
}
