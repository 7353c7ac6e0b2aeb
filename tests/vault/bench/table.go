package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// A table for people. A column without any figure is not printed.
type table struct {
	heads []string
	rows  [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print() {
	writer := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	var shown []int
	for column := range t.heads {
		if slices.ContainsFunc(t.rows, func(row []string) bool { return row[column] != "-" && row[column] != "" }) {
			shown = append(shown, column)
		}
	}
	line := func(cells []string) {
		var kept []string
		for _, column := range shown {
			kept = append(kept, cells[column])
		}
		fmt.Fprintln(writer, strings.TrimRight(strings.Join(kept, "\t"), "\t"))
	}
	line(t.heads)
	for _, row := range t.rows {
		line(row)
	}
	writer.Flush()
}

// Prints what was measured one way. A figure in brackets is the ratio to the engine that stands for 1.
func printAll(title string, measured []*figures) {
	fmt.Printf("\n%s: %d callers, %d-byte values\n\n", title, callers, len(value))
	requests := table{heads: []string{
		"engine", "request", "per second", "p50 µs", "p99 µs", "plugin CPU µs", "storage calls", "system calls", "allocations",
	}}
	processes := table{heads: []string{
		"engine", "checksum ms", "to handshake ms", "to first answer ms", "compiling too ms", "idle MiB", "after load MiB",
	}}
	for _, of := range measured {
		one := find(measured, of.Measure)
		row := func(request string, sample, unit *sample) {
			requests.row(of.Engine, request, ratio(sample.PerSecond, unit.PerSecond), ratio(sample.P50, unit.P50),
				ratio(sample.P99, unit.P99), ratio(sample.CPU, unit.CPU), plain(sample.StorageCalls), plain(sample.SystemCalls),
				plain(sample.Allocations))
		}
		row("read", of.Read, one.Read)
		row("write", of.Write, one.Write)
		if of.Loaded != 0 {
			processes.row(of.Engine, ratio(of.Check, one.Check), ratio(of.Handshake, one.Handshake), ratio(of.FirstAnswer, one.FirstAnswer),
				ratio(of.Compiled, 0), mebibytes(of.Idle, one.Idle), mebibytes(of.Loaded, one.Loaded))
		}
	}
	requests.print()
	fmt.Println()
	processes.print()
	printSandbox(measured)
	printChange(measured, "kv-before", "kv-airlock")
	printChange(measured, "kv2-before", "kv2-airlock")
}

// Prints what the sandbox costs: a fresh instance for each call of the guest, and what the host does around it.
func printSandbox(measured []*figures) {
	native, sandboxed := find(measured, "kv-native"), find(measured, "kv-airlock")
	if native != nil && sandboxed != nil {
		fmt.Printf("\nThe sandbox, kv-airlock less kv-native: %.0f µs of CPU a read, %.0f µs a write with its existence check\n",
			sandboxed.Read.CPU-native.Read.CPU, sandboxed.Write.CPU-native.Write.CPU)
	}
}

// Prints how an engine compares with an older build, round by round, so that one sees what is noise.
func printChange(measured []*figures, before, after string) {
	older, newer := find(measured, before), find(measured, after)
	if older == nil || newer == nil {
		return
	}
	fmt.Printf("\n%s in place of %s: the median of the rounds' ratios, and all but the least and the greatest\n\n", after, before)
	change := table{heads: []string{"request", "per second", "plugin CPU"}}
	row := func(request string, older, newer *sample) {
		change.row(request, spread(older, newer, func(of round) float64 { return of.PerSecond }),
			spread(older, newer, func(of round) float64 { return of.CPU }))
	}
	row("read", older.Read, newer.Read)
	row("write", older.Write, newer.Write)
	change.print()
}

func spread(older, newer *sample, figure func(round) float64) string {
	var ratios []float64
	for index := range min(len(older.Rounds), len(newer.Rounds)) {
		if one := figure(older.Rounds[index]); one > 0 {
			ratios = append(ratios, figure(newer.Rounds[index])/one)
		}
	}
	slices.Sort(ratios)
	count := len(ratios)
	if count < 3 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", (ratios[(count-1)/2]+ratios[count/2])/2, ratios[1], ratios[count-2])
}

func find(measured []*figures, engine string) *figures {
	index := slices.IndexFunc(measured, func(of *figures) bool { return of.Engine == engine })
	if index < 0 {
		return nil
	}
	return measured[index]
}

func plain(figure float64) string {
	if figure == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", figure)
}

func ratio(figure, one float64) string {
	if figure == 0 {
		return "-"
	}
	if one == 0 {
		return fmt.Sprintf("%.0f", figure)
	}
	return fmt.Sprintf("%.0f (%.2f)", figure, figure/one)
}

// Returns memory to a tenth, as mounts differ by less than a mebibyte.
func mebibytes(figure, one float64) string {
	if figure == 0 || one == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f (%.2f)", figure, figure/one)
}
