package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dustin/go-humanize/english"

	"vklstm/model"
	"vklstm/train/data"
	"vklstm/train/metrics"
	"vklstm/train/saved"
)

// Stop says how training ended.
type Stop string

// The ways in which training ends: early by EarlyStopping (callback.go), interrupted and by error in Pool.Train, the others in
// runEpoch.stopIfOver (fit.go).
const (
	StoppedDone        Stop = "done"        // the last epoch was trained
	StoppedEarly       Stop = "early"       // validation F1 was not better for Patience epochs
	StoppedInterrupted Stop = "interrupted" // the context ended
	StoppedDiverged    Stop = "diverged"    // the loss was no longer a finite number
	StoppedError       Stop = "error"       // the engine or a callback failed
)

// Monitors are what Config.Monitor may be.
var Monitors = []string{"val_f1", "val_auc", "val_accuracy", "val_loss"}

// Run is the training of one model of a Pool, as callbacks see it.
type Run struct {
	Config       Config
	Dataset      *data.Dataset
	Parts        data.Parts
	Spec         model.Spec
	Scaling      data.Scaling
	Device       string    // which device trains, by which path, and why
	LearningRate float64   // of the next epoch; callbacks may change it
	History      History   // whole epochs so far
	Best         Best      // Config.Monitor of the epoch whose weights are kept: the best so far, without early stopping the last
	Weights      []float64 // weight of each class; nil: none
	Stopped      Stop      // how training ended; empty until then
	Reason       string    // why it ended, for people

	outputs   int // of the network: 1, or one for each class
	engine    model.Engine
	k         int                     // the number of the run's model in the engine
	order     func(epoch int) []int32 // the training windows in the epoch's order
	epoch     int                     // the next epoch; len(History) but while an epoch's scores are computed
	callbacks []Callback
	log       *logger
	notes     []string     // warnings found before the log began
	best      *model.State // weights of Best, or as they are when no epoch was complete
	val       []float32    // of Parts.Val, by best
	files     []string
	begun     bool  // the callbacks have heard of the beginning
	ended     bool  // the best weights are back, and the callbacks have heard of the end
	err       error // the first that happened to this run
}

// Stop ends training after the current epoch. The first call counts. Where the engine trains ahead, what it has done of the next
// epoch is thrown away.
func (r *Run) Stop(how Stop, reason string) {
	if r.Stopped == "" {
		r.Stopped, r.Reason = how, reason
	}
}

// Err returns what went wrong with this run, nil for nothing. The other runs of its group may be well.
func (r *Run) Err() error { return r.err }

// State returns a copy of the weights, Adam's moments and the step as they are now on the device.
func (r *Run) State() (*model.State, error) { return r.engine.State(r.k) }

// BestState returns the weights of Best, not a copy; nil before there is one.
func (r *Run) BestState() *model.State { return r.best }

// Model returns the network with the best weights so far; its State is nil before there are any.
func (r *Run) Model() saved.Model {
	c := r.Config
	origin := saved.Origin{Epoch: -1, ValF1: metrics.Number(metrics.NaN), Seed: c.Seed, Split: c.Split, Augment: c.Augment, ClassWeights: c.ClassWeights}
	if r.Best.Any {
		origin.Epoch, origin.ValF1 = r.Best.Epoch, metrics.Number(r.bestF1())
	}
	return saved.Model{Spec: r.Spec, State: r.best, Scaling: r.Scaling, Classes: r.Dataset.Names(), Loss: c.loss(r.outputs), Optimizer: c.optimizer(), LearningRate: c.LearningRate,
		Threshold: r.Decision().Threshold, Origin: &origin}
}

// bestF1 is the validation F1 of the epoch whose weights are kept.
func (r *Run) bestF1() float64 {
	switch {
	case r.Config.Monitor == "val_f1":
		return r.Best.Value
	case r.Best.Epoch < len(r.History):
		return r.History[r.Best.Epoch].Val.F1
	}
	return math.NaN()
}

