package train

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize/english"

	"vklstm/train/files"
)

// Callback is told what happens in a run of LSTM. It may read the Run, change its LearningRate and call its Stop.
// An error ends the training; the best weights are kept and the other files are written.
type Callback interface {
	// OnTrainBegin is called once, before the first epoch.
	OnTrainBegin(r *Run) error
	// OnEpochEnd is called after each whole epoch; e is also the last entry of r.History.
	OnEpochEnd(r *Run, e Epoch) error
	// OnTrainEnd is called once, however training ended, when the best weights are back in place.
	OnTrainEnd(r *Run) error
}

// NoCallback does nothing; embed it in a Callback that needs only some of the methods.
type NoCallback struct{}

// OnTrainBegin implements Callback.
func (NoCallback) OnTrainBegin(*Run) error { return nil }

// OnEpochEnd implements Callback.
func (NoCallback) OnEpochEnd(*Run, Epoch) error { return nil }

// OnTrainEnd implements Callback.
func (NoCallback) OnTrainEnd(*Run) error { return nil }

// Best follows a number over the epochs. Numbers are compared as float32, as Keras compares them: two F1 that
// differ by rounding alone are a tie.
type Best struct {
	Lower bool    // lower is better (a loss)
	Epoch int     // of the best number so far, if Any
	Value float64 // the best number so far, if Any
	Any   bool    // whether there was a number at all
}

// Improved takes the number v of an epoch and reports whether it is strictly better than all before it. NaN never
// is, and nothing is worse than NaN: the first number is an improvement.
func (b *Best) Improved(epoch int, v float64) bool {
	if math.IsNaN(v) {
		return false
	}
	x, best := float32(v), float32(b.Value)
	if b.Any && !(b.Lower && x < best || !b.Lower && x > best) {
		return false
	}
	b.Epoch, b.Value, b.Any = epoch, v, true
	return true
}

// lowerIsBetter reports whether a column of the history is a loss.
func lowerIsBetter(column string) bool { return column == "loss" || column == "val_loss" }

// EarlyStopping stops training when the monitored number was not strictly better for Patience epochs. As in Keras
// it never stops after the first epoch, so that a Patience of 0 acts as 1.
type EarlyStopping struct {
	NoCallback
	Monitor  string // one of Columns
	Patience int    // epochs

	best Best
	wait int
}

// OnTrainBegin implements Callback. The error names an unknown Monitor.
func (s *EarlyStopping) OnTrainBegin(r *Run) error {
	if _, ok := (Epoch{}).Value(s.Monitor); !ok {
		return fmt.Errorf("train: early stopping on %q; known are %v", s.Monitor, Columns)
	}
	s.best, s.wait = Best{Lower: lowerIsBetter(s.Monitor)}, 0
	for _, e := range r.History { // of a run that goes on
		s.count(e)
	}
	return nil
}

// count takes an epoch into account.
func (s *EarlyStopping) count(e Epoch) {
	v, _ := e.Value(s.Monitor)
	s.wait++
	if s.best.Improved(e.Epoch, v) {
		s.wait = 0
	}
}

// OnEpochEnd implements Callback.
func (s *EarlyStopping) OnEpochEnd(r *Run, e Epoch) error {
	if s.count(e); s.wait > 0 && s.wait >= s.Patience && e.Epoch > 0 {
		r.Stop(StoppedEarly, fmt.Sprintf("%s was not better for %s", s.Monitor, english.Plural(s.wait, "epoch", "")))
	}
	return nil
}

// CSVLogger writes the history to Path when training ends, and before that whenever a second has passed since the
// last time, so that a run can be watched and a crash loses little.
type CSVLogger struct {
	NoCallback
	Path string

	last stopwatch
}

// OnEpochEnd implements Callback.
func (c *CSVLogger) OnEpochEnd(r *Run, _ Epoch) error {
	if !c.last.due() {
		return nil
	}
	return files.Write(c.Path, r.History.WriteCSV)
}

// OnTrainEnd implements Callback.
func (c *CSVLogger) OnTrainEnd(r *Run) error {
	if err := files.Write(c.Path, r.History.WriteCSV); err != nil {
		return err
	}
	r.Wrote(c.Path)
	return nil
}

// stopwatch says when a second has passed.
type stopwatch struct{ last time.Time }

// due reports whether a second has passed since it last reported so.
func (s *stopwatch) due() bool {
	if time.Since(s.last) < time.Second {
		return false
	}
	s.last = time.Now()
	return true
}

// builtIn are the callbacks of the settings: those that end a run or change its learning rate.
func (c Config) builtIn() []Callback {
	var list []Callback
	if c.EarlyStopping {
		list = append(list, &EarlyStopping{Monitor: c.Monitor, Patience: c.Patience})
	}
	if s := c.Schedule; s.Kind == SchedulePlateau {
		list = append(list, &ReduceLROnPlateau{Monitor: c.Monitor, Factor: s.Factor, Patience: s.Patience, MinDelta: s.MinDelta, Cooldown: s.Cooldown, MinLR: s.MinLR})
	}
	return list
}
