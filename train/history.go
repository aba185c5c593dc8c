package train

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"vklstm/train/metrics"
	"vklstm/train/report"
)

// Scores are a part's numbers in one epoch, at threshold 0.5; of more than two classes the means over classes. What is undefined is
// NaN: AUC when a class is missing, and all but Loss when a probability is not a number.
type Scores struct {
	Loss      float64 // training: Σ of weighted loss terms / N; validation: mean, unweighted
	Accuracy  float64
	Precision float64
	Recall    float64
	F1        float64
	AUC       float64 // exact area under the ROC curve
}

// Epoch is one row of the history.
type Epoch struct {
	Epoch    int           // counts from 0
	Train    Scores        // over the epoch: each window as its step saw it, before the update, with dropout and augmentation
	Val      Scores        // after the epoch, without dropout and augmentation
	Improved bool          // validation F1 was strictly better than in all epochs before
	Windows  int           // windows trained on
	Time     time.Duration // wall time of training and validation
}

// Columns are the columns of lstm_history.csv after epoch, in its order: alphabetical, as Keras's CSVLogger has them.
var Columns = []string{"accuracy", "auc", "f1", "loss", "precision", "recall",
	"val_accuracy", "val_auc", "val_f1", "val_loss", "val_precision", "val_recall"}

// Value returns the number under one of the names in Columns, and false for another name.
func (e Epoch) Value(name string) (float64, bool) {
	s := e.Train
	if rest, ok := strings.CutPrefix(name, "val_"); ok {
		s, name = e.Val, rest
	}
	switch name {
	case "accuracy":
		return s.Accuracy, true
	case "auc":
		return s.AUC, true
	case "f1":
		return s.F1, true
	case "loss":
		return s.Loss, true
	case "precision":
		return s.Precision, true
	case "recall":
		return s.Recall, true
	}
	return math.NaN(), false
}

// History is a run, epoch by epoch.
type History []Epoch

// Column returns one of Columns over the epochs. It panics for another name.
func (h History) Column(name string) []float64 {
	y := make([]float64, len(h))
	for i, e := range h {
		v, ok := e.Value(name)
		if !ok {
			panic(fmt.Sprintf("train: no column %q in the history", name))
		}
		y[i] = v
	}
	return y
}

// WriteCSV writes the history as Keras's CSVLogger does: epoch (from 0) and Columns, each number with the digits
// that give it back exactly. An undefined number is an empty field.
func (h History) WriteCSV(w io.Writer) error {
	b := bufio.NewWriter(w)
	b.WriteString("epoch," + strings.Join(Columns, ",") + "\n")
	for _, e := range h {
		b.WriteString(strconv.Itoa(e.Epoch))
		for _, name := range Columns {
			b.WriteByte(',')
			if v, _ := e.Value(name); !math.IsNaN(v) {
				b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
			}
		}
		b.WriteByte('\n')
	}
	return b.Flush()
}

// WritePNG draws loss, accuracy, F1 and AUC over the epochs; best is the epoch to mark, −1 for none; loss is the
// name of the loss. Where no validation loss is a number, there was no validation.
func (h History) WritePNG(w io.Writer, best int, loss string) error {
	validated := slices.ContainsFunc(h, func(e Epoch) bool { return !math.IsNaN(e.Val.Loss) })
	var panels []report.Panel
	for _, p := range []struct{ title, axis, column string }{
		{"Loss", loss, "loss"}, {"Accuracy", "accuracy", "accuracy"}, {"F1", "F1", "f1"}, {"ROC-AUC", "AUC", "auc"},
	} {
		panel := report.Panel{Title: p.title, Axis: p.axis, Train: h.Column(p.column), Share: p.column != "loss"}
		if validated {
			panel.Validation = h.Column("val_" + p.column)
		}
		panels = append(panels, panel)
	}
	return report.History(w, panels, best)
}

// scores sums up one part in an epoch: labels[windows[i]], p[i][outputs] and loss[i] belong together.
func scores(labels []float32, windows []int32, p, loss []float32, outputs int) Scores {
	sum := 0.0
	for _, l := range loss {
		sum += float64(l)
	}
	if outputs > 1 {
		m := metrics.Classify(metrics.Labels(labels, windows), p, make([]string, outputs))
		return Scores{Loss: sum / float64(len(windows)), Accuracy: float64(m.Accuracy), Precision: float64(m.Macro.Precision), Recall: float64(m.Macro.Recall),
			F1: float64(m.Macro.F1), AUC: float64(m.Macro.AUC)}
	}
	m := metrics.Compute(metrics.Labels(labels, windows), p, sum/float64(len(windows)), 0.5)
	return Scores{Loss: m.Loss, Accuracy: m.Accuracy, Precision: m.Precision, Recall: m.Recall, F1: m.RunningF1, AUC: m.AUC}
}

// validationF1 returns Scores.F1 of probabilities p, without the rest of the scores, which take longer.
func validationF1(y, p []float32) float64 {
	var c metrics.Confusion
	for i, p := range p {
		if p != p {
			return math.NaN()
		}
		c.Add(y[i], p, 0.5)
	}
	if len(p) == 0 {
		return math.NaN()
	}
	return c.RunningF1()
}
