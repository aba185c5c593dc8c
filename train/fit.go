package train

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"

	"vklstm/model"
	"vklstm/train/metrics"
)

// Train trains until each run has that number of epochs in its history or has ended: by its last epoch, a callback's Stop, a
// loss that is not finite, an error of its own (Run.Err), or with ctx. A run that has ended gets its best weights back;
// one that has not can go on by another call, or elsewhere from its Snapshot. A model without an epoch to train rests
// while the others train.
//
// The end of ctx ends every run and is no error, unless it comes before the first step. The error is the engine's and
// ends all runs.
func (p *Pool) Train(ctx context.Context, epochs int) error {
	for _, r := range p.Runs {
		r.begin()
	}
	err := p.fit(ctx, epochs)
	if err != nil {
		for _, r := range p.Runs {
			if r.Stopped == "" {
				r.fail(err)
			}
		}
	}
	p.finishStopped()
	return err
}

// fit is the loop: it trains epoch after epoch until each run has `until` of them in its history or has stopped.
func (p *Pool) fit(ctx context.Context, until int) error {
	engine := overlapped{pool: p}
	defer engine.abandon()
	for len(p.unfinished(until)) > 0 {
		trained := engine.epoch(ctx, until) // plan and train the next epoch of every run that has one
		if trained.err != nil {
			return trained.interrupted(ctx)
		}
		p.finishStopped()
		epochs := trained.unstopped()
		for _, e := range epochs {
			e.keepBest()
		}
		engine.begin(ctx, until, epochs) // the device trains on while the host scores
		inParallel(epochs, (*runEpoch).score)
		for _, e := range epochs {
			e.run.record(e.epoch) // in the history, and tell the callbacks
			e.stopIfOver()
		}
		p.tellEpoch(epochs)
	}
	return nil
}

// runEpoch is an epoch of one run.
type runEpoch struct {
	run     *Run
	plan    model.Plan
	outcome model.Outcome
	epoch   Epoch
}

// poolEpoch is an epoch of all runs that have one, as the engine left it; with an error, what was done before it.
type poolEpoch struct {
	epochs []*runEpoch
	err    error
}

// unfinished returns the runs that have an epoch to train.
func (p *Pool) unfinished(until int) []*Run {
	var runs []*Run
	for _, r := range p.Runs {
		if r.Stopped == "" && r.epoch < min(until, r.Config.Epochs) {
			runs = append(runs, r)
		}
	}
	return runs
}

// plan lays out the next epoch of each run that has one.
func (p *Pool) plan(until int) []*runEpoch {
	var epochs []*runEpoch
	for _, r := range p.unfinished(until) {
		epochs = append(epochs, &runEpoch{run: r, plan: r.plan()})
	}
	return epochs
}

// epoch has the engine train the planned epochs and evaluate the validation parts. Models without a plan rest.
func (p *Pool) epoch(ctx context.Context, epochs []*runEpoch) poolEpoch {
	plans := make([]model.Plan, len(p.Runs))
	for _, e := range epochs {
		plans[e.run.k] = e.plan
	}
	start := time.Now()
	outcomes, err := p.engine.Epoch(ctx, plans)
	took := time.Since(start)
	for _, e := range epochs {
		if e.run.k < len(outcomes) {
			e.outcome = outcomes[e.run.k]
		}
		e.epoch = Epoch{Epoch: e.plan.Epoch, Windows: len(e.plan.Train), Time: took}
	}
	return poolEpoch{epochs, err}
}

// unstopped returns the epochs of runs that have not stopped: a run may stop when its next epoch is under way, which then is
// of no use.
func (t poolEpoch) unstopped() []*runEpoch {
	var list []*runEpoch
	for _, e := range t.epochs {
		if e.run.Stopped == "" {
			list = append(list, e)
		}
	}
	return list
}

// interrupted stops the runs of an epoch that ctx has cut short. It returns the error of an epoch that ended otherwise,
// and one when nothing at all was trained.
func (t poolEpoch) interrupted(ctx context.Context) error {
	if ctx.Err() == nil || !errors.Is(t.err, ctx.Err()) {
		return t.err
	}
	some := false
	for _, e := range t.epochs {
		some = some || e.run.epoch > 0 || e.outcome.Steps > 0
	}
	if !some {
		return fmt.Errorf("train: interrupted before the first step: %w", t.err)
	}
	for _, e := range t.epochs {
		e.run.Stop(StoppedInterrupted, fmt.Sprintf("interrupted in epoch %d after %d of its %s", e.plan.Epoch+1, e.outcome.Steps, english.Plural(e.run.steps(), "step", "")))
	}
	return nil
}

