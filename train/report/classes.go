package report

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"vklstm/train/metrics"
)

// short cuts a name to n columns.
func short(name string, n int) string { return text.Snip(name, n, "…") }

// mostCells is how many classes' confusion matrix is written as a table of 80 columns; of more, only what is confused most.
const mostCells = 10

// WriteClassification writes the scores of more than two classes as tables: of all, of each, and the confusion matrix.
func WriteClassification(w io.Writer, title string, m metrics.Classification) error {
	if title == "" {
		title = "Test set"
	}
	title = fmt.Sprintf("%s, %s windows, %d classes", title, humanize.Comma(int64(m.Samples)), len(m.Classes))
	if m.Reject > 0 {
		title += fmt.Sprintf("\n%s unsure, below %.4g", humanize.Comma(int64(m.Unsure)), m.Reject)
	}
	all := newTable()
	all.SetTitle("%s", title)
	all.AppendHeader(table.Row{"Accuracy", "Balanced", "Kappa", "Log loss"})
	all.AppendRow(table.Row{m.Accuracy.Text(4), m.Balanced.Text(4), m.Kappa.Text(4), m.LogLoss.Text(4)})

	each := newTable()
	each.AppendHeader(table.Row{"Class", "Precision", "Recall", "F1", "ROC-AUC", "Windows"})
	each.SetColumnConfigs([]table.ColumnConfig{{Number: 6, Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight}})
	for _, c := range m.PerClass {
		each.AppendRow(table.Row{short(c.Class, 24), c.Precision.Text(4), c.Recall.Text(4), c.F1.Text(4), c.AUC.Text(4), humanize.Comma(int64(c.Support))})
	}
	each.AppendSeparator()
	for _, a := range []struct {
		name string
		metrics.Average
	}{{"mean of classes", m.Macro}, {"by windows", m.Weighted}} {
		each.AppendRow(table.Row{a.name, a.Precision.Text(4), a.Recall.Text(4), a.F1.Text(4), a.AUC.Text(4), humanize.Comma(int64(m.Samples))})
	}
	matrix := ConfusionOfClasses(m.Classes, m.Confusion)
	_, err := fmt.Fprintf(w, "%s\n%s\n%s\n", all.Render(), each.Render(), matrix)
	return err
}

