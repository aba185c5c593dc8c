package report

import (
	"fmt"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// ROC draws the ROC curve as PNG: points are its pairs of false and true positive rate, from (0,0) to (1,1); auc is
// the area to be named. No points, or an auc of NaN: the curve is undefined, and the picture says so.
func ROC(w io.Writer, points [][2]float64, auc float64) error {
	q, chance, err := rocPlot("ROC curve, test set")
	if err != nil {
		return err
	}
	if len(points) > 0 && !math.IsNaN(auc) {
		l, err := plotter.NewLine(xysOf(points))
		if err != nil {
			return fmt.Errorf("report: draw the ROC curve: %w", err)
		}
		l.Color, l.Width = blue, vg.Points(2.2)
		q.Add(l)
		q.Legend.Add(fmt.Sprintf("model, AUC = %.4f", auc), l)
	} else {
		l, err := label(0.5, 0.75, "AUC undefined", vg.Points(14), grey)
		if err != nil {
			return fmt.Errorf("report: label the empty ROC plot: %w", err)
		}
		q.Add(l)
	}
	return finishROC(w, q, chance)
}

// rocPlot is a plot with the line of chance, which the legend is to name last.
func rocPlot(title string) (*plot.Plot, *plotter.Line, error) {
	q := newPlot(title, "false positive rate", "true positive rate")
	addGrid(q)
	chance, err := plotter.NewLine(plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 1}})
	if err != nil {
		return nil, nil, fmt.Errorf("report: draw the line of chance: %w", err)
	}
	chance.Color, chance.Width, chance.Dashes = grey, vg.Points(1.4), dashes
	q.Add(chance)
	return q, chance, nil
}

func xysOf(points [][2]float64) plotter.XYs {
	xys := make(plotter.XYs, len(points))
	for i, v := range points {
		xys[i] = plotter.XY{X: v[0], Y: v[1]}
	}
	return xys
}

// finishROC completes legend and axes, and writes the picture.
func finishROC(w io.Writer, q *plot.Plot, chance *plotter.Line) error {
	q.Legend.Add("chance, AUC = 0.5", chance)
	q.Legend.XOffs, q.Legend.YOffs, q.Legend.Padding = -vg.Points(8), vg.Points(10), vg.Points(3)
	// A curve that climbs along the axes is drawn beside them, not under them.
	q.X.Min, q.X.Max, q.Y.Min, q.Y.Max = -0.01, 1.01, -0.01, 1.01
	tenths := plot.ConstantTicks{}
	for i := 0; i <= 10; i += 2 {
		tenths = append(tenths, plot.Tick{Value: float64(i) / 10, Label: fmt.Sprintf("%.1f", float64(i)/10)})
	}
	q.X.Tick.Marker, q.Y.Tick.Marker = tenths, tenths
	return write(w, 6*vg.Inch, 5.6*vg.Inch, 0, nil, []*plot.Plot{q})
}
