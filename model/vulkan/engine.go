package vulkan

import (
	"fmt"
	"math"
	"slices"

	"vklstm/gpu"
	"vklstm/model"
	"vklstm/model/augment"
	"vklstm/model/philox"
	"vklstm/shaders/words"
)

// Engine implements model.Engine on a Vulkan device.
type Engine struct {
	model.StepCount
	dev      *gpu.Device
	spec     model.Spec
	chain    model.Chain
	opts     []model.Options
	layout   model.Layout
	device   model.Layout // the same variables as they lie on the device
	stride   int          // P: floats per model on the device
	hostAdam bool
	mixed    bool

	want   string // the path that was asked for
	tuning Tuning
	path   path
	why    string // path was taken

	// Tests lower these to have several chunks, passes and submissions on little data; 0: the device's limits alone.
	chunkLimit, rowLimit, stepLimit, evalLimit int

	fixed alloc // lives as long as the engine
	fixedBuffers

	steps  []int // optimizer steps taken by each model
	data   alloc // the loaded windows
	chunks []chunk
	label  f32     // [N]
	n      int     // loaded windows
	length []int32 // of each loaded window, its valid time steps

	train *workspace  // made at the first epoch for its batch
	evals *evaluation // made at the first epoch that evaluates
	infer []*predictor
}

// fixedBuffers do not depend on data or batch. A predictor has options, scaling and cursor of its own.
type fixedBuffers struct {
	params  f32 // [K][P]
	grads   f32 // [K][P]
	m, v    f32 // [K][P], Adam's moments
	alphas  f32 // [K][classes], of the categorical focal loss
	squares f32 // [K][V], of each variable's gradient
	starts  u32 // [V+1], as kernel.GradientNorm has it
	options u32 // [K][32]
	scaling f32 // [K][4][F]
	tables  tables
	cursor  u32 // [1]
}

func newFixed(a *alloc, k, stride, f, v, classes int, tab augment.Tables) fixedBuffers {
	return fixedBuffers{
		params: a.floats("params", k*stride), grads: a.floats("grads", k*stride),
		m: a.floats("adam.m", k*stride), v: a.floats("adam.v", k*stride),
		alphas: a.floats("loss.alphas", k*classes), squares: a.floats("grads.squares", k*v), starts: a.words("params.starts", v+1),
		options: a.words("options", k*words.Options), scaling: a.floats("scaling", k*4*f),
		tables: tables{a.floats("quantile", len(tab.Quantile)), a.floats("reciprocal", len(tab.Reciprocal)), a.floats("turns", len(tab.Axis)+k*2*augment.Angles)},
		cursor: a.words("cursor", 1),
	}
}

// tables are what model/augment's arithmetic looks up.
type tables struct {
	quantile, reciprocal f32
	turns                f32 // axes[4096][3], then the angles [K][256][2]
}

// Setting changes how an Engine works.
type Setting func(*Engine)

// HostAdam lets model.Optimizer.Step, in Go, update the parameters: gradients come back after each step, and
// parameters go up. It is for comparing with adam_update.comp, and slower.
func HostAdam() Setting { return func(e *Engine) { e.hostAdam = true } }

// Mixed takes the products with the recurrent kernel, and its gradient, of float16, and adds them up in float32. Their
// operands are bounded: |h| ≤ 1, the recurrent kernel starts orthogonal, and dz is multiplied by a power of two that
// gradient_scale.comp finds at each step and that the sums are freed of, so that no step must be skipped. Everything else
// is float32, the products with the input among it, whose values may lie anywhere: parameters, moments, Adam, State.
func Mixed() Setting { return func(e *Engine) { e.mixed = true } }

