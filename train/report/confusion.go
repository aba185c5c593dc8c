package report

import (
	"fmt"
	"image/color"
	"io"

	"vklstm/train/metrics"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// grid is the matrix as a heat map of shares of the actual class, actual 0 at the top.
type grid metrics.Confusion

// Dims implements plotter.GridXYZ.
func (g grid) Dims() (c, r int) { return 2, 2 }

// X implements plotter.GridXYZ.
func (g grid) X(c int) float64 { return float64(c) }

// Y implements plotter.GridXYZ.
func (g grid) Y(r int) float64 { return float64(r) }

// Z implements plotter.GridXYZ.
func (g grid) Z(c, r int) float64 {
	n, all := g.count(c, r)
	if all == 0 {
		return 0
	}
	return float64(n) / float64(all)
}

// count returns the windows in a cell and in all of its row.
func (g grid) count(c, r int) (n, all int) {
	row := [2]int{g.TN, g.FP}
	if r == 0 {
		row = [2]int{g.FN, g.TP}
	}
	return row[c], row[0] + row[1]
}

// blues goes from nearly white to dark blue.
type blues struct{}

// Colors implements palette.Palette.
func (blues) Colors() []color.Color {
	c := make([]color.Color, 64)
	for i := range c {
		t := float64(i) / 63
		c[i] = color.RGBA{R: uint8(247 - 239*t), G: uint8(251 - 203*t), B: uint8(255 - 148*t), A: 255}
	}
	return c
}

var _ palette.Palette = blues{}

// ConfusionOf draws the confusion matrix of a test part as PNG, with the names of its classes.
func ConfusionOf(w io.Writer, e *metrics.Evaluation, names []string) error {
	if e.Classification != nil {
		return confusionOfClasses(w, *e.Classification)
	}
	return Confusion(w, e.Confusion, e.Threshold, names)
}

// Confusion draws the confusion matrix at a threshold as PNG: each cell's count and its share of the actual class. names are those of
// the negative and of the positive class.
func Confusion(w io.Writer, m metrics.Confusion, threshold float64, names []string) error {
	title := fmt.Sprintf("Confusion matrix, test set (%d windows)", m.N())
	q := newPlot(title, fmt.Sprintf("predicted (threshold %.4g)", threshold), "actual")
	g := grid(m)
	h := plotter.NewHeatMap(g, blues{})
	h.Min, h.Max = 0, 1
	q.Add(h)
	for r := range 2 {
		for c := range 2 {
			ink := color.Color(color.Black)
			if g.Z(c, r) > 0.5 {
				ink = color.White
			}
			n, all := g.count(c, r)
			share := "–"
			if all > 0 {
				share = fmt.Sprintf("%.1f %% of actual", 100*float64(n)/float64(all))
			}
			count, err := label(float64(c), float64(r)+0.06, fmt.Sprint(n), vg.Points(24), ink)
			if err != nil {
				return fmt.Errorf("report: label the confusion matrix: %w", err)
			}
			percent, err := label(float64(c), float64(r)-0.14, share, vg.Points(13), ink)
			if err != nil {
				return fmt.Errorf("report: label the confusion matrix: %w", err)
			}
			q.Add(count, percent)
		}
	}
	negative, positive := short(names[0], 24)+" (negative)", short(names[1], 24)+" (positive)"
	q.NominalX(negative, positive)
	q.NominalY(positive, negative)
	q.X.Padding, q.Y.Padding = 0, 0
	return write(w, 6*vg.Inch, 5*vg.Inch, 0, nil, []*plot.Plot{q})
}
