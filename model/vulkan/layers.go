package vulkan

import (
	"fmt"
	"slices"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// layerwise is what general and layered plan alike: passes that take a layer at a time, all rows and time steps of it.
type layerwise struct {
	site
	pairs bool // the way back reads pairs[T][R][H][2] in place of c[T+1][R][H]
}

// plan chooses the rows per pass for a batch: all of them, or as few passes as keep every activation buffer within the device's
// binding range and the sum of them within a quarter of its memory.
func (l *layerwise) plan(k, batch int) (shape, error) {
	// Of a row: the largest buffer, and all of them.
	c := l.chain
	widest, total := c.F, uint64(c.T)*uint64(2*c.F+2)+uint64(2*c.Out()+4*c.D())
	for i, r := range c.LSTMs {
		widest = max(widest, 4*r.Units)
		each := c.T*4*r.Units + (c.T+1)*2*r.Units + 2*r.Units
		if l.pairs {
			each += (c.T - 1) * r.Units
		}
		if i+1 < len(c.LSTMs) {
			each += c.T * r.Units
		}
		total += uint64(r.Directions()) * uint64(each)
	}
	perRow := 4 * uint64(k) * uint64(max((c.T+1)*widest, c.D(), c.Out()))
	return l.divide(k, batch, perRow, 4*uint64(k)*total, l.info.Limits.StorageRange, "use fewer units or a shorter window")
}

// evalBytes is what the activations of an evaluation may take, unless one training batch takes more.
const evalBytes = 64 << 20

func (l *layerwise) planEvaluation(k, n, most int, trained shape) (shape, error) {
	units := 0
	for _, r := range l.chain.LSTMs {
		units += r.Out()
	}
	each := 4 * k * l.chain.T * (6*units + l.chain.F + 1) // gates, h and c, x and mask
	return l.plan(k, evenBatch(n, max(evalBytes/each, trained.R), most))
}

func (l *layerwise) planPrediction(rows int) (shape, error) {
	s, err := l.plan(1, rows)
	s.B = s.R
	return s, err
}

// divide makes equal passes of a batch, as few as limit and memory allow. A row takes perRow bytes of the largest buffer and total
// bytes of all.
func (s site) divide(k, batch int, perRow, total, limit uint64, advice string) (shape, error) {
	room := limit / perRow
	if memory := s.info.Memory; memory > 0 {
		room = min(room, max(1, memory/4/total))
	}
	if room == 0 {
		return shape{}, fmt.Errorf("vulkan: one window of %d steps with %s and %d models needs %d bytes in one binding, the device's limit is %d; %s",
			s.chain.T, units(s.chain), k, perRow, s.info.Limits.StorageRange, advice)
	}
	passes := ceil(batch, int(min(room, uint64(batch))))
	rows := ceil(batch, passes)
	return s.shape(k, passes*rows, rows), nil
}

// evenBatch divides n windows into as few batches as there must be when one takes at most rows of them, or most where that is less and not 0,
// and returns the size that makes them equal.
func evenBatch(n, rows, most int) int {
	if rows = max(1, rows); most > 0 {
		rows = min(rows, most)
	}
	return ceil(n, ceil(n, rows))
}

// layersPass is the pass of general and layered: the products of a layer over all its time steps at once, the head, and the
// gradients. How the time steps are taken in between is what steps knows.
type layersPass struct {
	*network
	activations
	steps timeSteps
}

// timeSteps takes an LSTM layer through time, both of its directions side by side.
type timeSteps interface {
	recordStart(rec *gpu.Recording)
	// forward goes on from z in the gates of layer i to h, and leaves what back needs.
	forward(rec *gpu.Recording, i int, train bool)
	// back goes from dh, and flow, to dz in the gates.
	back(rec *gpu.Recording, i int)
}

// activations are the buffers of one pass.
type activations struct {
	cells, warped u32           // [K][T][R][F], bits of float32: the network's input, and the input before the time warp
	mask          u32           // [K][T][R], 1 = valid
	layers        [][]direction // of each LSTM layer
	dropped       f32           // [K][R][Out], of the last layer
	dense         f32           // [K][R][D]
	logit         f32           // [K][R]
	dLogit        f32           // [K][R]
	dDense        f32           // [K][R][D], before the relu
	dDropped      f32           // [K][R][Out]
	parts         f32           // partial sums of one variable's gradient; none where no sum is cut
}

// direction are the buffers of one direction of an LSTM layer. The second takes the time steps in reverse, from the last to the
// first, and keeps them in their places: what it puts out at step t is slot t of h, the first direction's is slot t + 1.
type direction struct {
	gates f32 // [K][T][R][4H]: z, then what back reads of the gates, then dz
	h     f32 // [K][T+1][R][H], 0 in the slot where the direction begins
	dh    f32 // [K][R][H]
	flow  f32 // [K][T][R][H], the gradient by what the layer puts out; none for the last layer, of which the end alone is read
	scale f32 // [K][2]: what dz is multiplied by in float16, and the inverse; none where products are of float32
}

// newLayersPass makes the buffers that general and layered share, those of the way back only with train set.
func newLayersPass(n *network, a *alloc, train bool) *layersPass {
	rows, c := n.K*n.R, n.chain
	p := &layersPass{network: n, activations: activations{
		cells:   a.words("lstm.x", rows*n.T*n.F),
		mask:    a.words("lstm.mask", rows*n.T),
		dropped: a.floats("dropout.out", rows*c.Out()),
		dense:   a.floats("dense.out", rows*n.D),
		logit:   a.floats("dense_1.logit", rows),
		dLogit:  a.floats("dense_1.dlogit", rows),
	}}
	for i, r := range c.LSTMs {
		p.layers = append(p.layers, make([]direction, r.Directions()))
		for d := range p.layers[i] {
			v := &p.layers[i][d]
			v.gates = a.floats("lstm.gates", rows*n.T*4*r.Units)
			v.h = a.floats("lstm.h", rows*(n.T+1)*r.Units)
			if train {
				v.dh = a.floats("lstm.dh", rows*r.Units)
			}
			if train && i+1 < len(c.LSTMs) {
				v.flow = a.floats("lstm.flow", rows*n.T*r.Units)
			}
		}
	}
	if train {
		p.warped = a.words("lstm.x_warped", rows*n.T*n.F)
		p.dDense = a.floats("dense.d", rows*n.D)
		p.dDropped = a.floats("dropout.d", rows*c.Out())
		if n := n.parts(c, a.dev.Limits()); n > 0 {
			p.parts = a.floats("grads.parts", n)
		}
	}
	return p
}

// parts is the number of elements that the gradients' partial sums need, of one variable at a time, and the parts of a scale.
func (s shape) parts(c model.Chain, l gpu.Limits) int {
	rows, in := s.T*s.R, c.F
	most := max(
		kernel.Partials(c.Out(), s.D, s.R, s.K, l), kernel.Partials(s.D, 1, s.R, s.K, l), kernel.ColumnPartials(s.K, s.R, s.D), kernel.ColumnPartials(s.K, s.R, 1))
	for i, r := range c.LSTMs {
		H, incoming := r.Units, rows
		if i+1 == len(c.LSTMs) {
			incoming = s.R
		}
		most = max(most, kernel.HalfPartials(H, 4*H, rows, s.K, l), kernel.ScaleParts(s.K, incoming*H),
			kernel.Partials(in, 4*H, rows, s.K, l), kernel.Partials(H, 4*H, rows, s.K, l), kernel.ColumnPartials(s.K, rows, 4*H))
		in = H // of the next layer, which takes a direction at a time
	}
	return most
}

func (p *layersPass) epochBuffers(*alloc, int)   {} // batch is all
func (p *layersPass) arrange(order) error        { return nil }
func (p *layersPass) ahead() int                 { return 0 }
func (p *layersPass) recordAhead(*gpu.Recording) {}

// recordStart sets h to 0, for the slot before a direction's first time step; no kernel writes that.
func (p *layersPass) recordStart(rec *gpu.Recording) {
	for _, v := range slices.Concat(p.layers...) {
		rec.Fill(v.h, 0)
	}
	p.steps.recordStart(rec)
}

func (p *layersPass) recordGradient(rec *gpu.Recording) {
	for row0 := 0; row0 < p.B; row0 += p.R {
		p.recordInput(rec, row0, true)
		p.recordForward(rec, row0, true)
		p.recordBackward(rec, row0)
	}
}

func (p *layersPass) recordStep(rec *gpu.Recording) {
	p.recordGradient(rec)
	p.recordUpdate(rec)
}

func (p *layersPass) recordEvaluation(rec *gpu.Recording) {
	for row0 := 0; row0 < p.B; row0 += p.R {
		p.recordInput(rec, row0, false)
		p.recordForward(rec, row0, false)
	}
}

// recordInput records what turns loaded windows into the network's input: gather, move and scale, warp, vary, mask.
func (p *layersPass) recordInput(rec *gpu.Recording, row0 int, train bool) {
	warp := train && slices.ContainsFunc(p.opts, func(o model.Options) bool { return o.Augment.Prob > 0 && o.Augment.Warp > 0 })
	x := p.cells
	if warp {
		x = p.warped
	}
	for _, c := range p.chunks {
		kernel.Gather{
			Raw: c.raw, Valid: c.valid, OrderWindow: p.batch.window, Scaling: p.scaling, Cursor: p.cursor,
			Options: p.options, Turns: p.tables.turns, X: x,
			K: p.K, R: p.R, B: p.B, T: p.T, F: p.F, S: p.batch.steps, Row0: row0, ChunkFirst: c.first, ChunkCount: c.n, Train: train,
		}.Record(rec)
	}
	if warp {
		kernel.TimeWarp{
			X: x, OrderWindow: p.batch.window, Options: p.options, Reciprocal: p.tables.reciprocal, Cursor: p.cursor, Out: p.cells,
			K: p.K, R: p.R, B: p.B, T: p.T, F: p.F, S: p.batch.steps, Row0: row0,
		}.Record(rec)
	}
	kernel.Augment{
		X: p.cells, OrderWindow: p.batch.window, Options: p.options, Scaling: p.scaling, Quantile: p.tables.quantile,
		Cursor: p.cursor, Mask: p.mask,
		K: p.K, R: p.R, B: p.B, T: p.T, F: p.F, S: p.batch.steps, Row0: row0, Train: train,
	}.Record(rec)
}

// recordForward records the way from the input to each window's logit, probability and loss.
func (p *layersPass) recordForward(rec *gpu.Recording, row0 int, train bool) {
	R, out, head, top := p.R, p.chain.Out(), p.chain.FirstOfHead(), len(p.layers)-1
	for i := range p.layers {
		p.recordLayer(rec, i, train)
	}
	H := p.chain.LSTMs[top].Units
	for d, v := range p.layers[top] {
		kernel.Dropout{
			In: v.h, Options: p.options, Schedule: p.batch.schedule, Cursor: p.cursor, Out: p.dropped,
			K: p.K, R: R, H: H, S: p.batch.steps, Row0: row0, Unit0: d * H, Train: train,
			InOffset: R * H * p.T * (1 - d), InStride: (p.T + 1) * R * H, InPitch: H, // h after the direction's last time step
			OutOffset: d * H, OutPitch: out,
		}.Record(rec)
	}
	kernel.DenseForward{
		X: p.dropped, Params: p.params, Y: p.dense, Activation: kernel.Relu,
		K: p.K, R: R, M: out, N: p.D, P: p.P, KernelOffset: p.offset(head), BiasOffset: p.offset(head + 1),
	}.Record(rec)
	kernel.DenseForward{
		X: p.dense, Params: p.params, Y: p.logit, Activation: kernel.Linear,
		K: p.K, R: R, M: p.D, N: 1, P: p.P, KernelOffset: p.offset(head + 2), BiasOffset: p.offset(head + 3),
	}.Record(rec)
	kernel.Loss{
		Logit: p.logit, OrderWindow: p.batch.window, OrderWeight: p.batch.weight, Label: p.label, Options: p.options,
		Schedule: p.batch.schedule, Cursor: p.cursor, Probability: p.batch.probability, Loss: p.batch.loss, DLogit: p.dLogit,
		K: p.K, R: R, B: p.B, S: p.batch.steps, Row0: row0,
	}.Record(rec)
}

// recordLayer records layer i forward: z[T·R][4H] = x·kernel + bias for all time steps at once, then the time steps.
func (p *layersPass) recordLayer(rec *gpu.Recording, i int, train bool) {
	rows, layer := p.T*p.R, p.chain.LSTMs[i]
	H := layer.Units
	for d, v := range p.layers[i] {
		first := layer.First + 3*d
		for j, x := range p.inputs(i) {
			kernel.Matmul{
				A: x.buf, B: p.params, C: v.gates, BiasVector: p.params,
				M: rows, N: 4 * H, Inner: x.width, Models: p.K, Bias: j == 0, Accumulate: j > 0,
				OffsetA: x.offset, StrideA: x.stride, OffsetB: p.offset(first+model.Kernel) + x.first*4*H, StrideB: p.P, StrideC: rows * 4 * H,
				OffsetBias: p.offset(first + model.Bias), StrideBias: p.P,
			}.Record(rec)
		}
	}
	p.steps.forward(rec, i, train)
}

// matrix is one inside a buffer: where it starts and how far apart the models are, in elements, and its width.
type matrix struct {
	buf                   f32
	offset, stride, width int
}

// columns are a part of those of what comes into an LSTM layer, from first on: a direction of the layer below, or the network's input.
type columns struct {
	matrix
	first int
}

// inputs are the parts of what comes into layer i. The outputs of two directions lie in buffers of their own, so that no kernel
// puts them side by side: a product with both is the sum of two.
func (p *layersPass) inputs(i int) []columns {
	if i == 0 {
		return []columns{{matrix{gpu.As[float32](p.cells), 0, p.T * p.R * p.F, p.F}, 0}}
	}
	units := p.chain.LSTMs[i-1].Units
	var list []columns
	for d, v := range p.layers[i-1] {
		list = append(list, columns{matrix{v.h, p.R * units * (1 - d), (p.T + 1) * p.R * units, units}, d * units})
	}
	return list
}

// recordBackward records the way from dlogit to the gradient of every parameter, in grads[K][P]. The first pass of a step writes
// the gradient, further ones add to it.
func (p *layersPass) recordBackward(rec *gpu.Recording, row0 int) {
	R, D, out, head, top := p.R, p.D, p.chain.Out(), p.chain.FirstOfHead(), len(p.layers)-1
	add := row0 > 0
	for _, dense := range []struct {
		first  int // variable: the kernel, and then the bias
		x, dy  matrix
		dx     f32
		relued bool // x is what a relu returned
	}{
		{head + 2, matrix{p.dense, 0, R * D, D}, matrix{p.dLogit, 0, R, 1}, p.dDense, true},
		{head, matrix{p.dropped, 0, R * out, out}, matrix{p.dDense, 0, R * D, D}, p.dDropped, false},
	} {
		p.recordWeight(rec, add, p.offset(dense.first), dense.x, dense.dy, R, f32{})
		p.recordBias(rec, add, dense.first+1, dense.dy, R)
		kernel.DenseBackward{
			DY: dense.dy.buf, Params: p.params, X: dense.x.buf, DX: dense.dx, Relu: dense.relued,
			K: p.K, R: R, M: dense.x.width, N: dense.dy.width, P: p.P, KernelOffset: p.offset(dense.first),
		}.Record(rec)
	}
	H := p.chain.LSTMs[top].Units
	for d, v := range p.layers[top] {
		kernel.Dropout{
			In: p.dDropped, Options: p.options, Schedule: p.batch.schedule, Cursor: p.cursor, Out: v.dh,
			K: p.K, R: R, H: H, S: p.batch.steps, Row0: row0, Unit0: d * H, Train: true,
			InOffset: d * H, InStride: R * out, InPitch: out, OutPitch: H,
		}.Record(rec)
	}
	for i := top; i >= 0; i-- {
		p.recordLayerBack(rec, add, i)
	}
}

// recordLayerBack records layer i back through time, from dh after its last time steps or from what flows into each, to the
// gradients of its kernels and biases, and to what flows into the layer below.
func (p *layersPass) recordLayerBack(rec *gpu.Recording, add bool, i int) {
	rows, layer := p.T*p.R, p.chain.LSTMs[i]
	H := layer.Units
	p.steps.back(rec, i)
	for d, v := range p.layers[i] {
		first, dz := layer.First+3*d, matrix{v.gates, 0, rows * 4 * H, 4 * H}
		for _, x := range p.inputs(i) {
			p.recordWeight(rec, add, p.offset(first+model.Kernel)+x.first*4*H, x.matrix, dz, rows, f32{})
		}
		before := matrix{v.h, p.R * H * d, (p.T + 1) * p.R * H, H} // h before each time step
		p.recordWeight(rec, add, p.offset(first+model.RecurrentKernel), before, dz, rows, v.scale)
		p.recordBias(rec, add, first+model.Bias, dz, rows)
	}
	if i == 0 {
		return
	}
	units := p.chain.LSTMs[i-1].Units
	for e, to := range p.layers[i-1] {
		for d, v := range p.layers[i] {
			kernel.Matmul{ // dx[T·R][units] of this part = dz·kernelᵀ
				A: v.gates, B: p.params, C: to.flow, TransposeB: true, Accumulate: d > 0,
				M: rows, N: units, Inner: 4 * H, Models: p.K,
				StrideA: rows * 4 * H, OffsetB: p.offset(layer.First+3*d+model.Kernel) + e*units*4*H, StrideB: p.P, StrideC: rows * units,
			}.Record(rec)
		}
	}
}

// recordWeight records grads[to][m][n] (+)= Σ over rows of x[row][m]·dy[row][n], to being where the matrix starts in a model's
// parameters. A scale has the product taken of float16.
func (p *layersPass) recordWeight(rec *gpu.Recording, add bool, to int, x, dy matrix, rows int, scale f32) {
	kernel.Matmul{
		A: x.buf, B: dy.buf, C: p.grads, BiasVector: p.params, Parts: p.parts, Half: scale != f32{}, Scale: scale,
		M: x.width, N: dy.width, Inner: rows, Models: p.K, TransposeA: true, Accumulate: add,
		OffsetA: x.offset, StrideA: x.stride, OffsetB: dy.offset, StrideB: dy.stride, OffsetC: to, StrideC: p.P,
	}.Record(rec)
}

// recordBias records grads[v][n] (+)= Σ over rows of dy[row][n].
func (p *layersPass) recordBias(rec *gpu.Recording, add bool, v int, dy matrix, rows int) {
	kernel.ColumnSum{
		A: dy.buf, Out: p.grads, Parts: p.parts, K: p.K, Rows: rows, N: dy.width, Accumulate: add,
		StrideA: dy.stride, OutOffset: p.offset(v), OutStride: p.P,
	}.Record(rec)
}