// New returns an engine for len(opts) models of spec on dev, all with zero parameters: SetState gives each its
// own. The models may differ in everything but the optimizer's kind. The device stays the caller's.
func New(dev *gpu.Device, spec model.Spec, opts []model.Options, settings ...Setting) (*Engine, error) {
	d, err := spec.Chain()
	if err != nil {
		return nil, err
	}
	if len(opts) == 0 {
		return nil, fmt.Errorf("vulkan: no models; give options for at least one")
	}
	for i, o := range opts {
		if err := o.Check(d.F, d.Classes); err != nil {
			return nil, err
		}
		if o.Optimizer.Kind != opts[0].Optimizer.Kind {
			return nil, fmt.Errorf("vulkan: models 1 and %d have different optimizers (%s, %s); train them apart", i+1, opts[0].Optimizer.Kind, o.Optimizer.Kind)
		}
		if o.Augment.Prob > 0 && o.Augment.Warp > 0 && d.T > augment.MaxTimesteps {
			return nil, fmt.Errorf("vulkan: windows of %d steps cannot be time-warped; at most %d", d.T, augment.MaxTimesteps)
		}
	}
	e := &Engine{dev: dev, spec: spec, chain: d, opts: opts, layout: spec.Layout(), steps: make([]int, len(opts))}
	for _, s := range settings {
		s(e)
	}
	if e.hostAdam && d.Normalizes() {
		return nil, fmt.Errorf("vulkan: the host's Adam does not move the moments of BatchNormalization")
	}
	e.device = onDevice(e.layout, d)
	e.stride = (e.device.Size + 63) / 64 * 64
	e.path, e.why, err = choosePath(e.want, e.mixed, site{info: dev.Info(), chain: d, stride: e.stride}, e.tuning)
	if err != nil {
		return nil, err
	}
	if err := e.makeFixed(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// shapeFor plans the passes for batches of b windows.
func (e *Engine) shapeFor(b int) (shape, error) {
	s, err := e.path.plan(len(e.opts), b)
	if err == nil && s.R < s.B && e.chain.Normalizes() {
		return s, fmt.Errorf("vulkan: BatchNormalization needs a batch's %d windows at once, and the device has room for %d; use a smaller batch", b, s.R)
	}
	if err == nil && e.rowLimit > 0 && s.R > e.rowLimit && !e.chain.Normalizes() {
		passes := ceil(b, e.rowLimit)
		s.R = ceil(b, passes)
		s.B = passes * s.R
	}
	return s, err
}

// trained is the shape of the training batches, zero before there are any.
func (e *Engine) trained() shape {
	if e.train == nil {
		return shape{}
	}
	return e.train.shape
}

// String says which device computes, by which path, and why.
func (e *Engine) String() string {
	return fmt.Sprintf("%s · %s", e.dev, e.path.describe(e.why, e.trained()))
}

// augmentTables are the tables for the longest warp of the models.
func (e *Engine) augmentTables() augment.Tables {
	warp := 0.0
	for _, o := range e.opts {
		warp = math.Max(warp, o.Augment.Warp)
	}
	return augment.NewTables(e.chain.T, model.Augment{Warp: warp})
}

// makeFixed allocates and fills what does not depend on data or batch.
func (e *Engine) makeFixed() error {
	k, tab := len(e.opts), e.augmentTables()
	e.fixed.dev = e.dev
	e.fixedBuffers = newFixed(&e.fixed, k, e.stride, e.chain.F, len(e.layout.Variables), e.chain.Classes, tab)
	if err := e.fixed.err; err != nil {
		return err
	}
	var starts []uint32
	for _, v := range e.device.Variables[:e.device.Trained] {
		at := uint32(v.Offset)
		if v.Matrix() {
			at |= words.Matrix
		}
		starts = append(starts, at)
	}
	if err := e.starts.Write(append(starts, uint32(e.device.TrainedSize()))); err != nil {
		return err
	}
	var alphas []float32
	for _, o := range e.opts {
		for c := range e.chain.Classes {
			alphas = append(alphas, float32(o.Loss.AlphaOf(c)))
		}
	}
	turns := tab.Axis
	for _, o := range e.opts {
		turns = append(turns, augment.AngleTable(o.Augment.Rotate)...)
	}
	zero := make([]float32, k*e.stride)
	for _, w := range []struct {
		b f32
		x []float32
	}{{e.params, zero}, {e.grads, zero}, {e.m, zero}, {e.v, zero}, {e.tables.quantile, tab.Quantile},
		{e.tables.reciprocal, tab.Reciprocal}, {e.tables.turns, turns}, {e.alphas, alphas}, {e.scaling, scalingWords(e.opts, e.chain.F)}} {
		if err := w.b.Write(w.x); err != nil {
			return err
		}
	}
	return nil
}

// scalingWords lays out the scaling of each model: offset, factor, low, high, [F] each.
func scalingWords(opts []model.Options, f int) []float32 {
	var out []float32
	for _, o := range opts {
		s := o.Scaling.Fill(f)
		for _, a := range [][]float32{s.Offset, s.Factor, s.Low, s.High} {
			out = append(out, a...)
		}
	}
	return out
}

// optionsOf lays out what the kernels need to know of one model in an epoch.
func optionsOf(o model.Options, rate float64, epoch int) []uint32 {
	w := make([]uint32, words.Options)
	key := philox.Key(o.Seed)
	w[words.KeyLow], w[words.KeyHigh], w[words.Epoch] = key[0], key[1], uint32(epoch)
	w[words.VaryBelow] = philox.Below(o.Augment.Prob)
	w[words.DropBelow] = philox.Below(o.Augment.Drop)
	w[words.DropoutBelow] = philox.Below(rate)
	w[words.MoveBelow] = philox.Below(o.Augment.MoveProb)
	w[words.Turning] = uint32(augment.Turning(o.Augment))
	if o.Loss.Kind == model.BinaryFocal || o.Loss.Kind == model.CategoricalFocal {
		w[words.LossKind] = words.LossFocal
	}
	for i, x := range map[int]float64{
		words.Warp:           o.Augment.Warp,
		words.Noise:          o.Augment.Noise,
		words.Shift:          o.Augment.Shift,
		words.Magnitude:      o.Augment.Magnitude,
		words.DropoutScale:   1 / (1 - rate),
		words.FocalAlpha:     o.Loss.Alpha,
		words.FocalGamma:     o.Loss.Gamma,
		words.LabelSmoothing: o.Loss.LabelSmoothing,
		words.OneMinusBeta1:  1 - o.Optimizer.Beta1,
		words.OneMinusBeta2:  1 - o.Optimizer.Beta2,
		words.Epsilon:        o.Optimizer.Epsilon,
		words.Clipnorm:       o.Optimizer.ClipNorm,
		words.GlobalClipnorm: o.Optimizer.GlobalClipNorm,
		words.TwiceL2:        2 * o.Optimizer.L2,
	} {
		w[i] = math.Float32bits(float32(x))
	}
	return w
}

// Models returns the number of models side by side.
func (e *Engine) Models() int { return len(e.opts) }

// State returns a copy of model k's parameters, moments and step.
func (e *Engine) State(k int) (*model.State, error) {
	s := model.NewState(e.layout.Size)
	s.Step = e.steps[k]
	for _, r := range []struct {
		b f32
		x []float32
	}{{e.params, s.Params}, {e.m, s.M}, {e.v, s.V}} {
		if err := e.read(r.b, k, r.x); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// onDevice returns the layout in which a model's variables lie on the device: as in l, but that the variables of each LSTM layer begin at a
// multiple of 4, since kernels read those by fours.
func onDevice(l model.Layout, c model.Chain) model.Layout {
	out := model.Layout{Variables: slices.Clone(l.Variables), Trained: l.Trained}
	for i := range out.Variables {
		if slices.ContainsFunc(c.LSTMs, func(r model.Recurrent) bool { return r.First == i }) {
			out.Size = ceil(out.Size, 4) * 4
		}
		out.Variables[i].Offset = out.Size
		out.Size += out.Variables[i].Size()
	}
	return out
}

// read returns model k's part of one of the arrays [K][P] in x, flat in Layout order.
func (e *Engine) read(b f32, k int, x []float32) error {
	all := make([]float32, e.device.Size)
	if err := b.Slice(k*e.stride, e.stride).Read(all); err != nil {
		return err
	}
	for i, v := range e.layout.Variables {
		copy(v.Of(x), e.device.Variables[i].Of(all))
	}
	return nil
}

// write replaces model k's part of one of the arrays [K][P] by x, flat in Layout order.
func (e *Engine) write(b f32, k int, x []float32) error {
	all := make([]float32, e.device.Size)
	for i, v := range e.layout.Variables {
		copy(e.device.Variables[i].Of(all), v.Of(x))
	}
	return b.Slice(k*e.stride, e.stride).Write(all)
}

// SetState replaces model k's parameters, moments and step.
func (e *Engine) SetState(k int, s *model.State) error {
	if err := s.Check(e.layout.Size); err != nil {
		return err
	}
	for _, w := range []struct {
		b f32
		x []float32
	}{{e.params, s.Params}, {e.m, s.M}, {e.v, s.V}} {
		if err := e.write(w.b, k, w.x); err != nil {
			return err
		}
	}
	e.steps[k] = s.Step
	return nil
}

// Load puts the windows on the device, in as many chunks as its binding range asks for.
func (e *Engine) Load(w model.Windows) error {
	size := e.chain.T * e.chain.F
	if len(w.X) != len(w.Y)*size {
		return fmt.Errorf("vulkan: %d values in windows for %d labels of %d × %d: %w", len(w.X), len(w.Y), e.chain.T, e.chain.F, model.ErrShape)
	}
	e.forgetData()
	e.data.dev = e.dev
	n := len(w.Y)
	per := int(e.dev.Limits().StorageRange / uint64(4*max(size, e.chain.T)))
	if e.chunkLimit > 0 {
		per = min(per, e.chunkLimit)
	}
	if per == 0 {
		return fmt.Errorf("vulkan: one window of %d × %d needs %d bytes in one binding, the device's limit is %d", e.chain.T, e.chain.F, 4*size, e.dev.Limits().StorageRange)
	}
	for first := 0; first < n; first += per {
		c, err := e.upload(&e.data, first, w.X[first*size:min(first+per, n)*size])
		if err != nil {
			e.forgetData()
			return err
		}
		e.chunks = append(e.chunks, c)
	}
	e.label = e.data.floats("y", max(n, 1))
	if e.data.err == nil && n > 0 {
		e.data.err = e.label.Write(w.Y)
	}
	if err := e.data.err; err != nil {
		e.forgetData()
		return err
	}
	e.n, e.length = n, e.lengths(w.X)
	return nil
}

// lengths counts the valid steps of each window of x[n][T][F], as mask.comp finds them.
func (e *Engine) lengths(x []float32) []int32 {
	t, f := e.chain.T, e.chain.F
	out := make([]int32, len(x)/(t*f))
	for i := range out {
		for s := range t {
			if !e.chain.Masked || augment.Valid(x[(i*t+s)*f:(i*t+s+1)*f], e.chain.MaskValue) {
				out[i]++
			}
		}
	}
	return out
}

// upload makes a chunk of the windows x and computes their masks.
func (e *Engine) upload(a *alloc, first int, x []float32) (chunk, error) {
	n := len(x) / (e.chain.T * e.chain.F)
	c := chunk{first: first, n: n, raw: a.words("x", len(x)), valid: a.words("valid", n*e.chain.T)}
	if a.err != nil {
		return c, a.err
	}
	if err := c.raw.Write(bits(x)); err != nil {
		return c, err
	}
	return c, e.maskOf(c)
}

// forgetData frees the loaded windows and every recording that reads them.
func (e *Engine) forgetData() {
	if e.train != nil {
		e.train.free()
	}
	if e.evals != nil {
		e.evals.free()
	}
	e.train, e.evals = nil, nil
	e.data.free()
	e.chunks, e.n, e.length = nil, 0, nil
}

// Close frees the device's memory; the device itself stays open.
func (e *Engine) Close() error {
	e.forgetData()
	for _, p := range e.infer {
		p.free()
	}
	e.infer = nil
	e.fixed.free()
	return nil
}
