package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/logical"
)

// The rounds of each point of a series.
const pointRounds = 4

// How the cost of a request grows with what an engine is given.
type series struct {
	// The name of the plot's file.
	Name  string `json:"name"`
	Title string `json:"title"`
	// What grows, with its unit.
	Axis   string     `json:"axis"`
	Points []*figures `json:"points"`
}

// Measures how the cost grows, prints it, and draws it.
func (r *report) grow(engines []engine, opts options) error {
	// The engines with versions are left out: how they grow is up to the engine, not to what runs it.
	simple := slices.DeleteFunc(plugins(engines), func(of engine) bool { return of.versioned })
	if len(simple) == 0 {
		return fmt.Errorf("a full run needs one of the engines kv-go, kv-native, kv-airlock")
	}
	guests := filepath.Join(opts.target, "guests")
	for _, step := range []func() (*series, error){
		func() (*series, error) { return byCallers(simple, opts) },
		func() (*series, error) { return byValue(simple, opts) },
		func() (*series, error) { return byKeys(simple, opts) },
		func() (*series, error) { return byMounts(simple, opts) },
		func() (*series, error) { return byGuest(simple, guests, opts) },
	} {
		measured, err := step()
		if err != nil {
			return err
		}
		if measured != nil {
			measured.print()
			r.Growth = append(r.Growth, measured)
		}
	}
	var err error
	if r.Bursts, err = byBurst(simple, opts); err != nil {
		return err
	}
	printBursts(r.Bursts)
	if r.SystemCalls, err = byName(simple, opts); err != nil {
		return err
	}
	printByName(r.SystemCalls, simple)
	if opts.plots == "" {
		return nil
	}
	return r.draw(opts.plots)
}

// Measures one point of a series: all plugins, round by round.
func (s *series) measure(subjects []*subject, at int) {
	measure(subjects, pointRounds)
	for _, subject := range subjects {
		subject.figures.At = float64(at)
		s.Points = append(s.Points, subject.figures)
	}
}

func byCallers(engines []engine, opts options) (*series, error) {
	clients, err := launch(engines)
	if err != nil {
		return nil, err
	}
	defer clients.end()
	// More keys than callers, so that two callers rarely write the same key at once.
	const keys = 4096
	grown := &series{Name: "callers", Title: "Callers at once", Axis: "callers"}
	for _, callers := range []int{1, 4, 16, 64, 256} {
		var subjects []*subject
		for _, client := range clients {
			load := load{callers: callers, keys: keys, length: opts.length}
			if err := client.mounts[0].store(keys); err != nil {
				return nil, err
			}
			subjects = append(subjects, client.subject(&figures{}, load, value))
		}
		grown.measure(subjects, callers)
	}
	return grown, nil
}

func byValue(engines []engine, opts options) (*series, error) {
	// All keys with the largest value must fit into this process's memory, for each engine.
	const keys = 64
	clients, err := launch(engines)
	if err != nil {
		return nil, err
	}
	defer clients.end()
	grown := &series{Name: "value-size", Title: "Size of the value", Axis: "bytes"}
	for _, size := range []int{100, 1 << 10, 10 << 10, 100 << 10, 1 << 20} {
		var subjects []*subject
		for _, client := range clients {
			load := load{callers: callers, keys: keys, length: opts.length}
			subject := client.subject(&figures{}, load, strings.Repeat("x", size))
			fill(subject, keys, subject.operations[1].send)
			subjects = append(subjects, subject)
		}
		grown.measure(subjects, size)
	}
	return grown, nil
}

func byKeys(engines []engine, opts options) (*series, error) {
	clients, err := launch(engines)
	if err != nil {
		return nil, err
	}
	defer clients.end()
	grown := &series{Name: "keys", Title: "Keys in one folder", Axis: "keys"}
	for _, keys := range []int{100, 1_000, 10_000, 100_000} {
		var subjects []*subject
		for _, client := range clients {
			load := load{callers: callers, keys: keys, length: opts.length}
			subject := client.subject(&figures{}, load, value)
			// A list of many keys is long, so that one caller is enough. It takes the place of the write.
			list := operation{sample: &sample{}, load: load, send: func(int) error {
				return client.mounts[0].list(context.Background(), keys)
			}}
			list.load.callers = 1
			subject.figures.Write, subject.operations = nil, subject.operations[:1]
			if client.engine.lists {
				subject.figures.List, subject.operations = list.sample, append(subject.operations, list)
			}
			if err := client.mounts[0].store(keys); err != nil {
				return nil, err
			}
			subjects = append(subjects, subject)
		}
		grown.measure(subjects, keys)
	}
	return grown, nil
}

// Stores many keys without the engine, which is much faster: all engines of a kind store a value alike.
func (m *mount) store(keys int) error {
	for key := range keys {
		entry := &logical.StorageEntry{Key: "kv/" + m.engine.path(key), Value: []byte(value)}
		if err := m.storage.InmemStorage.Put(context.Background(), entry); err != nil {
			return err
		}
	}
	return nil
}

