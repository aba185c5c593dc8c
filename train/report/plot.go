package report

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"math"

	"git.sr.ht/~sbinet/gg"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// dpi gives pictures of 1,500 pixels' width at 10 inches: text of 12 points is 25 pixels high, and still 13 when
// the picture is shown 800 pixels wide.
const dpi = 150

// The colours of training and validation: blue and orange, which people with a red-green weakness tell apart.
var (
	blue   = color.RGBA{R: 31, G: 119, B: 180, A: 255}
	orange = color.RGBA{R: 255, G: 127, B: 14, A: 255}
	grey   = color.Gray{Y: 110}
	light  = color.Gray{Y: 225}
)

var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

// newPlot returns an empty plot in the style of all pictures.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, vg.Points(8)
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, s := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle,
		&p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		s.Font.Typeface, s.Font.Variant = sans.Typeface, sans.Variant
	}
	p.Title.TextStyle.Font.Size = vg.Points(13)
	p.X.Label.TextStyle.Font.Size, p.Y.Label.TextStyle.Font.Size = vg.Points(12), vg.Points(12)
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = vg.Points(11), vg.Points(11)
	p.Legend.TextStyle.Font.Size = vg.Points(12)
	return p
}

// addGrid draws faint lines behind all that is added later.
func addGrid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = light, light
	p.Add(g)
}

// textStyle is the style of text that is drawn into a plot, centred on its point.
func textStyle(size vg.Length, c color.Color) draw.TextStyle {
	f := sans
	f.Size = size
	return draw.TextStyle{Color: c, Font: f, XAlign: draw.XCenter, YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
}

// label is text centred on a point of the plot's coordinates.
func label(x, y float64, text string, size vg.Length, c color.Color) (*plotter.Labels, error) {
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: x, Y: y}}, Labels: []string{text}})
	if err != nil {
		return nil, err
	}
	l.TextStyle[0] = textStyle(size, c)
	return l, nil
}

// write draws the plots, rows of equal length, on one canvas of w × h below a strip that head draws into, and
// encodes it as PNG.
func write(out io.Writer, w, h, strip vg.Length, head func(draw.Canvas), rows ...[]*plot.Plot) error {
	img := canvas(w, h)
	dc := draw.New(img)
	if head != nil {
		head(draw.Crop(dc, 0, 0, h-strip, 0))
		dc = draw.Crop(dc, 0, 0, 0, -strip)
	}
	tiles := draw.Tiles{
		Rows: len(rows), Cols: len(rows[0]),
		PadTop: vg.Points(10), PadBottom: vg.Points(8), PadLeft: vg.Points(8), PadRight: vg.Points(16),
		PadX: vg.Points(18), PadY: vg.Points(16),
	}
	for i, row := range plot.Align(rows, tiles, dc) {
		for j, c := range row {
			rows[i][j].Draw(c)
		}
	}
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(out); err != nil {
		return fmt.Errorf("report: encode png: %w", err)
	}
	return nil
}

// canvas is a white picture of w × h. vgimg would make it itself, and then a copy of it to draw on.
func canvas(w, h vg.Length) *vgimg.Canvas {
	pixels := func(l vg.Length) int { return int(l/vg.Inch*dpi + 0.5) }
	img := image.NewRGBA(image.Rect(0, 0, pixels(w), pixels(h)))
	ctx := gg.NewContextForRGBA(img)
	ctx.SetLineCapButt()
	ctx.InvertY()
	return vgimg.NewWith(vgimg.UseImageWithContext(img, ctx), vgimg.UseDPI(dpi))
}

// runs splits a curve into its stretches of finite values, x counting from 1: a plotter refuses NaN, and a gap
// should be seen as a gap.
func runs(y []float64) []plotter.XYs {
	var all []plotter.XYs
	var cur plotter.XYs
	for i, v := range y {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			if cur != nil {
				all, cur = append(all, cur), nil
			}
			continue
		}
		cur = append(cur, plotter.XY{X: float64(i + 1), Y: v})
	}
	if cur != nil {
		all = append(all, cur)
	}
	return all
}

// addCurve draws a curve over the epochs; a value without neighbours is a dot.
func addCurve(p *plot.Plot, y []float64, c color.Color) error {
	for _, r := range runs(y) {
		if len(r) == 1 {
			s, err := plotter.NewScatter(r)
			if err != nil {
				return fmt.Errorf("report: draw a point: %w", err)
			}
			s.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}
			p.Add(s)
			continue
		}
		l, err := plotter.NewLine(r)
		if err != nil {
			return fmt.Errorf("report: draw a curve: %w", err)
		}
		l.Color, l.Width = c, vg.Points(1.8)
		p.Add(l)
	}
	return nil
}