// ConfusionOfClasses returns the matrix of windows by class and prediction as a table, each class's predictions in a row; of many classes
// those that are confused most.
func ConfusionOfClasses(names []string, matrix [][]int) string {
	m := metrics.Classification{Classes: names, Confusion: matrix}
	if len(names) > mostCells {
		return confusedMost(m)
	}
	t := newTable()
	t.SetTitle("Confusion matrix")
	room := max(4, (80-22)/len(m.Classes)-3)
	head := table.Row{"actual"}
	var right []table.ColumnConfig
	for c, name := range m.Classes {
		head = append(head, short(name, room))
		right = append(right, table.ColumnConfig{Number: c + 2, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(right)
	for c, name := range m.Classes {
		row := table.Row{short(name, 18)}
		for _, n := range m.Confusion[c] {
			row = append(row, humanize.Comma(int64(n)))
		}
		t.AppendRow(row)
	}
	return t.Render()
}

// confusedMost lists the pairs that are confused most, where a matrix would be too wide.
func confusedMost(m metrics.Classification) string {
	const most = 10
	t := newTable()
	t.SetTitle("Confused most")
	t.AppendHeader(table.Row{"Class", "taken for", "Windows"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight}})
	type pair struct{ c, j int }
	taken := map[pair]bool{}
	for range most {
		best, found := pair{}, 0
		for c, row := range m.Confusion {
			for j, n := range row {
				if c != j && n > found && !taken[pair{c, j}] {
					best, found = pair{c, j}, n
				}
			}
		}
		if found == 0 {
			break
		}
		taken[best] = true
		t.AppendRow(table.Row{short(m.Classes[best.c], 30), short(m.Classes[best.j], 30), cell(found, sumOf(m.Confusion[best.c]))})
	}
	if len(taken) == 0 {
		return "no window is taken for another class"
	}
	return t.Render()
}

func sumOf(list []int) (sum int) {
	for _, n := range list {
		sum += n
	}
	return sum
}

// square is a matrix as a heat map of shares of the actual class, the first at the top.
type square [][]int

func (s square) Dims() (c, r int) { return len(s), len(s) }
func (s square) X(c int) float64  { return float64(c) }
func (s square) Y(r int) float64  { return float64(r) }
func (s square) row(r int) []int  { return s[len(s)-1-r] }
func (s square) Z(c, r int) float64 {
	all := sumOf(s.row(r))
	if all == 0 {
		return 0
	}
	return float64(s.row(r)[c]) / float64(all)
}

// confusionOfClasses draws the matrix of more than two classes: each cell's count, and by colour its share of the actual class.
func confusionOfClasses(w io.Writer, m metrics.Classification) error {
	C := len(m.Classes)
	q := newPlot(fmt.Sprintf("Confusion matrix, test set (%d windows)", m.Samples), "predicted", "actual")
	g := square(m.Confusion)
	h := plotter.NewHeatMap(g, blues{})
	h.Min, h.Max = 0, 1
	q.Add(h)
	size := vg.Points(math.Max(5, math.Min(20, 200/float64(C))))
	for r := range C {
		for c := range C {
			n := g.row(r)[c]
			if n == 0 || C > 30 {
				continue
			}
			ink := color.Color(color.Black)
			if g.Z(c, r) > 0.5 {
				ink = color.White
			}
			l, err := label(float64(c), float64(r), fmt.Sprint(n), size, ink)
			if err != nil {
				return fmt.Errorf("report: label the confusion matrix: %w", err)
			}
			q.Add(l)
		}
	}
	names := make([]string, C)
	for i, name := range m.Classes {
		names[i] = short(name, 16)
	}
	reversed := make([]string, C)
	for i, name := range names {
		reversed[C-1-i] = name
	}
	q.NominalX(names...)
	q.NominalY(reversed...)
	if C > 4 { // names of several letters would run into each other
		q.X.Tick.Label.Rotation = math.Pi / 4
		q.X.Tick.Label.XAlign, q.X.Tick.Label.YAlign = draw.XRight, draw.YTop
	}
	q.X.Padding, q.Y.Padding = 0, 0
	side := vg.Length(math.Min(14, math.Max(6, 3+0.5*float64(C)))) * vg.Inch
	return write(w, side, side*0.9, 0, nil, []*plot.Plot{q})
}

// ROCOf draws the ROC curve of a test part as PNG, of more than two classes one for each against the rest.
func ROCOf(w io.Writer, e *metrics.Evaluation) error {
	if e.Classification == nil {
		return ROC(w, e.Curve(), float64(e.AUC))
	}
	q, chance, err := rocPlot("ROC curves, test set, each class against the rest")
	if err != nil {
		return err
	}
	drawn := 0
	for c, points := range e.Curves() {
		if points == nil {
			continue
		}
		l, err := plotter.NewLine(xysOf(points))
		if err != nil {
			return fmt.Errorf("report: draw a ROC curve: %w", err)
		}
		l.Color, l.Width = hue(c, len(e.Classification.Classes)), vg.Points(1.8)
		q.Add(l)
		if drawn++; drawn <= 12 {
			q.Legend.Add(fmt.Sprintf("%s, AUC = %s", short(e.Classification.Classes[c], 18), e.Classification.PerClass[c].AUC.Text(4)), l)
		}
	}
	if drawn == 0 {
		l, err := label(0.5, 0.75, "AUC undefined", vg.Points(14), grey)
		if err != nil {
			return fmt.Errorf("report: label the empty ROC plot: %w", err)
		}
		q.Add(l)
	}
	q.Legend.TextStyle.Font.Size = vg.Points(10)
	return finishROC(w, q, chance)
}

// hue is one of n colours that differ in hue and brightness.
func hue(i, n int) color.Color {
	h := 6 * float64(i) / float64(max(n, 1))
	value := 0.85
	if i%2 == 1 {
		value = 0.6
	}
	x := value * (1 - math.Abs(math.Mod(h, 2)-1))
	r, g, b := 0.0, 0.0, 0.0
	switch int(h) {
	case 0:
		r, g = value, x
	case 1:
		r, g = x, value
	case 2:
		g, b = value, x
	case 3:
		g, b = x, value
	case 4:
		r, b = x, value
	default:
		r, b = value, x
	}
	return color.RGBA{uint8(255 * r), uint8(255 * g), uint8(255 * b), 255}
}