// judge says how the run's probabilities are judged.
func (r *Run) judge() metrics.Judge {
	j := metrics.Judge{Threshold: r.Decision().Threshold}
	if r.outputs > 1 {
		j.Classes = r.Dataset.Names()
	} else {
		j.Names = data.OwnNames(r.Dataset.Names())
	}
	return j
}

// Wrote adds a file to the list of files that the run names at its end.
func (r *Run) Wrote(path string) {
	if !slices.Contains(r.files, path) {
		r.files = append(r.files, path)
	}
}

// Note writes a line into the log.
func (r *Run) Note(format string, args ...any) { r.log.Note(format, args...) }

// Warn writes a line into the log that --quiet does not silence.
func (r *Run) Warn(format string, args ...any) { r.log.Warn(format, args...) }

// Snapshot is a run between two epochs, or at its end. A Config that starts From it goes on as the run would have, bit for
// bit, in whatever group and, on engines that agree, on another device; what had ended trains no more.
type Snapshot struct {
	State        *model.State // weights, Adam's moments and step
	Best         Best         // the epoch whose weights are kept so far
	BestState    *model.State // its weights; nil before there are any
	Validation   []float32    // the validation part's probabilities by them; nil: predicted again when they are needed
	LearningRate float64      // of the next epoch
	History      History      // the epochs trained; what early stopping and the plateau know follows from them
	Stopped      Stop         // how training ended; empty: it goes on
	Reason       string       // why it ended, for people
}

// Snapshot returns the run as it now is, between two calls of Pool.Train, or in a callback's OnEpochEnd.
func (r *Run) Snapshot() (*Snapshot, error) {
	s, err := r.State()
	if err != nil {
		return nil, err
	}
	return &Snapshot{State: s, Best: r.Best, BestState: r.best, Validation: r.val, LearningRate: r.LearningRate, History: r.History[:len(r.History):len(r.History)],
		Stopped: r.Stopped, Reason: r.Reason}, nil
}

// resume has the run go on from s, or stand as it ended.
func (r *Run) resume(s *Snapshot) {
	r.LearningRate, r.Best, r.best, r.val = s.LearningRate, s.Best, s.BestState, s.Validation
	r.History, r.epoch = s.History[:len(s.History):len(s.History)], len(s.History)
	r.Stopped, r.Reason = s.Stopped, s.Reason
}

// begin tells the callbacks, once, that training begins.
func (r *Run) begin() {
	if r.begun {
		return
	}
	r.begun = true
	if err := r.callEach(func(c Callback) error { return c.OnTrainBegin(r) }); err != nil {
		r.fail(err)
	}
}

// record enters an epoch into the history and tells the callbacks, unless its weights could not be had.
func (r *Run) record(e Epoch) {
	if r.Stopped == StoppedError {
		return
	}
	r.History = append(r.History, e)
	if err := r.callEach(func(c Callback) error { return c.OnEpochEnd(r, e) }); err != nil {
		r.fail(err)
	}
}

// finish puts the best weights back after training has ended, and tells the callbacks. The engine must be idle.
func (r *Run) finish() {
	r.ended = true
	if err := r.restore(); r.err == nil {
		r.err = err
	}
	if r.err == nil {
		r.err = r.predictForThreshold()
	}
	if why := r.Decision().Problem; r.err == nil && why != "" {
		r.Warn("%s", why)
	}
	if err := r.callEach(func(c Callback) error { return c.OnTrainEnd(r) }); r.err == nil {
		r.err = err
	} else if err != nil && err.Error() != r.err.Error() {
		r.Warn("%v", err)
	}
}

// fail ends the run by an error.
func (r *Run) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.Stop(StoppedError, err.Error())
}

