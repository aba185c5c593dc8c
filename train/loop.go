package train

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vklstm/model"
	"vklstm/train/internal/words"
	"vklstm/train/metrics"
)

// Train trains until each run has so many epochs in its history or has ended: by its last epoch, a callback's Stop, a
// loss that is not finite, an error of its own (Run.Err), or with ctx. A run that has ended gets its best weights back;
// one that has not can go on by another call, or elsewhere from its Snapshot. A model without an epoch to train rests
// while the others train.
//
// The end of ctx ends every run and is no error, unless it comes before the first step. The error is the engine's and
// ends all runs.
func (g *Group) Train(ctx context.Context, epochs int) error {
	for _, r := range g.Runs {
		r.begin()
	}
	err := g.epochs(ctx, epochs)
	if err != nil {
		for _, r := range g.Runs {
			if r.Stopped == "" {
				r.fail(err)
			}
		}
	}
	g.settle()
	return err
}

// settle ends the runs that have stopped; the engine must be idle.
func (g *Group) settle() {
	for _, r := range g.Runs {
		if r.Stopped != "" && !r.ended {
			r.settle()
			if g.OnEnd != nil {
				g.OnEnd(r)
			}
		}
	}
}

// going returns the runs that have an epoch to train.
func (g *Group) going(until int) []*Run {
	var runs []*Run
	for _, r := range g.Runs {
		if r.Stopped == "" && r.epoch < min(until, r.Config.Epochs) {
			runs = append(runs, r)
		}
	}
	return runs
}

// epochs trains epoch after epoch. While one's metrics are computed and callbacks hear of it, the next one trains
// already, where no run needs to be asked first. What was trained too far when a run ends is not used, as its best
// weights are put back.
func (g *Group) epochs(ctx context.Context, until int) error {
	next, abandon := g.later(ctx, until)
	for len(g.going(until)) > 0 {
		t := next()
		if t.err != nil {
			return t.interrupted(ctx)
		}
		g.settle()
		var trained []*turn
		for _, s := range t.turns {
			if s.run.Stopped != "" {
				continue // in the epoch before, which ended when this one was under way
			}
			trained = append(trained, s)
			if err := s.decide(t.time); err != nil {
				s.run.fail(err)
			}
		}
		next, abandon = g.later(ctx, until)
		if mayTrainAhead(trained) {
			next, abandon = g.ahead(ctx, until)
		}
		var scored sync.WaitGroup
		for _, s := range trained {
			scored.Go(s.score)
		}
		scored.Wait()
		var runs []*Run
		for _, s := range trained {
			if s.report() {
				runs = append(runs, s.run)
			}
		}
		if g.OnEpoch != nil && len(runs) > 0 {
			g.OnEpoch(runs)
		}
	}
	abandon()
	return nil
}

// mayTrainAhead reports whether the next epoch may train before the runs have heard of this one: not when callbacks of
// the caller's may ask for what it is trained with, when the learning rate depends on this one's scores, nor when there
// are no weights yet that could be put back.
func mayTrainAhead(trained []*turn) bool {
	for _, s := range trained {
		if r := s.run; r.best == nil || len(r.Config.Callbacks) > 0 || r.Config.Schedule.Kind == SchedulePlateau {
			return false
		}
	}
	return true
}

// later returns what trains the next epoch when it is called.
func (g *Group) later(ctx context.Context, until int) (wait func() trained, abandon func()) {
	return func() trained { return g.train(ctx, g.going(until)) }, func() {}
}

// ahead begins the next epoch, if there is one, and returns what waits for it, and what ends it early and waits until
// it has ended.
func (g *Group) ahead(ctx context.Context, until int) (wait func() trained, abandon func()) {
	runs := g.going(until)
	if len(runs) == 0 {
		return g.later(ctx, until)
	}
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan trained, 1)
	go func() { result <- g.train(ctx, runs) }()
	wait = func() trained {
		defer cancel()
		return <-result
	}
	return wait, func() {
		cancel()
		<-result
	}
}

