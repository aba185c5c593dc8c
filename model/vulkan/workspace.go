package vulkan

import (
	"slices"
	"time"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/shaders/words"
)

// stepBlock is the number of steps in the recording that long stretches are made of: a command buffer has a price of its own.
const stepBlock = 16

// workspace is what training epochs of one batch size share: the network's buffers and the recordings that use them.
type workspace struct {
	network
	pass     alloc          // activations
	epoch    alloc          // order, schedule, results, prepared input: remade when an epoch has more steps
	prepare  *gpu.Recording // resident: the input of the next ahead steps
	gradient *gpu.Recording // forward and backward of one step; in the general path its input too
	update   *gpu.Recording // the optimizer, and on to the next step
	step     *gpu.Recording // both, as one
	block    *gpu.Recording // stepBlock of them
	prepared int            // resident: the step of this epoch up to which the input is prepared
	perStep  time.Duration  // device time of a step, 0: not yet known
}

func (w *workspace) free() {
	w.forget()
	w.epoch.free()
	w.pass.free()
}

// forget drops the recordings, because a buffer that they use goes away.
func (w *workspace) forget() {
	for _, r := range []**gpu.Recording{&w.prepare, &w.gradient, &w.update, &w.step, &w.block} {
		if *r != nil {
			(*r).Free()
			*r = nil
		}
	}
}

// evaluation is what evaluations of one batch size share. Its batches are as large as memory likes, whatever training's are.
type evaluation struct {
	network
	pass, epoch alloc
	run         *gpu.Recording // forward of one batch, no dropout, no augmentation
	perRun      time.Duration
}

func (v *evaluation) free() {
	v.forget()
	v.epoch.free()
	v.pass.free()
}

func (v *evaluation) forget() {
	if v.run != nil {
		v.run.Free()
		v.run = nil
	}
}

