package vulkan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vklstm/gpu"
	"vklstm/model"
)

// submission is the device time that one submission is kept below; it is aimed at most of it.
const (
	submission = 100 * time.Millisecond
	aim        = submission * 4 / 5
)

// mostRuns bounds the recordings of one submission.
const mostRuns = 4096

// course is an epoch on its way.
type course struct {
	w          *workspace  // nil: nothing to train on
	v          *evaluation // nil: nothing to evaluate
	train      int         // steps
	eval       int         // batches
	done       int         // steps taken
	evaluated  int         // batches evaluated
	deviceTime time.Duration
}

// begin checks the plans and puts their epoch on the device.
func (e *Engine) begin(plans []model.Plan) (*course, error) {
	if len(plans) != len(e.opts) {
		panic(fmt.Sprintf("vulkan: %d plans for %d models", len(plans), len(e.opts)))
	}
	if e.n == 0 {
		return nil, errors.New("vulkan: no windows loaded; call Load before Epoch")
	}
	c := &course{}
	b, evals, options := 0, 0, []uint32(nil)
	for k, p := range plans {
		p.Check(e.n)
		if len(p.Train) > 0 {
			b = max(b, min(p.Batch, len(p.Train)))
			c.train = max(c.train, p.Steps())
		}
		evals = max(evals, len(p.Eval))
		options = append(options, optionsOf(e.opts[k], e.spec.Rate(), p.Epoch)...)
	}
	if err := e.options.Write(options); err != nil {
		return nil, err
	}
	var err error
	if c.train > 0 {
		if e.train != nil {
			b = max(b, e.train.B)
		}
		if c.w, err = e.prepare(b, c.train); err != nil {
			return nil, err
		}
		c.w.prepared = 0
		if err := c.w.begin(e.trainOrder(plans, c.w.shape, c.train)); err != nil {
			return nil, err
		}
	}
	if evals > 0 {
		if c.v, err = e.prepareEval(evals); err != nil {
			return nil, err
		}
		c.eval = ceil(evals, c.v.B)
		if err := c.v.begin(evalOrder(plans, c.v.shape, c.eval)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Epoch trains each model by its plan, then evaluates; see model.Engine.
func (e *Engine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	c, err := e.begin(plans)
	if err != nil {
		return nil, err
	}
	e.Begin(c.train)
	var stopped, failed error
	for c.done < c.train || c.evaluated < c.eval {
		if stopped = ctx.Err(); stopped != nil {
			break
		}
		if failed = e.submit(c, plans); failed != nil {
			break
		}
	}
	for k, p := range plans {
		e.steps[k] += min(c.done, p.Steps())
	}
	if failed != nil {
		return nil, failed
	}
	out, err := e.outcomes(plans, c)
	if err != nil {
		return nil, err
	}
	return out, stopped
}

// submit runs the epoch's next steps, and what it evaluates when they are the last, in one submission.
func (e *Engine) submit(c *course, plans []model.Plan) error {
	steps, evals, expected := e.share(c)
	var parts []gpu.Times
	switch {
	case steps > 0 && e.hostAdam:
		parts = append(c.w.inputFor(c.done), gpu.Times{Recording: c.w.gradient, N: 1})
	case steps > 0:
		parts = c.w.parts(c.done, steps)
	}
	if evals > 0 {
		parts = append(parts, gpu.Times{Recording: c.v.run, N: evals})
	}
	begin := time.Now()
	t, err := gpu.RunAll(parts...)
	if err != nil {
		return err
	}
	c.deviceTime += t
	if t == 0 { // the device has no timestamps
		t = time.Since(begin)
	}
	c.learn(steps, evals, t, expected)
	if steps > 0 && e.hostAdam {
		if err := e.updateOnHost(plans, c.w, c.done); err != nil {
			return err
		}
	}
	e.Add(steps)
	c.done += steps
	c.evaluated += evals
	return nil
}

// share says how many steps and evaluations the next submission takes, and how long that should be. Before a step has been
// timed it is taken for as long as a slow GPU would need, and on a driver that computes on the CPU for a whole submission.
func (e *Engine) share(c *course) (steps, evals int, expected time.Duration) {
	room := aim
	if left := c.train - c.done; left > 0 {
		cost := c.w.perStep
		if cost == 0 {
			cost = e.guess(3, c.w.shape)
		}
		steps = min(left, mostRuns, max(1, int(room/max(1, cost))))
		if e.stepLimit > 0 {
			steps = min(steps, e.stepLimit)
		}
		if e.hostAdam {
			steps = 1
		}
		expected = time.Duration(steps) * cost
		room -= expected
		if steps < left || e.hostAdam {
			return steps, 0, expected
		}
	}
	if left := c.eval - c.evaluated; left > 0 {
		cost := c.v.perRun
		if cost == 0 {
			cost = e.guess(1, c.v.shape)
		}
		evals = max(0, min(left, mostRuns, int(room/max(1, cost)))) // the steps may have taken more than there was
		if steps == 0 {
			evals = max(1, evals)
		}
		expected += time.Duration(evals) * cost
	}
	return steps, evals, expected
}

// guess is how long a pass over a batch of shape s takes at 20 GFLOP/s, which is slow for a GPU; way is 1 forward, and 3 with
// the way back.
func (e *Engine) guess(way int, s shape) time.Duration {
	if e.dev.Info().Software {
		return aim
	}
	return time.Duration(float64(way) * e.chain.ForwardFlop(s.K*s.B) / 20) // ns
}

// learn takes the measured time of a submission as what its parts will take next time.
func (c *course) learn(steps, evals int, t, expected time.Duration) {
	switch {
	case evals == 0:
		c.w.perStep = max(1, t/time.Duration(steps))
	case steps == 0:
		c.v.perRun = max(1, t/time.Duration(evals))
	case c.v.perRun == 0 && c.w.perStep != 0:
		c.v.perRun = max(1, (t-time.Duration(steps)*c.w.perStep)/time.Duration(evals))
	case expected > 0: // both at once: they keep their ratio
		ratio := float64(t) / float64(expected)
		c.w.perStep = max(1, time.Duration(float64(c.w.perStep)*ratio))
		c.v.perRun = max(1, time.Duration(float64(c.v.perRun)*ratio))
	}
}

// inputFor returns what makes step at's input: nothing where that is done, or is a part of the step.
func (w *workspace) inputFor(at int) []gpu.Times {
	if w.ahead() == 0 || at < w.prepared {
		return nil
	}
	w.prepared = at + w.ahead()
	return []gpu.Times{{Recording: w.input, N: 1}}
}

// parts returns the recordings that take n steps from step at on.
func (w *workspace) parts(at, n int) []gpu.Times {
	if w.ahead() == 0 {
		return []gpu.Times{{Recording: w.step, N: n}}
	}
	var list []gpu.Times
	for end := at + n; at < end; {
		list = append(list, w.inputFor(at)...)
		run := min(end, w.prepared) - at
		at += run
		if blocks := run / stepBlock; blocks > 0 {
			list = append(list, gpu.Times{Recording: w.block, N: blocks})
		}
		if rest := run % stepBlock; rest > 0 {
			list = append(list, gpu.Times{Recording: w.step, N: rest})
		}
	}
	return list
}

// updateOnHost takes the step on the host that recordUpdate would take on the device, and moves the cursor on.
func (e *Engine) updateOnHost(plans []model.Plan, w *workspace, step int) error {
	for k, p := range plans {
		if step >= p.Steps() {
			continue
		}
		s, err := e.State(k)
		if err != nil {
			return err
		}
		s.Step += step // e.steps counts the epoch's steps when it ends
		g := make([]float32, e.layout.Size)
		if err := e.read(e.grads, k, g); err != nil {
			return err
		}
		e.opts[k].Optimizer.Step(e.layout, s, g, p.LearningRate[step])
		s.Step = e.steps[k]
		if err := e.SetState(k, s); err != nil {
			return err
		}
	}
	return w.cursor.Write([]uint32{uint32(step + 1)})
}

// outcomes reads the epoch's results.
func (e *Engine) outcomes(plans []model.Plan, c *course) ([]model.Outcome, error) {
	out := make([]model.Outcome, len(plans))
	for k, plan := range plans {
		out[k].Steps, out[k].DeviceTime = min(c.done, plan.Steps()), c.deviceTime
	}
	if c.done > 0 {
		p, l, err := c.w.read(c.done)
		if err != nil {
			return nil, err
		}
		for k, plan := range plans {
			n := min(len(plan.Train), out[k].Steps*plan.Batch)
			out[k].Probability, out[k].Loss = c.w.ofModel(p, k, n, plan.Batch, e.chain.Classes), c.w.ofModel(l, k, n, plan.Batch, 1)
		}
	}
	if c.v != nil && c.evaluated == c.eval {
		p, l, err := c.v.read(c.eval)
		if err != nil {
			return nil, err
		}
		for k, plan := range plans {
			n := len(plan.Eval)
			out[k].EvalProbability, out[k].EvalLoss = c.v.ofModel(p, k, n, c.v.B, e.chain.Classes), c.v.ofModel(l, k, n, c.v.B, 1)
		}
	}
	return out, nil
}

// Gradient computes the first step of plan for model k without taking it; see model.Engine.
func (e *Engine) Gradient(k int, plan model.Plan) ([]float32, model.Outcome, error) {
	plan.Eval = nil
	if n := min(plan.Batch, len(plan.Train)); n < len(plan.Train) {
		plan.Train, plan.LearningRate = plan.Train[:n], plan.LearningRate[:1]
		if plan.Weight != nil {
			plan.Weight = plan.Weight[:n]
		}
	}
	plans := make([]model.Plan, len(e.opts))
	plans[k] = plan
	c, err := e.begin(plans)
	if err != nil {
		return nil, model.Outcome{}, err
	}
	g := make([]float32, e.layout.Size)
	if c.train == 0 {
		return g, model.Outcome{}, nil
	}
	if c.deviceTime, err = gpu.RunAll(append(c.w.inputFor(0), gpu.Times{Recording: c.w.gradient, N: 1})...); err != nil {
		return nil, model.Outcome{}, err
	}
	c.done = 1
	out, err := e.outcomes(plans, c)
	if err != nil {
		return nil, model.Outcome{}, err
	}
	if err := e.read(e.grads, k, g); err != nil {
		return nil, model.Outcome{}, err
	}
	return g, out[k], nil
}