// callEach calls every callback, and returns the first error; the others go into the log.
func (r *Run) callEach(call func(Callback) error) error {
	var first error
	for _, c := range r.callbacks {
		err := call(c)
		switch {
		case first == nil:
			first = err
		case err != nil:
			r.Warn("%v", err)
		}
	}
	return first
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// steps returns the number of steps in an epoch.
func (r *Run) steps() int {
	return (len(r.Parts.Train) + r.Config.Batch - 1) / r.Config.Batch
}

// keeps reports whether an epoch's weights are those to keep so far: with early stopping when v, what is monitored, is
// the best, which it notes in e, else whenever the epoch's loss terms are numbers.
func (r *Run) keeps(e *Epoch, v float64, loss []float32) bool {
	if r.Config.EarlyStopping {
		e.Improved = r.Best.Improved(e.Epoch, v)
		return e.Improved
	}
	sum := 0.0
	for _, l := range loss {
		sum += float64(l)
	}
	if !finite(sum) || len(r.Parts.Val) > 0 && math.IsNaN(v) {
		return false
	}
	r.Best = Best{Lower: r.Best.Lower, Epoch: e.Epoch, Value: v, Any: true}
	return true
}

// plan lays out the next epoch.
func (r *Run) plan() model.Plan {
	p := model.Plan{Epoch: r.epoch, Train: r.order(r.epoch), Batch: r.Config.Batch, Eval: r.Parts.Val}
	p.LearningRate = r.learningRates(r.epoch)
	if r.Weights != nil || r.Dataset.Weight != nil {
		p.Weight = make([]float32, len(p.Train))
		for i, w := range p.Train {
			p.Weight[i] = 1
			if r.Weights != nil {
				p.Weight[i] = float32(r.Weights[int(r.Dataset.Y[w])])
			}
			if r.Dataset.Weight != nil {
				p.Weight[i] *= r.Dataset.Weight[w]
			}
		}
	}
	return p
}

// restore puts the best weights back on the device. When training was interrupted in the first epoch there are none:
// the weights stay as they are and count as the best. After an error, and when the weights are no numbers, there is
// nothing worth keeping.
func (r *Run) restore() error {
	switch {
	case r.Stopped == StoppedError:
		if r.best != nil {
			_ = r.engine.SetState(r.k, r.best) // The device may be gone; the weights are in hand.
		}
		return nil
	case r.best != nil:
		return r.engine.SetState(r.k, r.best)
	}
	s, err := r.State()
	if err != nil {
		return err
	}
	for _, p := range s.Params {
		if !finite(float64(p)) {
			return fmt.Errorf("train: %s, and no epoch before gave usable weights; lower the learning rate (lr is %v) or scale the data",
				r.Reason, r.Config.LearningRate)
		}
	}
	r.best = s
	r.Warn("no epoch was complete; the weights are kept as they are, after %s", english.Plural(s.Step, "step", ""))
	return nil
}

// Decision returns the run's threshold, as Config.Threshold has it found on the validation part by the best weights so
// far.
func (r *Run) Decision() metrics.Decision {
	if r.outputs > 1 {
		return metrics.Decision{Threshold: metrics.DefaultThreshold}
	}
	if r.val == nil && r.Config.Threshold.Kind != metrics.ThresholdFixed {
		return metrics.Decision{Threshold: metrics.DefaultThreshold, Problem: "no validation yet"}
	}
	return r.Config.Threshold.Choose(metrics.Labels(r.Dataset.Y, r.Parts.Val), r.val)
}

// Validation returns the probabilities of Parts.Val by the best weights so far, not a copy; nil before there are any.
func (r *Run) Validation() []float32 { return r.val }

// predictForThreshold predicts the validation part by the weights that are on the device, where the threshold needs it and no epoch
// has left it.
func (r *Run) predictForThreshold() error {
	if r.best == nil || r.Config.Threshold.Kind == metrics.ThresholdFixed {
		return nil
	}
	return r.predictValidation()
}

// predictValidation sees to it that there are probabilities of Parts.Val by the weights that are on the device.
func (r *Run) predictValidation() error {
	if r.val != nil {
		return nil
	}
	predict := func(ctx context.Context, x []float32) ([]float32, error) { return r.engine.Predict(ctx, r.k, x) }
	judge := metrics.Judge{Threshold: metrics.DefaultThreshold}
	if r.outputs > 1 {
		judge.Classes = r.Dataset.Names()
	}
	e, err := saved.Score(context.Background(), predict, r.Dataset, r.Dataset.Y, r.Parts.Val, judge)
	if err == nil {
		r.val = e.Probability
	}
	return err
}
