package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"vklstm/model"
)

// Stop says how training ended.
type Stop string

// The ways in which training ends.
const (
	StoppedDone        Stop = "done"        // the last epoch was trained
	StoppedEarly       Stop = "early"       // validation F1 was not better for Patience epochs
	StoppedInterrupted Stop = "interrupted" // the context ended
	StoppedDiverged    Stop = "diverged"    // the loss was no longer a finite number
	StoppedError       Stop = "error"       // the engine or a callback failed
)

// monitor is the column of the history that decides about the best weights.
const monitor = "val_f1"

// Run is a training under way, as callbacks see it.
type Run struct {
	Config       Config
	Dataset      *Dataset
	Parts        Parts
	Spec         model.Spec
	Scaling      Scaling
	Device       string    // which device trains, by which path, and why
	LearningRate float64   // of the next epoch; callbacks may change it
	History      History   // whole epochs so far
	Best         Best      // validation F1 of the epoch whose weights are kept: the best so far, without early stopping the last
	Weights      []float64 // class weights, of y = 0 and y = 1; nil: none
	Stopped      Stop      // how training ended; empty until then
	Reason       string    // why it ended, for people

	engine    model.Engine
	closed    bool
	order     func(epoch int) []int32 // the training windows in the epoch's order
	callbacks []Callback
	progress  *Progress
	best      *model.State // weights of Best, or as they are when no epoch was complete
	files     []string
}

// Stop ends training after the epoch at hand. The first call counts.
func (r *Run) Stop(how Stop, reason string) {
	if r.Stopped == "" {
		r.Stopped, r.Reason = how, reason
	}
}

// State returns a copy of the weights, Adam's moments and the step as they are now on the device.
func (r *Run) State() (*model.State, error) { return r.engine.State(0) }

// BestState returns the weights of Best, not a copy; nil before there is one.
func (r *Run) BestState() *model.State { return r.best }

// Wrote adds a file to the list of files that the run names at its end.
func (r *Run) Wrote(path string) {
	for _, p := range r.files {
		if p == path {
			return
		}
	}
	r.files = append(r.files, path)
}

// Note writes a line into the log.
func (r *Run) Note(format string, args ...any) { r.progress.Note(fmt.Sprintf(format, args...)) }

// Warn writes a line into the log that --quiet does not silence.
func (r *Run) Warn(format string, args ...any) { r.progress.Warn(fmt.Sprintf(format, args...)) }

// fit trains until the last epoch, a callback's Stop, the end of ctx, a loss that is not finite, or an error, and
// puts the best weights back, however it ended. The end of ctx is no error. An error leaves the run as it then is.
func (r *Run) fit(ctx context.Context) error {
	err := r.tell(func(c Callback) error { return c.OnTrainBegin(r) })
	if err == nil {
		err = r.epochs(ctx)
	}
	if err != nil {
		r.Stop(StoppedError, err.Error())
	}
	if e := r.restore(); err == nil {
		err = e
	}
	if e := r.tell(func(c Callback) error { return c.OnTrainEnd(r) }); err == nil {
		err = e
	} else if e != nil && e.Error() != err.Error() {
		r.Warn("%v", e)
	}
	return err
}