// keepBest keeps the epoch's weights if they are the best so far: all that must be done before the next epoch trains.
func (e *runEpoch) keepBest() {
	r := e.run
	r.epoch++
	if !r.keeps(&e.epoch, e.monitored(), e.outcome.Loss) {
		return
	}
	best, err := r.State()
	if err != nil {
		r.fail(err)
		return
	}
	r.best, r.val = best, e.outcome.EvalProbability
}

// monitored returns what Config.Monitor names of the epoch, without the rest of the scores, which take longer.
func (e *runEpoch) monitored() float64 {
	r := e.run
	y, p := metrics.Labels(r.Dataset.Y, e.plan.Eval), e.outcome.EvalProbability
	if r.Config.Monitor == "val_f1" && r.outputs == 1 {
		return validationF1(y, p)
	}
	s := scores(r.Dataset.Y, e.plan.Eval, p, e.outcome.EvalLoss, r.outputs)
	v, _ := Epoch{Val: s}.Value(r.Config.Monitor)
	return v
}

// score computes the epoch's metrics.
func (e *runEpoch) score() {
	y, outputs := e.run.Dataset.Y, e.run.outputs
	e.epoch.Train = scores(y, e.plan.Train, e.outcome.Probability, e.outcome.Loss, outputs)
	e.epoch.Val = scores(y, e.plan.Eval, e.outcome.EvalProbability, e.outcome.EvalLoss, outputs)
}

// stopIfOver stops the run after its last epoch, or when its loss is no longer a number.
func (e *runEpoch) stopIfOver() {
	r, s := e.run, e.epoch
	switch {
	case r.Stopped == StoppedError:
	case !finite(s.Train.Loss) || len(e.plan.Eval) > 0 && !finite(s.Val.Loss):
		r.Stop(StoppedDiverged, fmt.Sprintf("the loss of epoch %d is %v (validation %v)", s.Epoch+1, s.Train.Loss, s.Val.Loss))
	case r.epoch == r.Config.Epochs:
		r.Stop(StoppedDone, "all "+english.Plural(r.Config.Epochs, "epoch", "")+" done")
	}
}

// tellEpoch tells OnEpoch of the runs that an epoch was recorded of.
func (p *Pool) tellEpoch(epochs []*runEpoch) {
	var runs []*Run
	for _, e := range epochs {
		if n := len(e.run.History); n > 0 && e.run.History[n-1].Epoch == e.epoch.Epoch {
			runs = append(runs, e.run)
		}
	}
	if p.OnEpoch != nil && len(runs) > 0 {
		p.OnEpoch(runs)
	}
}

// finishStopped ends the runs that have stopped; the engine must be idle.
func (p *Pool) finishStopped() {
	for _, r := range p.Runs {
		if r.Stopped != "" && !r.ended {
			r.finish()
			if p.OnEnd != nil {
				p.OnEnd(r)
			}
		}
	}
}

func inParallel[T any](list []T, do func(T)) {
	var all sync.WaitGroup
	for _, v := range list {
		all.Go(func() { do(v) })
	}
	all.Wait()
}

// overlapped trains a pool's epochs one after the other, the next one while the host still scores the last, where that
// changes nothing. What was trained too far when a run stops is not used, as its best weights are put back.
type overlapped struct {
	pool   *Pool
	begun  chan poolEpoch // brings the epoch that is under way; nil: none is
	cancel func()
}

// epoch returns the next epoch: the one that is under way, or else one that is trained now.
func (o *overlapped) epoch(ctx context.Context, until int) poolEpoch {
	if o.begun == nil {
		return o.pool.epoch(ctx, o.pool.plan(until))
	}
	trained := <-o.begun
	o.cancel()
	o.begun = nil
	return trained
}

// mayTrainAhead reports whether the next epoch may train before the callbacks have heard of the last one: not when they are the
// caller's, which may ask for what is trained with, when the schedule follows the scores, nor while there are no weights yet
// that could be put back.
func mayTrainAhead(last []*runEpoch) bool {
	for _, e := range last {
		if r := e.run; r.best == nil || len(r.Config.Callbacks) > 0 || r.Config.Schedule.Kind == SchedulePlateau {
			return false
		}
	}
	return true
}

// begin starts the next epoch, if there is one and it may train ahead.
func (o *overlapped) begin(ctx context.Context, until int, last []*runEpoch) {
	if !mayTrainAhead(last) {
		return
	}
	next := o.pool.plan(until)
	if len(next) == 0 {
		return
	}
	ctx, o.cancel = context.WithCancel(ctx)
	begun := make(chan poolEpoch, 1)
	o.begun = begun
	go func() { begun <- o.pool.epoch(ctx, next) }()
}

// abandon ends the epoch that is under way, if one is, and waits until it has ended.
func (o *overlapped) abandon() {
	if o.begun != nil {
		o.cancel()
		<-o.begun
	}
}
