// Measures Airlock beside Vault's Go plugins, in one run, round by round, so that a noisy machine favours nobody.
//
//	bench -target=TARGET -out=OUT.json [FLAGS]
//
// `make bench` builds everything and runs this.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	callers = 16
	keys    = 100
	rounds  = 8
	starts  = 15
)

// The usual load, for one round.
func usual(length time.Duration) load { return load{callers: callers, keys: keys, length: length} }

var value = "0123456789abcdef0123456789abcdef"

// The opts of the command line.
type options struct {
	target, out                   string
	seconds                       float64
	engines                       string
	program, before, beforeGuests string
	way                           string
	full                          bool
	plots                         string
	temporary                     string
	// The time for one kind of request of one engine in one round.
	length time.Duration
}

// Everything that was measured.
type report struct {
	Callers    int        `json:"callers"`
	Keys       int        `json:"keys"`
	ValueBytes int        `json:"value_bytes"`
	Rounds     int        `json:"rounds"`
	Client     []*figures `json:"go_plugin_client,omitempty"`
	Vault      []*figures `json:"vault,omitempty"`
	Growth     []*series  `json:"growth,omitempty"`
	Bursts     []*burst   `json:"bursts,omitempty"`
	// For each kind of request, engine and system call: the calls of one request.
	SystemCalls map[string]map[string]map[string]float64 `json:"system_calls_by_name,omitempty"`
}

// The figures of an engine: those of one way, or one point of a series.
type figures struct {
	Engine  string `json:"engine"`
	Measure string `json:"compared_with,omitempty"`
	// What the engine was given, in a series.
	At          float64 `json:"at,omitempty"`
	Read        *sample `json:"read,omitempty"`
	Write       *sample `json:"write,omitempty"`
	List        *sample `json:"list,omitempty"`
	Idle        float64 `json:"resident_mib_idle,omitempty"`
	Loaded      float64 `json:"resident_mib_after_load,omitempty"`
	Check       float64 `json:"ms_of_checksum,omitempty"`
	Handshake   float64 `json:"ms_to_handshake,omitempty"`
	FirstAnswer float64 `json:"ms_to_first_answer,omitempty"`
	// The first answer of a process that had to compile the guest.
	Compiled float64 `json:"ms_to_first_answer_with_compiling,omitempty"`
	Failed   string  `json:"failed,omitempty"`
}

func main() {
	var opts options
	flag.StringVar(&opts.target, "target", "", "the folder with all that was built")
	flag.StringVar(&opts.out, "out", "", "the file for the figures, as JSON")
	flag.Float64Var(&opts.seconds, "seconds", 4, "the seconds for one kind of request of one engine")
	flag.StringVar(&opts.engines, "engines", "", "the engines to measure, with spaces between them; all if empty")
	flag.StringVar(&opts.program, "program", "", "the airlock to measure; that of a build for tests if empty")
	flag.StringVar(&opts.before, "before", "", "an older airlock to measure beside the present one")
	flag.StringVar(&opts.beforeGuests, "before-guests", "", "the folder with the guests for -before; the present ones if empty")
	flag.StringVar(&opts.way, "way", "", "client or vault; both if empty")
	flag.BoolVar(&opts.full, "full", false, "measure how the cost grows, too")
	flag.StringVar(&opts.plots, "plots", "", "the folder for the plots, with -full")
	flag.Parse()
	if err := run(opts); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// Checks the command line, and makes the paths independent of the working directory, as Vault starts plugins elsewhere.
func (o *options) check() error {
	if flag.NArg() > 0 || o.target == "" || o.out == "" || o.seconds <= 0 {
		return errors.New("usage: bench -target=TARGET -out=OUT.json [FLAGS]; see bench -help")
	}
	if o.way != "" && o.way != "client" && o.way != "vault" {
		return fmt.Errorf("%q is not a way to measure: choose client or vault", o.way)
	}
	if o.plots != "" && !o.full {
		return errors.New("plots need a full run, because only that measures how the cost grows")
	}
	for _, path := range []*string{&o.target, &o.program, &o.before, &o.beforeGuests} {
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	o.length = time.Duration(o.seconds / rounds * float64(time.Second))
	return nil
}

func run(opts options) error {
	if err := opts.check(); err != nil {
		return err
	}
	var err error
	if opts.temporary, err = os.MkdirTemp("", "airlock-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(opts.temporary)
	engines, err := choose(allEngines(opts), opts.engines)
	if err != nil {
		return err
	}
	result := &report{Callers: callers, Keys: keys, ValueBytes: len(value), Rounds: rounds}
	if opts.way != "vault" {
		if result.Client, err = byClient(plugins(engines), opts.length); err != nil {
			return err
		}
		printAll("By go-plugin's own client, storage in its memory, an existence check before each write", result.Client)
	}
	if opts.way != "client" {
		if result.Vault, err = byVault(filepath.Join(opts.target, "vault/vault"), engines, opts.length); err != nil {
			return err
		}
		printAll("Through a real Vault over HTTP, storage in its memory", result.Vault)
	}
	if opts.full {
		if err := result.grow(engines, opts); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(opts.out, append(text, '\n'), 0o644)
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