func byMounts(engines []engine, opts options) (*series, error) {
	const keysOfMount = 100
	clients, err := launch(engines)
	if err != nil {
		return nil, err
	}
	defer clients.end()
	grown := &series{Name: "mounts", Title: "Mounts in one process", Axis: "mounts"}
	for _, mounts := range []int{1, 10, 100} {
		var subjects []*subject
		for _, client := range clients {
			for len(client.mounts) < mounts {
				if _, err := client.add(context.Background()); err != nil {
					return nil, fmt.Errorf("%s: mount %d: %w", client.engine.name, len(client.mounts)+1, err)
				}
			}
			load := load{callers: callers, keys: keysOfMount * mounts, length: opts.length}
			subject := client.subject(&figures{Idle: resident(client.pid)}, load, value)
			subject.operations[0].send = func(key int) error {
				return client.mounts[key%mounts].read(context.Background(), key/mounts)
			}
			subject.operations[1].send = func(key int) error {
				return client.mounts[key%mounts].write(context.Background(), key/mounts, value)
			}
			subject.calls = func() (calls int64) {
				for _, mount := range client.mounts {
					calls += mount.storage.calls.Load()
				}
				return calls
			}
			for _, mount := range client.mounts {
				if err := mount.store(keysOfMount); err != nil {
					return nil, err
				}
			}
			subjects = append(subjects, subject)
		}
		grown.measure(subjects, mounts)
	}
	return grown, nil
}

// Measures guests of several sizes in the same airlock, each with a read of one value. Returns nothing if kv-airlock was
// not chosen.
func byGuest(engines []engine, folder string, opts options) (*series, error) {
	index := slices.IndexFunc(engines, func(of engine) bool { return of.name == "kv-airlock" })
	if index < 0 {
		return nil, nil
	}
	program, checksum := engines[index].program, engines[index].checksum
	var guests []engine
	add := func(name, file string) *engine {
		guest := airlock(name, program, file, opts.temporary+"/guests")
		guest.checksum = checksum
		guests = append(guests, guest)
		return &guests[len(guests)-1]
	}
	add("kv", filepath.Join(folder, "kv.wasm"))
	users := add("users", filepath.Join(folder, "users.wasm"))
	users.folder, users.fields = "users/", map[string]any{"email": "ann@example.com"}
	// Without the option `version`, it keeps one value at each path.
	add("versioned-kv", filepath.Join(folder, "versioned-kv.wasm"))
	padded := filepath.Join(opts.temporary, "kv-padded.wasm")
	if err := pad(filepath.Join(folder, "kv.wasm"), padded, 4<<20); err != nil {
		return nil, err
	}
	add("kv, padded", padded)
	clients, measured, err := launchOften(guests)
	if err != nil {
		return nil, err
	}
	defer clients.end()
	var subjects []*subject
	for index, client := range clients {
		subject := client.subject(measured[index], usual(opts.length), value)
		fill(subject, keys, subject.operations[1].send)
		subjects = append(subjects, subject)
	}
	grown := &series{Name: "guest-size", Title: "Size of the guest's file", Axis: "bytes"}
	grown.measure(subjects, 0)
	for index, point := range grown.Points {
		file, err := os.Stat(strings.TrimPrefix(guests[index].args[1], "--guest="))
		if err != nil {
			return nil, err
		}
		point.At, point.Measure = float64(file.Size()), "kv"
	}
	return grown, nil
}

// Copies a guest and adds a custom section, which no engine runs: what remains is the cost of the file's size.
func pad(from, to string, size int) error {
	guest, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	content := append([]byte("\x07padding"), make([]byte, size)...)
	section := []byte{0}
	for rest := len(content); ; rest >>= 7 {
		if rest < 0x80 {
			section = append(section, byte(rest))
			break
		}
		section = append(section, byte(rest&0x7f|0x80))
	}
	return os.WriteFile(to, slices.Concat(guest, section, content), 0o644)
}

// Counts the system calls of one request by name: for each kind of request and each engine.
func byName(engines []engine, opts options) (map[string]map[string]map[string]float64, error) {
	clients, err := launch(engines)
	if err != nil {
		return nil, err
	}
	defer clients.end()
	counts := map[string]map[string]map[string]float64{"read": {}, "write": {}}
	for _, client := range clients {
		subject := client.subject(&figures{}, usual(opts.length), value)
		fill(subject, keys, subject.operations[1].send)
		for index, request := range []string{"read", "write"} {
			counted, err := countByName(subject, subject.operations[index])
			if err != nil {
				missing("system calls by name", err)
				return nil, nil
			}
			counts[request][client.engine.name] = counted
		}
	}
	return counts, nil
}
