package train

import (
	"fmt"
	"io"
	"strings"
	"time"

	"vklstm/train/metrics"
	"vklstm/train/progress"
	"vklstm/train/report"
)

// logger is a Callback that tells the log of a run. In JSON every line is an object whose "event" is one of "start", "note",
// "warning", "epoch" (counted from 0, with the names of lstm_history.csv), "end", "result" (the content of
// test_metrics.json) and "file". An undefined number is null.
type logger struct {
	NoCallback
	*progress.Log
	follows bool // another log has told what begins, and this one tells of its model alone
}

// OnTrainBegin implements Callback: the device on the first line, then data, settings and the model's summary.
func (l *logger) OnTrainBegin(r *Run) error {
	if l.follows {
		return nil
	}
	d := r.Dataset
	var weights []metrics.Number
	for _, w := range r.Weights {
		weights = append(weights, metrics.Number(w))
	}
	event := []any{"device", r.Device, "data", d.Path, "windows", d.N, "timesteps", d.T, "features", d.F,
		"train", len(r.Parts.Train), "validation", len(r.Parts.Val), "test", len(r.Parts.Test),
		"class_weights", weights, "parameters", r.Spec.Layout().Size, "epochs", r.Config.Epochs, "seed", r.Config.Seed}
	if r.Config.Recipe != "" {
		event = append(event, "recipe", r.Config.Recipe)
	}
	l.Event("start", event...)
	for _, text := range r.introduction() {
		l.Line("%s", text)
	}
	var b strings.Builder
	if err := report.Model(&b, r.Spec); err != nil {
		return err
	}
	l.Line("%s", strings.TrimSuffix(b.String(), "\n"))
	l.StartBar(r.Config.Epochs, fmt.Sprintf("epoch 1/%d", r.Config.Epochs), r.engine.Progress)
	return nil
}

// OnEpochEnd implements Callback: the epoch's line.
func (l *logger) OnEpochEnd(r *Run, e Epoch) error {
	event := []any{"epoch", e.Epoch}
	for _, name := range Columns {
		v, _ := e.Value(name)
		event = append(event, name, metrics.Number(v))
	}
	event = append(event, "improved", e.Improved, "seconds", e.Time.Seconds(), "windows_per_second", metrics.Number(e.rate()))
	l.Event("epoch", append(event, l.Model()...)...)
	text := e.line(r.Config.Epochs, len(r.Parts.Val) > 0)
	if !l.Bars() {
		text += fmt.Sprintf("  %s  %.0f windows/s", e.Time.Round(time.Millisecond), e.rate())
	}
	if e.Improved {
		text += "  best"
	}
	l.NamedLine("%s", text)
	l.ShowBar(e.Epoch+1, fmt.Sprintf("epoch %d/%d, %.0f windows/s", min(e.Epoch+2, r.Config.Epochs), r.Config.Epochs, e.rate()))
	return nil
}

// rate returns windows trained on per second.
func (e Epoch) rate() float64 { return float64(e.Windows) / max(e.Time.Seconds(), 1e-9) }

// line writes the epoch in at most 74 columns, for up to 9,999 epochs, with validation's scores or without.
func (e Epoch) line(epochs int, validation bool) string {
	text := fmt.Sprintf("%*d/%d  loss %s F1 %s", len(fmt.Sprint(epochs)), e.Epoch+1, epochs, lossText(e.Train.Loss), metrics.Number(e.Train.F1).Text(3))
	if !validation {
		return text + fmt.Sprintf(" AUC %s", metrics.Number(e.Train.AUC).Text(3))
	}
	return text + fmt.Sprintf("  val: loss %s F1 %s AUC %s", lossText(e.Val.Loss), metrics.Number(e.Val.F1).Text(3), metrics.Number(e.Val.AUC).Text(3))
}

// monitored says for people what Monitor names.
func (c Config) monitored() string {
	return map[string]string{"val_f1": "validation F1", "val_auc": "validation AUC", "val_accuracy": "validation accuracy", "val_loss": "validation loss"}[c.Monitor]
}

// lossText writes a loss: a focal loss goes down to 0.001, a diverging one up to anything.
func lossText(x float64) string {
	if x >= 100 || !finite(x) {
		return fmt.Sprintf("%.4g", x)
	}
	return fmt.Sprintf("%.5f", x)
}

// OnTrainEnd implements Callback: how training ended, and which weights are kept.
func (l *logger) OnTrainEnd(r *Run) error {
	l.EndBar()
	event := []any{"stopped", r.Stopped, "reason", r.Reason, "best_epoch", nil, "best_" + r.Config.Monitor, nil, "threshold", metrics.Number(r.Decision().Threshold)}
	if r.Best.Any {
		event[5], event[7] = r.Best.Epoch, metrics.Number(r.Best.Value)
	}
	l.Event("end", append(event, l.Model()...)...)
	l.NamedLine("training ended: %s", r.Reason)
	switch {
	case !r.Best.Any:
	case r.Config.EarlyStopping:
		l.NamedLine("best weights restored: epoch %d, %s %.4f", r.Best.Epoch+1, r.Config.monitored(), r.Best.Value)
	case len(r.Parts.Val) > 0:
		l.NamedLine("last weights kept: epoch %d, %s %.4f", r.Best.Epoch+1, r.Config.monitored(), r.Best.Value)
	default:
		l.NamedLine("last weights kept: epoch %d", r.Best.Epoch+1)
	}
	if about := r.Decision().About; about != "" {
		l.NamedLine("%s", about)
	}
	return nil
}

// result reports the test scores, nil if there are none, and the files: to programs by the log, to people as tables in out
// (nil: nowhere).
func (l *logger) result(out io.Writer, test *metrics.Evaluation, files []string) error {
	if test != nil {
		t := test.Test
		if m := test.Classification; m != nil {
			l.Event("result", "accuracy", m.Accuracy, "balanced_accuracy", m.Balanced, "macro", m.Macro, "weighted", m.Weighted, "cohen_kappa", m.Kappa,
				"log_loss", m.LogLoss, "classes", m.Classes, "confusion_matrix", m.Confusion, "n_samples", m.Samples)
		} else {
			l.Event("result", "precision", t.Precision, "recall", t.Recall, "f1", t.F1, "roc_auc", t.AUC, "confusion_matrix", t.Confusion,
				"n_samples", t.Samples, "threshold", t.Threshold)
		}
	}
	for _, f := range files {
		l.Event("file", "path", f)
	}
	if out == nil || l.JSON() {
		return nil
	}
	if test != nil {
		if err := report.WriteEvaluation(out, test); err != nil {
			return fmt.Errorf("train: write the result: %w", err)
		}
	}
	if len(files) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(out, "Files written:\n  %s\n", strings.Join(files, "\n  ")); err != nil {
		return fmt.Errorf("train: write the list of files: %w", err)
	}
	return nil
}
