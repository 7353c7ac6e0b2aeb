package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// Prints a table for people. A figure in brackets is the ratio to the engine that stands for 1.
func print(title string, measured []*figures) {
	fmt.Printf("\n%s: %d callers, %d-byte values\n\n", title, callers, len(value))
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "engine\trequest\tper second\tp50 µs\tp99 µs\tplugin CPU µs\tstorage calls\tresident MiB\tto first answer ms")
	for _, of := range measured {
		index := slices.IndexFunc(measured, func(other *figures) bool { return other.Engine == of.Measure })
		one := measured[index]
		row := func(request string, sample, unit *sample, resident, start string) {
			calls := "-"
			if sample.StorageCalls != 0 {
				calls = fmt.Sprintf("%.1f", sample.StorageCalls)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", of.Engine, request,
				ratio(sample.PerSecond, unit.PerSecond), ratio(sample.P50, unit.P50), ratio(sample.P99, unit.P99),
				ratio(sample.CPU, unit.CPU), calls, resident, start)
		}
		row("read", of.Read, one.Read, "", "")
		row("write", of.Write, one.Write, ratio(of.Loaded, one.Loaded), ratio(of.FirstAnswer, one.FirstAnswer))
	}
	table.Flush()
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

// Returns the median in milliseconds.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2]) / float64(time.Millisecond)
}
