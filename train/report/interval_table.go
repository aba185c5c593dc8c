package report

import (
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"vklstm/train/metrics"
)

// The names of the scores in tables.
var ScoreNames = [5]string{"Accuracy", "Precision", "Recall", "F1", "ROC-AUC"}

// WriteInterval writes the interval as a table, below a title that says what was drawn.
func WriteInterval(w io.Writer, v metrics.Interval, what string) error {
	t := NewTable()
	t.SetTitle("%.0f %% of %s resamples of %s", 100*v.Level, humanize.Comma(int64(v.Resamples)), what)
	head, from, to := table.Row{""}, table.Row{"from"}, table.Row{"to"}
	low, high := v.Low.Values(), v.High.Values()
	for i, name := range ScoreNames {
		head, from, to = append(head, name), append(from, low[i].Text(4)), append(to, high[i].Text(4))
	}
	t.AppendHeader(head)
	t.AppendRow(from)
	t.AppendRow(to)
	_, err := fmt.Fprintln(w, t.Render())
	return err
}