// tell calls every callback, and returns the first error; the others go into the log.
func (r *Run) tell(call func(Callback) error) error {
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

// epochs trains epoch after epoch. While one's metrics are computed and callbacks hear of it, the next one trains
// already, unless there are callbacks of the caller's, which may ask for what it is trained with; what was trained too
// far when training ends is not used, as the best weights are put back.
func (r *Run) epochs(ctx context.Context) error {
	next := func() trained { return r.train(ctx, 0) }
	for epoch := range r.Config.Epochs {
		t := next()
		switch err := t.err; {
		case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
			if epoch == 0 && t.out.Steps == 0 {
				return fmt.Errorf("train: interrupted before the first step: %w", err)
			}
			r.Stop(StoppedInterrupted, fmt.Sprintf("interrupted in epoch %d after %d of its %s", epoch+1, t.out.Steps, count(r.steps(), "step")))
			return nil
		case err != nil:
			return err
		}
		e := Epoch{Epoch: epoch, Windows: len(t.plan.Train), Time: t.time}
		y := labelsOf(r.Dataset.Y, t.plan.Eval)
		e.Val.F1 = validationF1(y, t.out.EvalProbability)
		v, _ := e.Value(monitor)
		if r.keeps(&e, v, t.out.Loss) {
			s, err := r.engine.State(0)
			if err != nil {
				return err
			}
			r.best = s
		}
		abandon := func() {}
		if epoch+1 < r.Config.Epochs && r.knowsAhead() {
			next, abandon = r.trainAhead(ctx, epoch+1)
		} else {
			next = func() trained { return r.train(ctx, epoch+1) }
		}
		e.Train = scores(r.Dataset.Y, t.plan.Train, t.out.Probability, t.out.Loss)
		e.Val = scores(r.Dataset.Y, t.plan.Eval, t.out.EvalProbability, t.out.EvalLoss)
		r.History = append(r.History, e)
		if err := r.tell(func(c Callback) error { return c.OnEpochEnd(r, e) }); err != nil {
			abandon()
			return err
		}
		if !finite(e.Train.Loss) || len(t.plan.Eval) > 0 && !finite(e.Val.Loss) {
			r.Stop(StoppedDiverged, fmt.Sprintf("the loss of epoch %d is %v (validation %v)", epoch+1, e.Train.Loss, e.Val.Loss))
		}
		if r.Stopped != "" {
			abandon()
			return nil
		}
	}
	r.Stop(StoppedDone, "all "+count(r.Config.Epochs, "epoch")+" done")
	return nil
}

// keeps reports whether an epoch's weights are those to keep so far: with early stopping when their validation F1, v, is
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
	r.Best = Best{Epoch: e.Epoch, Value: v, Any: true}
	return true
}

// knowsAhead reports whether the next epoch can begin before the callbacks hear of the last one: none of them changes
// what it is trained with, and should training end, there are better weights to put back.
func (r *Run) knowsAhead() bool {
	return r.best != nil && len(r.Config.Callbacks) == 0 && r.Config.Schedule.Kind != SchedulePlateau
}

// trainAhead begins an epoch and returns what waits for it, and what ends it early and waits until it has ended.
func (r *Run) trainAhead(ctx context.Context, epoch int) (wait func() trained, abandon func()) {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan trained, 1)
	go func() { result <- r.train(ctx, epoch) }()
	wait = func() trained {
		defer cancel()
		return <-result
	}
	return wait, func() {
		cancel()
		<-result
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// steps returns the number of steps in an epoch.
func (r *Run) steps() int {
	return (len(r.Parts.Train) + r.Config.Batch - 1) / r.Config.Batch
}

// trained is an epoch that the engine has run, or an error and what was done before it.
type trained struct {
	plan model.Plan
	out  model.Outcome
	time time.Duration
	err  error
}

// train trains one epoch and evaluates the validation part.
func (r *Run) train(ctx context.Context, epoch int) trained {
	plan := model.Plan{Epoch: epoch, Train: r.order(epoch), Batch: r.Config.Batch, Eval: r.Parts.Val}
	plan.LearningRate = r.learningRates(epoch)
	if r.Weights != nil {
		plan.Weight = make([]float32, len(plan.Train))
		for i, w := range plan.Train {
			plan.Weight[i] = float32(r.Weights[class(r.Dataset.Y[w])])
		}
	}
	start := time.Now()
	unwatch := r.progress.watch(r, epoch)
	out, err := r.engine.Epoch(ctx, []model.Plan{plan})
	unwatch()
	t := trained{plan: plan, time: time.Since(start), err: err}
	if len(out) == 1 {
		t.out = out[0]
	}
	return t
}

// restore puts the best weights back on the device. When training was interrupted in the first epoch there are none:
// the weights stay as they are and count as the best. After an error, and when the weights are no numbers, there is
// nothing worth keeping.
func (r *Run) restore() error {
	switch {
	case r.Stopped == StoppedError:
		if r.best != nil {
			_ = r.engine.SetState(0, r.best) // The device may be gone; the weights are in hand.
		}
		return nil
	case r.best != nil:
		return r.engine.SetState(0, r.best)
	}
	s, err := r.engine.State(0)
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
	r.Warn("no epoch was complete; the weights are kept as they are, after %s", count(s.Step, "step"))
	return nil
}
