// Command go-plugin-client is a host that uses go-plugin's own client. It tests the example plugin of the Rust crate
// go-plugin.
//
//	go-plugin-client [-tls=false] [-mux] PLUGIN SCENARIO
//
// It exits with status 0 if everything was as expected; otherwise it prints what was not.
package main

import (
	"flag"
	"fmt"
	"os"
)

var scenarios = map[string]func(path string, s settings) error{
	"greeting":         greeting,
	"not-offered":      notOffered,
	"mismatch":         mismatch,
	"wrong-cookie":     wrongCookie,
	"burst":            burst,
	"kill-busy":        killBusy,
	"unanswered":       unanswered,
	"disconnect":       disconnect,
	"reconnect":        reconnect,
	"terminate":        terminate,
	"place":            place,
	"logging":          logging,
	"strangers":        strangers,
	"orphan-started":   orphan(false),
	"orphan-connected": orphan(true),
}

func main() {
	s := defaults()
	flag.BoolVar(&s.tls, "tls", s.tls, "use AutoMTLS")
	flag.BoolVar(&s.mux, "mux", s.mux, "multiplex the broker's connections")
	flag.Parse()
	scenario, known := scenarios[flag.Arg(1)]
	if flag.NArg() != 2 || !known {
		fmt.Fprintln(os.Stderr, "usage: go-plugin-client [-tls=false] [-mux] PLUGIN SCENARIO")
		os.Exit(2)
	}
	if err := scenario(flag.Arg(0), s); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", flag.Arg(1), err)
		os.Exit(1)
	}
}
