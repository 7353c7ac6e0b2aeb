package main

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	panelWidth   = 12 * vg.Centimeter
	panelHeight  = 7 * vg.Centimeter
	legendWidth  = 4 * vg.Centimeter
	legendHeight = 6 * vg.Millimeter
	margin       = 3 * vg.Millimeter
)

// How a line looks: in a colour that people with any colour vision tell apart, and with a shape at each point.
type look struct {
	color color.Color
	shape draw.GlyphDrawer
}

var (
	blue   = color.RGBA{G: 0x72, B: 0xb2, A: 0xff}
	red    = color.RGBA{R: 0xd5, G: 0x5e, A: 0xff}
	green  = color.RGBA{G: 0x9e, B: 0x73, A: 0xff}
	pink   = color.RGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}
	yellow = color.RGBA{R: 0xe6, G: 0x9f, A: 0xff}
)

// An engine looks the same in all plots.
var looks = map[string]look{
	"kv-go":      {red, draw.CircleGlyph{}},
	"kv-native":  {green, draw.PyramidGlyph{}},
	"kv-before":  {pink, draw.CrossGlyph{}},
	"kv-airlock": {blue, draw.BoxGlyph{}},

	"read":      {color: blue},
	"write":     {color: yellow},
	"cached":    {color: blue},
	"compiling": {color: yellow},
}

// One diagram of a plot.
type panel struct {
	title, x, y string
	// Whether an axis is logarithmic.
	logX, logY bool
	// The labels of the horizontal axis. Without them, it has plain numbers.
	ticks plot.ConstantTicks
	// Whether each point is a bar.
	bars  bool
	lines []*line
}

// What has one colour, with its points.
type line struct {
	name   string
	points plotter.XYs
	sign   []plot.Thumbnailer
}

// Makes the vertical axis logarithmic.
func (p *panel) log() *panel {
	p.logY = true
	return p
}

func (p *panel) add(name string, x, y float64) {
	point := plotter.XY{X: x, Y: y}
	for _, line := range p.lines {
		if line.name == name {
			line.points = append(line.points, point)
			return
		}
	}
	p.lines = append(p.lines, &line{name: name, points: plotter.XYs{point}})
}

// Draws the panel without its legend, and gives each line its sign in the legend.
func (p *panel) draw() (*plot.Plot, error) {
	drawn := plot.New()
	drawn.Title.Text, drawn.X.Label.Text, drawn.Y.Label.Text = p.title, p.x, p.y
	drawn.Title.Padding = vg.Millimeter * 2
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = nil, color.Gray{Y: 0xdd}
	drawn.Add(grid)
	for index, line := range p.lines {
		add := p.addLine
		if p.bars {
			add = p.addBars
		}
		if err := add(drawn, line, index); err != nil {
			return nil, err
		}
	}
	if p.ticks != nil {
		var ticks plot.ConstantTicks
		for _, tick := range p.ticks {
			ticks = append(ticks, plot.Tick{Value: scale(tick.Value, p.logX), Label: tick.Label})
		}
		drawn.X.Tick.Marker = ticks
	}
	if p.logY {
		drawn.Y.Tick.Marker = decades{}
	} else {
		drawn.Y.Min, drawn.Y.Max = 0, drawn.Y.Max*1.05
		drawn.Y.Tick.Marker = numbers{}
	}
	if p.bars {
		drawn.X.Min, drawn.X.Max = -0.5, float64(len(p.ticks))-0.5
	}
	return drawn, nil
}

// Returns where a figure is on an axis. The library has logarithmic axes, but leaves wrong room for their labels.
func scale(figure float64, logarithmic bool) float64 {
	if logarithmic {
		return math.Log10(figure)
	}
	return figure
}

func (p *panel) addLine(drawn *plot.Plot, line *line, _ int) error {
	var scaled plotter.XYs
	for _, point := range line.points {
		scaled = append(scaled, plotter.XY{X: scale(point.X, p.logX), Y: scale(point.Y, p.logY)})
	}
	path, points, err := plotter.NewLinePoints(scaled)
	if err != nil {
		return err
	}
	look := looks[line.name]
	path.Color, path.Width = look.color, vg.Points(1.5)
	points.Color, points.Shape, points.Radius = look.color, look.shape, vg.Points(3)
	drawn.Add(path, points)
	line.sign = []plot.Thumbnailer{path, points}
	return nil
}

func (p *panel) addBars(drawn *plot.Plot, line *line, index int) error {
	var heights plotter.Values
	for _, point := range line.points {
		heights = append(heights, point.Y)
	}
	count := vg.Length(len(p.lines))
	width := panelWidth * 0.6 / vg.Length(len(p.ticks)) / count
	bars, err := plotter.NewBarChart(heights, width)
	if err != nil {
		return err
	}
	bars.Color, bars.LineStyle.Width = looks[line.name].color, 0
	bars.Offset = width * (vg.Length(index) - (count-1)/2)
	drawn.Add(bars)
	line.sign = []plot.Thumbnailer{bars}
	return nil
}

// The ticks of a logarithmic axis, with labels at 1, 2 and 5 if it has few decades.
type decades struct{}

func (decades) Ticks(low, high float64) (ticks []plot.Tick) {
	wide := high-low > 3
	for power := math.Floor(low); power <= high; power++ {
		for digit := 1.0; digit < 10; digit++ {
			figure := digit * math.Pow(10, power)
			tick := plot.Tick{Value: math.Log10(figure)}
			if tick.Value < low || tick.Value > high {
				continue
			}
			if digit == 1 || !wide && (digit == 2 || digit == 5) {
				tick.Label = strconv.FormatFloat(figure, 'f', 0, 64)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// A usual scale without powers of ten in its labels.
type numbers struct{}

func (numbers) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for index := range ticks {
		if ticks[index].Label != "" {
			ticks[index].Label = strconv.FormatFloat(ticks[index].Value, 'f', -1, 64)
		}
	}
	return ticks
}

// Writes a drawing of panels in rows. Its background is white, so that a dark page does not hide the text.
func save(file string, rows [][]*panel) error {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
	columns := len(rows[0])
	canvas := vgsvg.New(panelWidth*vg.Length(columns), panelHeight*vg.Length(len(rows))+legendHeight)
	whole := draw.New(canvas)
	canvas.SetColor(color.White)
	canvas.Fill(whole.Rectangle.Path())
	var plots [][]*plot.Plot
	for _, panels := range rows {
		var row []*plot.Plot
		for _, panel := range panels {
			drawn, err := panel.draw()
			if err != nil {
				return err
			}
			row = append(row, drawn)
		}
		plots = append(plots, row)
	}
	tiles := draw.Tiles{
		Rows: len(rows), Cols: columns, PadX: 2 * margin, PadY: 2 * margin,
		PadTop: margin + legendHeight, PadBottom: margin, PadLeft: margin, PadRight: margin,
	}
	for row, canvases := range plot.Align(plots, tiles, whole) {
		for column, canvas := range canvases {
			plots[row][column].Draw(canvas)
		}
	}
	for index, line := range rows[0][0].lines {
		legend := plot.NewLegend()
		legend.Add(line.name, line.sign...)
		legend.Left, legend.Top = true, true
		legend.Draw(draw.Crop(whole, margin+legendWidth*vg.Length(index), 0, 0, -margin))
	}
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	// Arial is as wide. Few readers have Liberation, and would get a font with serifs.
	fonts := bytes.ReplaceAll(text.Bytes(), []byte("Liberation Sans"), []byte("Liberation Sans,Arial,Helvetica,sans-serif"))
	return os.WriteFile(file, fonts, 0o644)
}
