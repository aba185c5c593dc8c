package crossval

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize/english"

	"vklstm/train"
	"vklstm/train/metrics"
	"vklstm/train/progress"
)

// log is the log of a cross-validation: one line for each epoch of all models, and one for each model that has ended. On a
// terminal a bar shows how far the longest of them are. In JSON each line is an object with an "event": "start", "epoch" and
// "end" of a "model", "note" and "warning".
type log struct {
	*progress.Log
	epochs int // of a model, at most
	models int // of the whole cross-validation
	begun  bool
}

// begin writes what is trained, once, and starts the bar for the models of p.
func (l *log) begin(o *Outcome, p *train.Pool) {
	if !l.begun {
		l.begun = true
		l.introduce(o, p)
	}
	l.StartBar(l.epochs, l.barText(0, len(p.Runs)), p.Progress)
}

// introduce writes the lines that the log begins with.
func (l *log) introduce(o *Outcome, p *train.Pool) {
	if o.cutsGroups() {
		l.Warn("%s: windows of one %s lie on both sides of a fold, so the scores are better than they will be on new ones", o.Dataset.Path, o.unit())
	}
	l.Event("start", "device", p.Device, "data", o.Dataset.Path, "windows", o.Dataset.N, "folds", o.folds(), "models", l.models, "side_by_side", len(p.Runs))
	for _, text := range append([]string{p.Device, o.about(), o.division(), o.modelsText()}, o.Config.Settings(o.outputs())...) {
		l.Line("%s", text)
	}
	if n := len(p.Runs); n < l.models {
		l.Line("%s side by side at a time", english.Plural(n, "model", ""))
	}
}

func (l *log) barText(epoch, models int) string {
	return fmt.Sprintf("epoch %d/%d, %s", min(epoch+1, l.epochs), l.epochs, english.Plural(models, "model", ""))
}

// epoch tells of an epoch of the models that were trained in it.
func (l *log) epoch(trained []*train.Run) {
	epoch := len(trained[0].History)
	l.ShowBar(epoch, l.barText(epoch, len(trained)))
	windows, lowest, highest := 0, math.Inf(1), math.Inf(-1)
	var loss, f1, took float64
	n := float64(len(trained))
	for _, r := range trained {
		e := r.History[len(r.History)-1]
		number := func(x float64) metrics.Number { return metrics.Number(x) }
		l.Event("epoch", "model", r.Config.Name, "epoch", e.Epoch, "loss", number(e.Train.Loss), "f1", number(e.Train.F1),
			"val_loss", number(e.Val.Loss), "val_f1", number(e.Val.F1), "val_auc", number(e.Val.AUC), "seconds", e.Time.Seconds()) // seconds of all models
		s, what := e.Train, e.Train.F1
		if len(r.Parts.Val) > 0 {
			what = e.Val.F1
		}
		loss += s.Loss / n
		f1 += what / n
		lowest, highest = min(lowest, what), max(highest, what)
		windows += e.Windows
		took = e.Time.Seconds()
	}
	name := "val F1"
	if len(trained[0].Parts.Val) == 0 {
		name = "F1"
	}
	text := fmt.Sprintf("%d/%d  %s  loss %.5f  %s %.3f", epoch, l.epochs, english.Plural(len(trained), "model", ""), loss, name, f1)
	if len(trained) > 1 {
		text += fmt.Sprintf(" (%.3f to %.3f)", lowest, highest)
	}
	if !l.Bars() {
		text += fmt.Sprintf("  %.2fs  %.0f windows/s", took, float64(windows)/max(took, 1e-9))
	}
	l.Line("%s", text)
}

// end tells of a model that has ended.
func (l *log) end(r *train.Run) {
	event := []any{"model", r.Config.Name, "stopped", r.Stopped, "reason", r.Reason, "epochs", len(r.History), "best_epoch", nil, "best_val_f1", nil}
	if r.Best.Any {
		event[9], event[11] = r.Best.Epoch, metrics.Number(r.Best.Value)
	}
	l.Event("end", event...)
	text := fmt.Sprintf("%s: %s after %s", r.Config.Name, r.Stopped, english.Plural(len(r.History), "epoch", ""))
	if r.Best.Any && !math.IsNaN(r.Best.Value) {
		text += fmt.Sprintf("; epoch %d kept, val F1 %.3f", r.Best.Epoch+1, r.Best.Value)
	}
	l.Line("%s", text)
}
