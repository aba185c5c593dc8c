package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"vklstm/model"
	"vklstm/train/metrics"
)

// newTable returns a table in the style of all tables, at most 80 columns wide.
func newTable() table.Writer {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Format.HeaderAlign = text.AlignLeft
	style.Title.Align = text.AlignLeft
	style.Size.WidthMax = 80
	t.SetStyle(style)
	return t
}

// NewTable returns an empty table in the style of all tables, at most 80 columns wide.
func NewTable() table.Writer { return newTable() }

// Model writes the summary of a network's layers as Keras does: output shape and number of parameters of each. It
// panics when spec.Chain returns an error.
func Model(w io.Writer, spec model.Spec) error {
	layout := spec.Layout()
	t := newTable()
	t.SetTitle("Model")
	t.AppendHeader(table.Row{"Layer (type)", "Output shape", "Parameters"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight}})
	shape := fmt.Sprintf("(None, %d, %d)", spec.Timesteps, spec.Features)
	for i, l := range spec.Layers {
		out := l.Units
		if l.Bidirectional && (l.Merge == "" || l.Merge == model.Concat) {
			out *= 2
		}
		switch {
		case l.Kind == model.LSTM && spec.ReturnsSequences(i): // after each step
			shape = fmt.Sprintf("(None, %d, %d)", spec.Timesteps, out)
		case out > 0:
			shape = fmt.Sprintf("(None, %d)", out)
		}
		n := 0
		for _, v := range layout.Variables {
			if strings.HasPrefix(v.Name, l.Name+"/") {
				n += v.Size()
			}
		}
		what := string(l.Kind)
		switch {
		case l.Bidirectional:
			what = "Bidirectional"
		case l.Kind == model.Dropout:
			what += fmt.Sprintf(" %v", l.Rate)
		case l.Activation != "":
			what += " " + string(l.Activation)
		}
		t.AppendRow(table.Row{fmt.Sprintf("%s (%s)", l.Name, what), shape, humanize.Comma(int64(n))})
	}
	_, err := fmt.Fprintf(w, "%s\nTotal parameters: %s (%.2f KiB)\n", t.Render(), humanize.Comma(int64(layout.Size)), float64(4*layout.Size)/1024)
	return err
}

// WriteEvaluation writes the result as tables: of two classes as WriteTest does.
func WriteEvaluation(w io.Writer, e *metrics.Evaluation) error {
	if e.Classification == nil {
		return WriteTest(w, e.Test)
	}
	return WriteClassification(w, e.Title, *e.Classification)
}

// WriteTest writes the result as two tables: the scores and the confusion matrix.
func WriteTest(w io.Writer, t metrics.Test) error {
	scores := newTable()
	title := t.Title
	if title == "" {
		title = "Test set"
	}
	scores.SetTitle(fmt.Sprintf("%s, %s windows, threshold %.4g", title, humanize.Comma(int64(t.Samples)), t.Threshold))
	scores.AppendHeader(table.Row{"Accuracy", "Precision", "Recall", "F1", "ROC-AUC"})
	scores.AppendRow(table.Row{t.Accuracy.Text(4), t.Precision.Text(4), t.Recall.Text(4), t.F1.Text(4), t.AUC.Text(4)})

	_, err := fmt.Fprintf(w, "%s\n%s\n", scores.Render(), ConfusionTable(t.Confusion, t.Classes))
	return err
}

// ConfusionTable returns the matrix as a table; names are those of the negative and of the positive class, nil: 0 and 1.
func ConfusionTable(m metrics.Confusion, names []string) string {
	if names == nil {
		names = []string{"0", "1"}
	}
	names = []string{short(names[0], 16), short(names[1], 16)}
	matrix := newTable()
	matrix.SetTitle("Confusion matrix")
	matrix.AppendHeader(table.Row{"", "predicted " + names[0], "predicted " + names[1], "all"})
	var right []table.ColumnConfig
	for i := 2; i <= 4; i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	matrix.SetColumnConfigs(right)
	for _, r := range []struct {
		name string
		a, b int
	}{{"actual " + names[0], m.TN, m.FP}, {"actual " + names[1], m.FN, m.TP}} {
		matrix.AppendRow(table.Row{r.name, cell(r.a, r.a+r.b), cell(r.b, r.a+r.b), humanize.Comma(int64(r.a + r.b))})
	}
	return matrix.Render()
}

// cell writes a count and its share of all.
func cell(n, all int) string {
	if all == 0 {
		return "0"
	}
	return fmt.Sprintf("%s (%.1f %%)", humanize.Comma(int64(n)), 100*float64(n)/float64(all))
}
