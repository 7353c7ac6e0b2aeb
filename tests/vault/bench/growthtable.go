package main

import (
	"fmt"
	"maps"
	"slices"
)

// Prints a series. A figure in brackets is the ratio to the engine that stands for 1, at the same point.
func (s *series) print() {
	fmt.Printf("\n%s\n\n", s.Title)
	grown := table{heads: []string{
		s.Axis, "engine", "request", "per second", "p50 µs", "p99 µs", "plugin CPU µs", "storage calls", "to first answer ms",
		"compiling too ms", "idle MiB", "after load MiB", "failed",
	}}
	for _, of := range s.Points {
		one := s.unit(of)
		at, engine := fmt.Sprintf("%.0f", of.At), of.Engine
		row := func(request string, sample, unit *sample, last bool) {
			if sample == nil {
				return
			}
			first, compiled, idle, loaded, failed := "", "", "", "", ""
			if last {
				first, compiled = ratio(of.FirstAnswer, one.FirstAnswer), ratio(of.Compiled, one.Compiled)
				idle, loaded, failed = mebibytes(of.Idle, one.Idle), mebibytes(of.Loaded, one.Loaded), of.Failed
			}
			grown.row(at, engine, request, ratio(sample.PerSecond, unit.PerSecond), ratio(sample.P50, unit.P50),
				ratio(sample.P99, unit.P99), ratio(sample.CPU, unit.CPU), plain(sample.StorageCalls), first, compiled, idle,
				loaded, failed)
		}
		row("read", of.Read, one.Read, of.Write == nil && of.List == nil)
		row("write", of.Write, one.Write, of.List == nil)
		row("list", of.List, one.List, true)
	}
	grown.print()
}

// Returns the point that stands for 1 beside a point: of the same size if there is one.
func (s *series) unit(of *figures) *figures {
	one := of
	for _, other := range s.Points {
		if other.Engine != of.Measure {
			continue
		}
		if other.At == of.At {
			return other
		}
		one = other
	}
	return one
}

// Prints the system calls of one request, most frequent first.
func printByName(counts map[string]map[string]map[string]float64, engines []engine) {
	if counts == nil {
		return
	}
	fmt.Printf("\nSystem calls of one request: %d callers, %d-byte values\n\n", callers, len(value))
	requests := slices.Sorted(maps.Keys(counts))
	heads, totals := []string{"call"}, map[string]float64{}
	for _, request := range requests {
		for _, engine := range engines {
			heads = append(heads, engine.name+" "+request)
			for name, calls := range counts[request][engine.name] {
				totals[name] += calls
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(totals), func(one, other string) int {
		return int(1e6 * (totals[other] - totals[one]))
	})
	calls := table{heads: heads}
	for _, name := range names {
		cells := []string{name}
		for _, request := range requests {
			for _, engine := range engines {
				cells = append(cells, fmt.Sprintf("%.2f", counts[request][engine.name][name]))
			}
		}
		// What happens less than once in 200 requests is no part of a request.
		if slices.ContainsFunc(cells[1:], func(cell string) bool { return cell != "0.00" }) {
			calls.row(cells...)
		}
	}
	calls.print()
}
