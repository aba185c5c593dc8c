package report

import (
	"fmt"
	"io"

	"github.com/dustin/go-humanize"

	"vklstm/train/metrics"
)

// WriteEvents writes the result of recordings as a table.
func WriteEvents(w io.Writer, v *metrics.Events) error {
	t := NewTable()
	t.SetTitle(fmt.Sprintf("Events by %s, %s recordings", v.Key, humanize.Comma(int64(v.N))))
	row := func(a ...any) { t.AppendRow(a) }
	t.AppendHeader([]any{"Precision", "Recall", "F1", "TN", "FP", "FN", "TP"})
	m := v.Confusion
	row(v.Precision.Text(4), v.Recall.Text(4), v.F1.Text(4), m.TN, m.FP, m.FN, m.TP)
	text := fmt.Sprintf("%d false alarms (neighbouring windows that fire, none of them positive)", v.FalseAlarms)
	switch {
	case v.Hours != v.Hours:
		text += "; the file has no fs, so there is no rate"
	case v.Overlap:
		text += fmt.Sprintf("\n%s an hour, of %s hours that the windows cover", v.PerHour.Text(2), v.Hours.Text(3))
	default:
		text += fmt.Sprintf("\n%s an hour, of %s hours if no windows overlap: the file has neither start_time nor start_frame", v.PerHour.Text(2), v.Hours.Text(3))
	}
	_, err := fmt.Fprintf(w, "%s\n%s\n", t.Render(), text)
	return err
}