// network returns what all passes over the loaded windows share.
func (e *Engine) network(s shape) network {
	return network{
		shape: s, chain: e.chain, layout: e.layout, params: e.params, options: e.options, scaling: e.scaling, tables: e.tables,
		chunks: e.chunks, label: e.label, path: e.resident, walkers: e.walkers, half: e.half,
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
		w := &workspace{network: e.network(want), pass: alloc{dev: e.dev}, epoch: alloc{dev: e.dev}}
		w.cursor = e.cursor
		w.activate(&w.pass, true)
		if err := w.zeroStart(&w.pass); err != nil {
			w.free()
			return nil, err
		}
		e.train = w
	}
	w := e.train
	if s > w.batch.steps {
		w.forget()
		w.epoch.free()
		w.epochBuffers(&w.epoch, s)
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

// prepareEval returns the evaluation of lists of up to n windows.
func (e *Engine) prepareEval(n int) (*evaluation, error) {
	want, err := e.evalShape(n)
	if err != nil {
		return nil, err
	}
	if v := e.evals; v != nil && v.B < want.B {
		v.free()
		e.evals = nil
	}
	if e.evals == nil {
		v := &evaluation{network: e.network(want), pass: alloc{dev: e.dev}, epoch: alloc{dev: e.dev}}
		v.evaluationBuffers(&v.pass)
		if err := v.zeroStart(&v.pass); err != nil {
			v.free()
			return nil, err
		}
		e.evals = v
	}
	v := e.evals
	if s := (n + v.B - 1) / v.B; s > v.batch.steps {
		v.forget()
		v.epoch.free()
		v.epochBuffers(&v.epoch, s)
		if err := v.epoch.err; err != nil {
			v.free()
			e.evals = nil
			return nil, err
		}
	}
	if v.run == nil {
		v.run = e.dev.NewRecording("evaluate")
		v.recordEvaluation(v.run)
		kernel.Advance{Cursor: v.cursor}.Record(v.run)
		if err := v.run.End(); err != nil {
			v.forget()
			return nil, err
		}
	}
	return v, nil
}

// activate makes the buffers of a pass, those of the way back only with train set.
func (n *network) activate(a *alloc, train bool) {
	if n.path != nil {
		n.kept = newKept(a, n.path, n.shape, train)
		return
	}
	n.act = newActivations(a, n.chain, n.shape, train, n.walkers != nil)
}

// evaluationBuffers makes what an evaluation keeps from epoch to epoch.
func (n *network) evaluationBuffers(a *alloc) {
	n.cursor = a.words("evaluate.cursor", 1)
	n.activate(a, false)
}

// zeroStart sets h and c to 0, for the slot before a walk's first step; no kernel writes that.
func (n *network) zeroStart(a *alloc) error {
	if a.err != nil || n.path != nil {
		return a.err
	}
	rec := a.dev.NewRecording("start")
	defer rec.Free()
	n.recordStart(rec)
	return rec.Run()
}

func (n *network) recordStart(rec *gpu.Recording) {
	for _, layer := range n.act.walks {
		for _, w := range layer {
			rec.Fill(w.h, 0)
			if n.walkers == nil {
				rec.Fill(w.c, 0)
			}
		}
	}
}

// epochBuffers makes what epochs of up to s steps need.
func (n *network) epochBuffers(a *alloc, s int) {
	n.batch = newBatch(a, n.shape, s)
	if n.path != nil {
		n.input = newInput(a, n.path, n.shape, s)
	}
}

func newBatch(a *alloc, s shape, steps int) batch {
	n := steps * s.K * s.B
	return batch{
		window: a.words("order.window", n), weight: a.floats("order.weight", n), schedule: a.words("schedule", steps*s.K*words.Schedule),
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
		if w.path != nil {
			w.recordParts(rec)
			w.recordSum(rec, e, kernel.GradientOnly)
			return
		}
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
	step := func(rec *gpu.Recording) {
		if w.path != nil && !e.corrects() {
			w.recordParts(rec)
			w.recordSum(rec, e, e.fused())
			return
		}
		gradient(rec)
		update(rec)
	}
	w.gradient, w.update = e.dev.NewRecording("gradient"), e.dev.NewRecording("update")
	w.step = e.dev.NewRecording("step")
	gradient(w.gradient)
	update(w.update)
	step(w.step)
	list := []*gpu.Recording{w.gradient, w.update, w.step}
	if w.path != nil {
		w.prepare, w.block = e.dev.NewRecording("prepare"), e.dev.NewRecording("steps")
		w.recordPrepare(w.prepare, true)
		for range stepBlock {
			step(w.block)
		}
		list = append(list, w.prepare, w.block)
	}
	for _, r := range list {
		if err := r.End(); err != nil {
			w.forget()
			return err
		}
	}
	return nil
}

// corrects reports whether any model's gradient is changed before the update: clipped, which needs its norm, or given the L2
// penalty's.
func (e *Engine) corrects() bool {
	return slices.ContainsFunc(e.opts, func(o model.Options) bool {
		return o.Optimizer.ClipNorm > 0 || o.Optimizer.GlobalClipNorm > 0 || o.Optimizer.L2 > 0
	})
}

// fused is the update that resident_update makes together with the sum of the gradient's parts.
func (e *Engine) fused() int {
	if e.opts[0].Optimizer.Kind == model.SGD {
		return kernel.WithSGD
	}
	return kernel.WithAdam
}

// recordUpdate records one step of the optimizer on the gradient at hand.
func (e *Engine) recordUpdate(rec *gpu.Recording, w *workspace) {
	v := len(e.layout.Variables)
	kernel.GradientNorm{Grads: e.grads, Params: e.params, Starts: e.starts, Options: e.options, Squares: e.squares, K: w.K, P: w.P, Variables: v}.Record(rec)
	if e.opts[0].Optimizer.Kind == model.SGD {
		kernel.SGDUpdate{
			Params: e.params, Grads: e.grads, Squares: e.squares, Starts: e.starts, Options: e.options, Schedule: w.batch.schedule, Cursor: e.cursor,
			K: w.K, P: w.P, S: w.batch.steps, Variables: v,
		}.Record(rec)
		return
	}
	kernel.AdamUpdate{
		Params: e.params, Grads: e.grads, M: e.m, V: e.v, Squares: e.squares, Starts: e.starts, Options: e.options, Schedule: w.batch.schedule, Cursor: e.cursor,
		K: w.K, P: w.P, S: w.batch.steps, Variables: v,
	}.Record(rec)
}

// recordEvaluation records the forward pass of one batch.
func (n *network) recordEvaluation(rec *gpu.Recording) {
	if n.path != nil {
		n.recordPrepare(rec, false)
		n.recordWindows(rec, 0, false)
		return
	}
	for p := range n.passes() {
		n.recordInput(rec, p*n.R, false, false)
		n.recordForward(rec, p*n.R, false)
	}
}
