package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
)

// Draws everything that was measured as SVG files in a folder.
func (r *report) draw(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	drawings := map[string][][]*panel{}
	if r.Client != nil {
		drawings["cost"] = r.costPanels()
	}
	for _, grown := range r.Growth {
		drawings[grown.Name] = grown.panels()
	}
	drawings["burst"] = burstPanels(r.Bursts)
	for name, panels := range drawings {
		if err := save(filepath.Join(folder, name+".svg"), panels); err != nil {
			return fmt.Errorf("the plot %s cannot be drawn: %w", name, err)
		}
	}
	return nil
}

func cpu(of *sample) float64       { return of.CPU }
func perSecond(of *sample) float64 { return of.PerSecond }
func p50(of *sample) float64       { return of.P50 }

func (of *figures) read() *sample  { return of.Read }
func (of *figures) write() *sample { return of.Write }
func (of *figures) list() *sample  { return of.List }

// Returns bars of the default run, by go-plugin's client.
func (r *report) costPanels() [][]*panel {
	bars := func(title, unit string, figure func(*sample) float64) *panel {
		drawn := &panel{title: title, y: unit, bars: true}
		for index, of := range r.Client {
			drawn.ticks = append(drawn.ticks, plot.Tick{Value: float64(index), Label: of.Engine})
			drawn.add("read", float64(index), figure(of.Read))
			drawn.add("write", float64(index), figure(of.Write))
		}
		return drawn
	}
	return [][]*panel{{
		bars("Plugin CPU a request: less is better", "µs", cpu), bars("Requests: more is better", "requests/s", perSecond),
	}}
}

// Returns the diagrams of a series.
func (s *series) panels() [][]*panel {
	of := func(title, unit string, request func(*figures) *sample, figure func(*sample) float64) *panel {
		return s.panel(title, unit, func(point *figures) float64 {
			if sample := request(point); sample != nil && point.Failed == "" {
				return figure(sample)
			}
			return 0
		})
	}
	switch s.Name {
	case "callers":
		return [][]*panel{
			{of("Read", "requests/s", (*figures).read, perSecond), of("Write", "requests/s", (*figures).write, perSecond)},
			{of("Read", "p50, µs", (*figures).read, p50).log(), of("Write", "p50, µs", (*figures).write, p50).log()},
		}
	case "value-size":
		return [][]*panel{
			{of("Read", "plugin CPU, µs", (*figures).read, cpu).log(), of("Write", "plugin CPU, µs", (*figures).write, cpu).log()},
			{of("Read", "p50, µs", (*figures).read, p50).log(), of("Write", "p50, µs", (*figures).write, p50).log()},
		}
	case "keys":
		return [][]*panel{{
			of("Read of one key", "plugin CPU, µs", (*figures).read, cpu),
			of("List of all keys", "plugin CPU, µs", (*figures).list, cpu).log(),
		}}
	case "mounts":
		return [][]*panel{{
			s.panel("Memory after load", "resident MiB", func(point *figures) float64 { return point.Loaded }),
			of("Read", "plugin CPU, µs", (*figures).read, cpu),
		}}
	}
	return s.guestPanels()
}

// Returns one diagram of a series: a line for each engine.
func (s *series) panel(title, unit string, figure func(*figures) float64) *panel {
	drawn := &panel{title: title, x: s.Axis, y: unit, logX: true}
	for _, point := range s.Points {
		if at := figure(point); at > 0 {
			drawn.add(point.Engine, point.At, at)
		}
		if last := len(drawn.ticks) - 1; last < 0 || drawn.ticks[last].Value != point.At {
			drawn.ticks = append(drawn.ticks, plot.Tick{Value: point.At, Label: s.label(point.At)})
		}
	}
	return drawn
}

// Returns bars for guests, which differ in more than their size.
func (s *series) guestPanels() [][]*panel {
	starts := &panel{title: "Start to first answer", y: "ms", bars: true}
	reads := &panel{title: "Read of one value", y: "plugin CPU, µs", bars: true}
	for index, point := range s.Points {
		tick := plot.Tick{Value: float64(index), Label: point.Engine + "\n" + s.label(point.At)}
		starts.ticks, reads.ticks = append(starts.ticks, tick), append(reads.ticks, tick)
		starts.add("cached", tick.Value, point.FirstAnswer)
		starts.add("compiling", tick.Value, point.Compiled)
		reads.add("read", tick.Value, point.Read.CPU)
	}
	return [][]*panel{{starts, reads}}
}

func burstPanels(bursts []*burst) [][]*panel {
	title := fmt.Sprintf("%d writes of %d kB at once", burstWrites, burstBytes/1000)
	drawn := &panel{title: title, x: "seconds after; before at −5, peak at −1", y: "resident MiB"}
	for _, of := range bursts {
		drawn.add(of.Engine, -5, of.Before)
		drawn.add(of.Engine, -1, of.Peak)
		for index, seconds := range of.Seconds {
			drawn.add(of.Engine, seconds, of.After[index])
		}
	}
	return [][]*panel{{drawn}}
}

// Returns the label of a point of a series.
func (s *series) label(at float64) string {
	switch {
	case s.Axis != "bytes" || at < 1024:
		return strconv.FormatFloat(at, 'f', 0, 64)
	case at < 1<<20:
		return fmt.Sprintf("%.0f KiB", at/1024)
	}
	return fmt.Sprintf("%.2g MiB", at/(1<<20))
}
