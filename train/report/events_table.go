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
	if v.Hours == v.Hours {
		text += fmt.Sprintf("\n%s an hour, ", v.PerHour.Text(2))
	} else {
		text += "; "
	}
	_, err := fmt.Fprintf(w, "%s\n%s%s\n", t.Render(), text, hours(v))
	return err
}

// hours says what a rate is of.
func hours(v *metrics.Events) string {
	switch {
	case v.Hours != v.Hours:
		return "the file has no fs, so there is no rate"
	case v.Overlap:
		return fmt.Sprintf("of %s hours that the windows cover", v.Hours.Text(3))
	}
	return fmt.Sprintf("of %s hours if no windows overlap: the file has neither start_time nor start_frame", v.Hours.Text(3))
}

// WriteClassEvents writes the result of recordings by class as a table.
func WriteClassEvents(w io.Writer, list []metrics.ClassEvents) error {
	t := NewTable()
	all := &list[0].Events
	t.SetTitle(fmt.Sprintf("Events by %s, %s recordings", all.Key, humanize.Comma(int64(all.N))))
	head, rate := []any{"", "with it", "found", "Precision", "Recall", "F1", "alarms"}, all.Hours == all.Hours
	if rate {
		head = append(head, "an hour")
	}
	t.AppendHeader(head)
	for _, v := range list {
		m := v.Confusion
		row := []any{short(v.Class, 16), m.TP + m.FN, m.TP, v.Precision.Text(4), v.Recall.Text(4), v.F1.Text(4), v.FalseAlarms}
		if rate {
			row = append(row, v.PerHour.Text(2))
		}
		t.AppendRow(row)
	}
	text := "Alarms are false ones: neighbouring windows that are taken for a class, none of it"
	if rate {
		text += ";\nan hour "
	} else {
		text += ";\n"
	}
	_, err := fmt.Fprintf(w, "%s\n%s%s\n", t.Render(), text, hours(all))
	return err
}
