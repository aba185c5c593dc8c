package vulkan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// submission is the device time that one submission is kept below; it is aimed at most of it.
const (
	submission = 100 * time.Millisecond
	aim        = submission * 4 / 5
)

// mostRuns bounds the recordings of one submission.
const mostRuns = 4096

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
		shape: s, layout: e.layout, params: e.params, options: e.options, scaling: e.scaling, tables: e.tables,
		chunks: e.chunks, label: e.label, path: e.resident, half: e.half,
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
	n.act = newActivations(a, n.shape, train)
}

// evaluationBuffers makes what an evaluation keeps from epoch to epoch.
func (n *network) evaluationBuffers(a *alloc) {
	n.cursor = a.words("evaluate.cursor", 1)
	n.activate(a, false)
}

// zeroStart sets slot 0 of h and c, the state before the first step, to 0; no kernel writes it.
func (n *network) zeroStart(a *alloc) error {
	if a.err != nil || n.path != nil {
		return a.err
	}
	rec := a.dev.NewRecording("start")
	defer rec.Free()
	rec.Fill(n.act.h, 0)
	rec.Fill(n.act.c, 0)
	return rec.Run()
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
		if w.path != nil && !e.clips() {
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

// clips reports whether any model's gradient is clipped, which needs its norm before the update.
func (e *Engine) clips() bool {
	return slices.ContainsFunc(e.opts, func(o model.Options) bool { return o.Optimizer.ClipNorm > 0 || o.Optimizer.GlobalClipNorm > 0 })
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

// order is a sequence of steps as the device reads it.
type order struct {
	steps  int
	window []uint32  // [S][K][B]
	weight []float32 // [S][K][B]
	place  []uint32  // [S][K][B], the place of each slot: longer windows first
	words  []uint32  // [S][K][4]
}

func newOrder(s shape, steps int) order {
	n := steps * s.K * s.B
	o := order{steps: steps, window: make([]uint32, n), weight: make([]float32, n), words: make([]uint32, steps*s.K*4)}
	for i := range o.window {
		o.window[i] = noWindow
	}
	return o
}

// trainOrder lays the training steps of the plans out.
func (e *Engine) trainOrder(plans []model.Plan, s shape, steps int) order {
	out := newOrder(s, steps)
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
	}
	return out
}

// evalOrder lays the windows that the plans evaluate out.
func evalOrder(plans []model.Plan, s shape, steps int) order {
	out := newOrder(s, steps)
	for k, p := range plans {
		for i, w := range p.Eval {
			at := (i/s.B*s.K+k)*s.B + i%s.B
			out.window[at], out.weight[at] = uint32(w), 1
		}
	}
	return out
}

// sort gives each batch's windows their slots, the longest first and empty places last, so that workgroups which take
// several have equal work.
func (o *order) sort(batch int, length []int32) {
	o.place = make([]uint32, len(o.window))
	keys := make([]uint64, batch)
	for at := 0; at < len(o.window); at += batch {
		for i := range keys {
			short := uint64(math.MaxUint32)
			if w := o.window[at+i]; w != noWindow {
				short -= 1 + uint64(length[w])
			}
			keys[i] = short<<32 | uint64(i)
		}
		slices.Sort(keys)
		for i, key := range keys {
			o.place[at+i] = uint32(key)
		}
	}
}

// write puts an order on the device and sets the network to its start.
func (n *network) write(o order, length []int32) error {
	if n.path != nil {
		o.sort(n.B, length)
		if err := n.input.place.Write(o.place); err != nil {
			return err
		}
	}
	for _, err := range []error{
		n.cursor.Write([]uint32{0}), n.batch.window.Write(o.window), n.batch.weight.Write(o.weight), n.batch.schedule.Write(o.words),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

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
		if err := c.w.write(e.trainOrder(plans, c.w.shape, c.train), e.length); err != nil {
			return nil, err
		}
	}
	if evals > 0 {
		if c.v, err = e.prepareEval(evals); err != nil {
			return nil, err
		}
		c.eval = (evals + c.v.B - 1) / c.v.B
		if err := c.v.write(evalOrder(plans, c.v.shape, c.eval), e.length); err != nil {
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
		parts = append(c.w.ahead(c.done), gpu.Times{Recording: c.w.gradient, N: 1})
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
	flop := float64(way) * 2 * float64(s.K*s.B) * (float64(s.T)*float64(4*s.H)*float64(s.F+s.H) + float64(s.H*s.D))
	return time.Duration(flop / 20) // ns
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

// ahead returns what prepares step at's input, nothing when that is done.
func (w *workspace) ahead(at int) []gpu.Times {
	if w.prepare == nil || at < w.prepared {
		return nil
	}
	w.prepared = at + w.input.ahead
	return []gpu.Times{{Recording: w.prepare, N: 1}}
}

// parts returns the recordings that take n steps from step at on.
func (w *workspace) parts(at, n int) []gpu.Times {
	if w.prepare == nil {
		return []gpu.Times{{Recording: w.step, N: n}}
	}
	var list []gpu.Times
	for end := at + n; at < end; {
		list = append(list, w.ahead(at)...)
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

// updateOnHost takes a step on the host that w.update would take on the device, and moves the cursor on.
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
		if err := e.grads.Slice(k*e.stride, e.stride).Read(g); err != nil {
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

// read returns the results of the first steps of a network.
func (n *network) read(steps int) (probability, loss []float32, err error) {
	probability, loss = make([]float32, steps*n.K*n.B), make([]float32, steps*n.K*n.B)
	if err = n.batch.probability.Read(probability); err == nil {
		err = n.batch.loss.Read(loss)
	}
	return probability, loss, err
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
			o := &out[k]
			for i := range min(len(plan.Train), o.Steps*plan.Batch) {
				at := (i/plan.Batch*c.w.K+k)*c.w.B + i%plan.Batch
				o.Probability, o.Loss = append(o.Probability, p[at]), append(o.Loss, l[at])
			}
		}
	}
	if c.v != nil && c.evaluated == c.eval {
		p, l, err := c.v.read(c.eval)
		if err != nil {
			return nil, err
		}
		for k, plan := range plans {
			o := &out[k]
			for i := range plan.Eval {
				at := (i/c.v.B*c.v.K+k)*c.v.B + i%c.v.B
				o.EvalProbability, o.EvalLoss = append(o.EvalProbability, p[at]), append(o.EvalLoss, l[at])
			}
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
	if c.deviceTime, err = gpu.RunAll(append(c.w.ahead(0), gpu.Times{Recording: c.w.gradient, N: 1})...); err != nil {
		return nil, model.Outcome{}, err
	}
	c.done = 1
	out, err := e.outcomes(plans, c)
	if err != nil {
		return nil, model.Outcome{}, err
	}
	if err := e.grads.Slice(k*e.stride, e.stride).Read(g); err != nil {
		return nil, model.Outcome{}, err
	}
	return g, out[k], nil
}