// trained is an epoch that the engine has run, or an error and what was done before it.
type trained struct {
	turns []*turn
	time  time.Duration
	err   error
}

// turn is one run's part of an epoch.
type turn struct {
	run   *Run
	plan  model.Plan
	out   model.Outcome
	epoch Epoch
}

// train trains an epoch of each of the runs and evaluates their validation parts. The other models rest.
func (g *Group) train(ctx context.Context, runs []*Run) trained {
	var t trained
	plans := make([]model.Plan, len(g.Runs))
	for _, r := range runs {
		s := &turn{run: r, plan: r.plan()}
		t.turns, plans[r.k] = append(t.turns, s), s.plan
	}
	start := time.Now()
	var unwatch []func()
	for _, r := range runs {
		unwatch = append(unwatch, r.progress.watch(r, r.epoch))
	}
	out, err := g.engine.Epoch(ctx, plans)
	for _, f := range unwatch {
		f()
	}
	t.time, t.err = time.Since(start), err
	for _, s := range t.turns {
		if s.run.k < len(out) {
			s.out = out[s.run.k]
		}
	}
	return t
}

// interrupted stops the runs of an epoch that ctx has cut short. It returns the error of an epoch that ended otherwise,
// and one when nothing at all was trained.
func (t trained) interrupted(ctx context.Context) error {
	if ctx.Err() == nil || !errors.Is(t.err, ctx.Err()) {
		return t.err
	}
	some := false
	for _, s := range t.turns {
		some = some || s.run.epoch > 0 || s.out.Steps > 0
	}
	if !some {
		return fmt.Errorf("train: interrupted before the first step: %w", t.err)
	}
	for _, s := range t.turns {
		s.run.Stop(StoppedInterrupted, fmt.Sprintf("interrupted in epoch %d after %d of its %s", s.plan.Epoch+1, s.out.Steps, words.Count(s.run.steps(), "step")))
	}
	return nil
}

// decide finds out whether the epoch's weights are the best so far, and then keeps them: all that must be done before
// the next epoch trains.
func (s *turn) decide(took time.Duration) error {
	r := s.run
	s.epoch = Epoch{Epoch: r.epoch, Windows: len(s.plan.Train), Time: took}
	r.epoch++
	v := validationF1(metrics.Labels(r.Dataset.Y, s.plan.Eval), s.out.EvalProbability)
	if !r.keeps(&s.epoch, v, s.out.Loss) {
		return nil
	}
	best, err := r.State()
	if err == nil {
		r.best, r.val = best, s.out.EvalProbability
	}
	return err
}

// score computes the epoch's metrics.
func (s *turn) score() {
	y := s.run.Dataset.Y
	s.epoch.Train = scores(y, s.plan.Train, s.out.Probability, s.out.Loss)
	s.epoch.Val = scores(y, s.plan.Eval, s.out.EvalProbability, s.out.EvalLoss)
}

// report enters the epoch into the history, tells the callbacks, and ends the run where it is over. It returns false where
// the epoch's weights could not be had.
func (s *turn) report() bool {
	r, e := s.run, s.epoch
	if r.Stopped == StoppedError {
		return false
	}
	r.History = append(r.History, e)
	if err := r.tell(func(c Callback) error { return c.OnEpochEnd(r, e) }); err != nil {
		r.fail(err)
	}
	switch {
	case !finite(e.Train.Loss) || len(s.plan.Eval) > 0 && !finite(e.Val.Loss):
		r.Stop(StoppedDiverged, fmt.Sprintf("the loss of epoch %d is %v (validation %v)", e.Epoch+1, e.Train.Loss, e.Val.Loss))
	case r.epoch == r.Config.Epochs:
		r.Stop(StoppedDone, "all "+words.Count(r.Config.Epochs, "epoch")+" done")
	}
	return true
}
