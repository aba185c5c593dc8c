package report

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Panel is one quantity over the epochs.
type Panel struct {
	Title      string    // "Loss"
	Axis       string    // name of the vertical axis, with its unit if it has one
	Train      []float64 // [epochs], NaN = undefined
	Validation []float64 // [epochs], NaN = undefined; nil: there was none
	Share      bool      // the quantity lies in [0,1]
}

// History draws panels in two columns as PNG. best is the epoch to mark, counted from 0; −1 for none.
func History(w io.Writer, panels []Panel, best int) error {
	rows := make([][]*plot.Plot, 0, len(panels)/2)
	for i, q := range panels {
		p, err := q.plot(best)
		if err != nil {
			return err
		}
		if i%2 == 0 {
			rows = append(rows, []*plot.Plot{p, nil})
		} else {
			rows[i/2][1] = p
		}
	}
	if n := len(panels); n%2 == 1 {
		blank := plot.New()
		blank.HideAxes()
		rows[n/2][1] = blank
	}
	key := []keyEntry{{"training", blue, nil}}
	if slices.ContainsFunc(panels, func(p Panel) bool { return p.Validation != nil }) {
		key = append(key, keyEntry{"validation", orange, nil})
	}
	if best >= 0 {
		key = append(key, keyEntry{fmt.Sprintf("best epoch: %d", best+1), grey, dashes})
	}
	head := func(c draw.Canvas) { drawHead(c, "Training history", key) }
	return write(w, 10*vg.Inch, vg.Length(len(rows))*3.3*vg.Inch+vg.Points(58), vg.Points(58), head, rows...)
}

var dashes = []vg.Length{vg.Points(5), vg.Points(4)}

// keyEntry is one line of the key that all panels share.
type keyEntry struct {
	name   string
	color  color.Color
	dashes []vg.Length
}

// drawHead draws the title and, below it, the key, both centred, so that no key ever covers a curve.
func drawHead(c draw.Canvas, title string, key []keyEntry) {
	sty := textStyle(vg.Points(16), color.Black)
	mid := (c.Min.X + c.Max.X) / 2
	c.FillText(sty, vg.Point{X: mid, Y: c.Max.Y - vg.Points(20)}, title)

	sty = textStyle(vg.Points(12), color.Black)
	sty.XAlign = draw.XLeft
	const stroke, gap, between = 28, 6, 26
	total := -vg.Points(between)
	for _, k := range key {
		total += vg.Points(stroke+gap+between) + sty.Width(k.name)
	}
	x, y := mid-total/2, c.Max.Y-vg.Points(46)
	for _, k := range key {
		c.StrokeLine2(draw.LineStyle{Color: k.color, Width: vg.Points(2), Dashes: k.dashes}, x, y, x+vg.Points(stroke), y)
		x += vg.Points(stroke + gap)
		c.FillText(sty, vg.Point{X: x, Y: y}, k.name)
		x += sty.Width(k.name) + vg.Points(between)
	}
}

// plot draws one panel.
func (q Panel) plot(best int) (*plot.Plot, error) {
	title, trained, validated := q.Title, len(runs(q.Train)) > 0, len(runs(q.Validation)) > 0
	switch {
	case trained && !validated && q.Validation != nil:
		title += " (validation undefined)"
	case validated && !trained:
		title += " (training undefined)"
	}
	p := newPlot(title, "epoch", q.Axis)
	addGrid(p)
	n := max(len(q.Train), len(q.Validation))
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range append(runs(q.Train), runs(q.Validation)...) {
		for _, v := range r {
			low, high = math.Min(low, v.Y), math.Max(high, v.Y)
		}
	}
	defined := low <= high
	switch {
	case q.Share && defined:
		// Whole tenths, with 1 always in sight, so that panels of two runs can be compared.
		low, high = math.Floor(math.Min(low, 0.9)*10)/10, 1.01
	case defined && high > 0 && low >= 0:
		low, high = 0, high*1.06
	case defined:
		pad := math.Max((high-low)*0.05, 1e-9)
		low, high = low-pad, high+pad
	default:
		low, high = 0, 1
	}
	left, right := 1.0, float64(n)
	if n < 2 {
		left, right = 0.5, 1.5
	}
	if best >= 0 && defined {
		l, err := plotter.NewLine(plotter.XYs{{X: float64(best + 1), Y: low}, {X: float64(best + 1), Y: high}})
		if err != nil {
			return nil, fmt.Errorf("report: mark the best epoch: %w", err)
		}
		l.Color, l.Width, l.Dashes = grey, vg.Points(1.2), dashes
		p.Add(l)
	}
	if err := addCurve(p, q.Train, blue); err != nil {
		return nil, err
	}
	if err := addCurve(p, q.Validation, orange); err != nil {
		return nil, err
	}
	if !defined {
		l, err := label((left+right)/2, (low+high)/2, "undefined", vg.Points(14), grey)
		if err != nil {
			return nil, fmt.Errorf("report: label an empty panel: %w", err)
		}
		p.Add(l)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = left, right, low, high
	p.X.Tick.Marker = epochTicks{}
	return p, nil
}

// epochTicks are whole numbers, at most nine of them.
type epochTicks struct{}

// Ticks implements plot.Ticker.
func (epochTicks) Ticks(low, high float64) []plot.Tick {
	step := 1
	for scale := 1; (high-low)/float64(step) > 8; {
		switch {
		case step == scale:
			step = 2 * scale
		case step == 2*scale:
			step = 5 * scale
		default:
			scale *= 10
			step = scale
		}
	}
	var t []plot.Tick
	if low >= 1 && step > 1 {
		t = append(t, plot.Tick{Value: 1, Label: "1"})
	}
	for v := int(math.Ceil(low/float64(step))) * step; float64(v) <= high; v += step {
		if v > 0 {
			t = append(t, plot.Tick{Value: float64(v), Label: fmt.Sprint(v)})
		}
	}
	return t
}
