package vulkan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// submission is the device time that one submission is kept below.
const submission = 100 * time.Millisecond

// workspace is what epochs of one batch size share: the network's buffers and the recordings that use them.
type workspace struct {
	network
	pass     alloc          // activations
	epoch    alloc          // order, schedule, results: remade when an epoch has more steps
	gradient *gpu.Recording // forward and backward of one step
	update   *gpu.Recording // the optimizer, and on to the next step
	step     *gpu.Recording // both, as one
	eval     *gpu.Recording // forward of one step, no dropout, no augmentation
}

func (w *workspace) free() {
	w.forget()
	w.epoch.free()
	w.pass.free()
}

// forget drops the recordings, because a buffer that they use goes away.
func (w *workspace) forget() {
	for _, r := range []**gpu.Recording{&w.gradient, &w.update, &w.step, &w.eval} {
		if *r != nil {
			(*r).Free()
			*r = nil
		}
	}
}

// prepare returns a workspace for batches of up to b windows and epochs of up to s steps.
func (e *Engine) prepare(b, s int) (*workspace, error) {
	want, err := e.shapeFor(b)
	if err != nil {
		return nil, err
	}
	if e.train != nil && e.train.shape != want {
		e.train.free()
		e.train = nil
	}
	if e.train == nil {
		w := &workspace{network: network{
			shape: want, layout: e.layout, params: e.params, options: e.options, scaling: e.scaling, tables: e.tables,
			chunks: e.chunks, label: e.label, cursor: e.cursor, half: e.half,
		}, pass: alloc{dev: e.dev}, epoch: alloc{dev: e.dev}}
		w.act = newActivations(&w.pass, want, true)
		if err := w.zeroStart(); err != nil {
			w.free()
			return nil, err
		}
		e.train = w
	}
	w := e.train
	if s > w.batch.steps {
		w.forget()
		w.epoch.free()
		w.batch = newBatch(&w.epoch, want, s)
		if err := w.epoch.err; err != nil {
			w.free()
			e.train = nil
			return nil, err
		}
	}
	if w.step == nil {
		if err := e.record(w); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// zeroStart sets slot 0 of h and c, the state before the first step, to 0; no kernel writes it.
func (w *workspace) zeroStart() error {
	if w.pass.err != nil {
		return w.pass.err
	}
	rec := w.pass.dev.NewRecording("start")
	defer rec.Free()
	rec.Fill(w.act.h, 0)
	rec.Fill(w.act.c, 0)
	return rec.Run()
}

func newBatch(a *alloc, s shape, steps int) batch {
	n := steps * s.K * s.B
	return batch{
		window: a.words("order.window", n), weight: a.floats("order.weight", n), schedule: a.words("schedule", steps*s.K*4),
		probability: a.floats("out.probability", n), loss: a.floats("out.loss", n), steps: steps, entries: n,
	}
}

// record makes the workspace's recordings.
func (e *Engine) record(w *workspace) error {
	warp := false
	for _, o := range e.opts {
		warp = warp || o.Augment.Prob > 0 && o.Augment.Warp > 0
	}
	gradient := func(rec *gpu.Recording) {
		for p := range w.passes() {
			w.recordInput(rec, p*w.R, true, warp)
			w.recordForward(rec, p*w.R, true)
			w.recordBackward(rec, e.grads, p*w.R)
		}
	}
	update := func(rec *gpu.Recording) {
		e.recordUpdate(rec, w)
		kernel.Advance{Cursor: e.cursor}.Record(rec)
	}
	w.gradient, w.update = e.dev.NewRecording("gradient"), e.dev.NewRecording("update")
	w.step, w.eval = e.dev.NewRecording("step"), e.dev.NewRecording("evaluate")
	gradient(w.gradient)
	update(w.update)
	gradient(w.step)
	update(w.step)
	for p := range w.passes() {
		w.recordInput(w.eval, p*w.R, false, false)
		w.recordForward(w.eval, p*w.R, false)
	}
	kernel.Advance{Cursor: e.cursor}.Record(w.eval)
	for _, r := range []*gpu.Recording{w.gradient, w.update, w.step, w.eval} {
		if err := r.End(); err != nil {
			w.forget()
			return err
		}
	}
	return nil
}

// recordUpdate records one step of the optimizer on the gradient at hand.
func (e *Engine) recordUpdate(rec *gpu.Recording, w *workspace) {
	var bounds [model.NumVariables]int
	for i := range bounds {
		bounds[i] = w.offset(i)
	}
	kernel.GradientNorm{Grads: e.grads, Squares: e.squares, K: w.K, P: w.P, Offsets: bounds}.Record(rec)
	if e.opts[0].Optimizer.Kind == model.SGD {
		kernel.SGDUpdate{
			Params: e.params, Grads: e.grads, Squares: e.squares, Options: e.options, Schedule: w.batch.schedule, Cursor: e.cursor,
			K: w.K, P: w.P, S: w.batch.steps, Offsets: bounds,
		}.Record(rec)
		return
	}
	kernel.AdamUpdate{
		Params: e.params, Grads: e.grads, M: e.m, V: e.v, Squares: e.squares, Options: e.options, Schedule: w.batch.schedule, Cursor: e.cursor,
		K: w.K, P: w.P, S: w.batch.steps, Offsets: bounds,
	}.Record(rec)
}

// schedule is one epoch as the device reads it.
type schedule struct {
	train, eval int // steps
	window      []uint32
	weight      []float32
	words       []uint32 // [S][K][4]
}

// schedule lays the plans out for shape s: training steps first, then evaluation in batches of the same size.
func (e *Engine) schedule(plans []model.Plan, s shape) schedule {
	var out schedule
	for _, p := range plans {
		out.train = max(out.train, p.Steps())
		out.eval = max(out.eval, (len(p.Eval)+s.B-1)/s.B)
	}
	n := (out.train + out.eval) * s.K * s.B
	out.window, out.weight = make([]uint32, n), make([]float32, n)
	out.words = make([]uint32, (out.train+out.eval)*s.K*4)
	for i := range out.window {
		out.window[i] = noWindow
	}
	for k, p := range plans {
		for i, w := range p.Train {
			step := i / p.Batch
			at := (step*s.K+k)*s.B + i%p.Batch
			out.window[at], out.weight[at] = uint32(w), 1
			if p.Weight != nil {
				out.weight[at] = p.Weight[i]
			}
		}
		for step := range p.Steps() {
			size := min(p.Batch, len(p.Train)-step*p.Batch)
			o, w := e.opts[k].Optimizer, out.words[(step*s.K+k)*4:]
			w[0] = math.Float32bits(float32(o.Alpha(p.LearningRate[step], e.steps[k]+step+1)))
			w[1] = math.Float32bits(float32(o.Decay(p.LearningRate[step])))
			w[2] = math.Float32bits(1 / float32(size))
			w[3] = uint32(e.steps[k] + step)
		}
		for i, w := range p.Eval {
			at := ((out.train+i/s.B)*s.K+k)*s.B + i%s.B
			out.window[at], out.weight[at] = uint32(w), 1
		}
	}
	return out
}

// begin checks the plans and puts their epoch on the device.
func (e *Engine) begin(plans []model.Plan) (*workspace, schedule, error) {
	if len(plans) != len(e.opts) {
		panic(fmt.Sprintf("vulkan: %d plans for %d models", len(plans), len(e.opts)))
	}
	if e.n == 0 {
		return nil, schedule{}, errors.New("vulkan: no windows loaded; call Load before Epoch")
	}
	b, options := 1, []uint32(nil)
	for k, p := range plans {
		p.Check(e.n)
		if len(p.Train) > 0 {
			b = max(b, min(p.Batch, len(p.Train)))
		} else {
			b = max(b, min(256, len(p.Eval)))
		}
		options = append(options, optionsOf(e.opts[k], e.spec.Rate(), p.Epoch)...)
	}
	if e.train != nil && b < e.train.B {
		b = e.train.B
	}
	s, err := e.shapeFor(b)
	if err != nil {
		return nil, schedule{}, err
	}
	sch := e.schedule(plans, s)
	w, err := e.prepare(b, max(1, sch.train+sch.eval))
	if err != nil {
		return nil, sch, err
	}
	for _, err := range []error{
		e.options.Write(options), e.cursor.Write([]uint32{0}), w.batch.window.Write(sch.window),
		w.batch.weight.Write(sch.weight), w.batch.schedule.Write(sch.words),
	} {
		if err != nil {
			return nil, sch, err
		}
	}
	return w, sch, nil
}

// Epoch trains each model by its plan, then evaluates; see model.Engine.
func (e *Engine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	w, sch, err := e.begin(plans)
	if err != nil {
		return nil, err
	}
	var spent time.Duration
	run := w.step
	if e.hostAdam {
		run = w.gradient
	}
	e.Begin(sch.train)
	done, err := e.submit(ctx, run, sch.train, &spent, func(n int) error {
		e.Add(n)
		if e.hostAdam {
			return e.updateOnHost(plans, w)
		}
		return nil
	})
	for k, p := range plans {
		e.steps[k] += min(done, p.Steps())
	}
	evaluated := false
	if err == nil {
		var n int
		n, err = e.submit(ctx, w.eval, sch.eval, &spent, nil)
		evaluated = n == sch.eval && err == nil
	}
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	out, readErr := e.outcomes(plans, w, sch, done, evaluated)
	if readErr != nil {
		return nil, readErr
	}
	for k := range out {
		out[k].DeviceTime = spent
	}
	return out, err
}

// submit runs rec n times, several per submission, and returns how many ran. It stops with ctx's error when ctx
// ends. after runs after each submission; with it, a submission holds one run.
func (e *Engine) submit(ctx context.Context, rec *gpu.Recording, n int, spent *time.Duration, after func(n int) error) (int, error) {
	done, next := 0, 1
	for done < n {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		count := min(next, n-done)
		if e.hostAdam {
			count = 1
		}
		if err := rec.RunN(count); err != nil {
			return done, err
		}
		t := rec.DeviceTime()
		*spent += t
		if after != nil {
			if err := after(count); err != nil {
				return done, err
			}
		}
		done += count
		// Aim below the limit; without timestamps stay at one run, which any desktop bears.
		if t > 0 {
			next = max(1, min(4096, int(0.8*float64(submission)*float64(count)/float64(t))))
		}
	}
	return done, nil
}

// updateOnHost takes the step on the host that w.update would take on the device, and moves the cursor on.
func (e *Engine) updateOnHost(plans []model.Plan, w *workspace) error {
	at := []uint32{0}
	if err := e.cursor.Read(at); err != nil {
		return err
	}
	step := int(at[0])
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
		if err := e.grads.Slice(k*e.stride, e.stride).Read(g); err != nil {
			return err
		}
		e.opts[k].Optimizer.Step(e.layout, s, g, p.LearningRate[step])
		s.Step = e.steps[k]
		if err := e.SetState(k, s); err != nil {
			return err
		}
	}
	return e.cursor.Write([]uint32{at[0] + 1})
}

// outcomes reads the epoch's results.
func (e *Engine) outcomes(plans []model.Plan, w *workspace, sch schedule, done int, evaluated bool) ([]model.Outcome, error) {
	n := (sch.train + sch.eval) * w.K * w.B
	p, l := make([]float32, n), make([]float32, n)
	if err := w.batch.probability.Read(p); err != nil {
		return nil, err
	}
	if err := w.batch.loss.Read(l); err != nil {
		return nil, err
	}
	out := make([]model.Outcome, len(plans))
	for k, plan := range plans {
		o := &out[k]
		o.Steps = min(done, plan.Steps())
		for i := range min(len(plan.Train), o.Steps*plan.Batch) {
			at := (i/plan.Batch*w.K+k)*w.B + i%plan.Batch
			o.Probability, o.Loss = append(o.Probability, p[at]), append(o.Loss, l[at])
		}
		if !evaluated {
			continue
		}
		for i := range plan.Eval {
			at := ((sch.train+i/w.B)*w.K+k)*w.B + i%w.B
			o.EvalProbability, o.EvalLoss = append(o.EvalProbability, p[at]), append(o.EvalLoss, l[at])
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
	w, sch, err := e.begin(plans)
	if err != nil {
		return nil, model.Outcome{}, err
	}
	if err := w.gradient.Run(); err != nil {
		return nil, model.Outcome{}, err
	}
	out, err := e.outcomes(plans, w, sch, sch.train, false)
	if err != nil {
		return nil, model.Outcome{}, err
	}
	g := make([]float32, e.layout.Size)
	if err := e.grads.Slice(k*e.stride, e.stride).Read(g); err != nil {
		return nil, model.Outcome{}, err
	}
	out[k].DeviceTime = w.gradient.DeviceTime()
	return g, out[k], nil
}
