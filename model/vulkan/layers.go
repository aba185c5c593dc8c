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
	widest, floats, head := c.F, uint64(c.T)*uint64(2*c.F+2), 0
	for i, r := range c.LSTMs {
		widest = max(widest, 4*r.Units)
		each := c.T*4*r.Units + (c.T+1)*2*r.Units + 2*r.Units
		if l.pairs {
			each += (c.T - 1) * r.Units
		}
		sum, most := total(widths(c, i))
		if i+1 < len(c.LSTMs) {
			each += c.T * r.Units
			floats += uint64(c.T) * uint64(sum+2*most)
			widest = max(widest, most)
		} else {
			floats += uint64(sum + 2*most)
			head = most
		}
		floats += uint64(r.Directions()) * uint64(each)
	}
	perRow := 4 * uint64(k) * uint64(max((c.T+1)*widest, head))
	return l.divide(k, batch, perRow, 4*uint64(k)*floats, l.info.Limits.StorageRange, "use fewer units or a shorter window")
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
	present       u32           // [K][R], 1 = the row has a window
	stages        []*stages     // after each LSTM layer; nil where its output is read where it puts it
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
		present: a.words("lstm.present", rows),
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
		p.stages = append(p.stages, newStages(n, a, i, &p.activations, train))
	}
	if train {
		p.warped = a.words("lstm.x_warped", rows*n.T*n.F)
		if n := n.parts(c, a.dev.Limits()); n > 0 {
			p.parts = a.floats("grads.parts", n)
		}
	}
	return p
}

// parts is the number of elements that the gradients' partial sums need, of one variable at a time, and the parts of a scale.
func (s shape) parts(c model.Chain, l gpu.Limits) int {
	rows, in, most := s.T*s.R, c.F, 0
	for _, d := range c.Head {
		if d.Kind == model.Dense {
			most = max(most, kernel.Partials(d.In, d.Out, s.R, s.K, l), kernel.ColumnPartials(s.K, s.R, d.Out))
		}
	}
	for i, r := range c.LSTMs {
		H, incoming := r.Units, rows
		if i+1 == len(c.LSTMs) {
			incoming = s.R
		}
		most = max(most, kernel.HalfPartials(H, 4*H, rows, s.K, l), kernel.ScaleParts(s.K, incoming*H),
			kernel.Partials(in, 4*H, rows, s.K, l), kernel.Partials(H, 4*H, rows, s.K, l), kernel.ColumnPartials(s.K, rows, 4*H))
		in = H // of the next layer, which takes a direction at a time, or all together
		if _, joined := stagesOf(c, i); joined {
			in = r.Out()
		}
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
	p.recordMoves(rec)
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
		Cursor: p.cursor, Mask: p.mask, Present: p.present, Masked: p.chain.Masked,
		K: p.K, R: p.R, B: p.B, T: p.T, F: p.F, S: p.batch.steps, Row0: row0, Train: train,
	}.Record(rec)
}

// recordForward records the way from the input to each window's logits, probabilities and loss.
func (p *layersPass) recordForward(rec *gpu.Recording, row0 int, train bool) {
	for i := range p.layers {
		p.recordLayer(rec, i, train)
		p.recordStages(rec, i, row0, train)
	}
	head := p.stages[len(p.stages)-1]
	p.recordLoss(rec, head.last().buf, head.d, row0)
}

// recordLoss records the way from the logits to probabilities, losses, and the gradient by the logits.
func (p *layersPass) recordLoss(rec *gpu.Recording, logit, dLogit f32, row0 int) {
	if p.chain.Classes == 1 {
		kernel.Loss{
			Logit: logit, OrderWindow: p.batch.window, OrderWeight: p.batch.weight, Label: p.label, Options: p.options,
			Schedule: p.batch.schedule, Cursor: p.cursor, Probability: p.batch.probability, Loss: p.batch.loss, DLogit: dLogit,
			K: p.K, R: p.R, B: p.B, S: p.batch.steps, Row0: row0,
		}.Record(rec)
		return
	}
	kernel.LossCategorical{
		Logit: logit, OrderWindow: p.batch.window, OrderWeight: p.batch.weight, Label: p.label, Options: p.options,
		Schedule: p.batch.schedule, Cursor: p.cursor, Alphas: p.alphas, Probability: p.batch.probability, Loss: p.batch.loss, DLogit: dLogit,
		K: p.K, R: p.R, B: p.B, C: p.chain.Classes, S: p.batch.steps, Row0: row0,
	}.Record(rec)
}

// afterStep is where a direction of layer i has, in h[K][T+1][R][H], what it puts out at time step t.
func (p *layersPass) afterStep(i, d, t int) int {
	r := p.chain.LSTMs[i]
	if reversed(r, d) {
		return t * p.R * r.Units
	}
	return (t + 1) * p.R * r.Units
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
	if s := p.stages[i-1]; s != nil {
		x := s.last()
		return []columns{{matrix{x.buf, 0, p.T * p.R * x.width, x.width}, 0}}
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
	add := row0 > 0
	for i := len(p.layers) - 1; i >= 0; i-- {
		p.recordStagesBack(rec, add, i, row0)
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
		before := matrix{v.h, 0, (p.T + 1) * p.R * H, H} // h before each time step
		if reversed(layer, d) {
			before.offset = p.R * H
		}
		p.recordWeight(rec, add, p.offset(first+model.RecurrentKernel), before, dz, rows, v.scale)
		p.recordBias(rec, add, first+model.Bias, dz, rows)
	}
	if i == 0 {
		return
	}
	// dx[T·R][width] = dz·kernelᵀ, of each part of what came in
	into := func(to f32, first, width int) {
		for d, v := range p.layers[i] {
			kernel.Matmul{
				A: v.gates, B: p.params, C: to, TransposeB: true, Accumulate: d > 0,
				M: rows, N: width, Inner: 4 * H, Models: p.K,
				StrideA: rows * 4 * H, OffsetB: p.offset(layer.First+3*d+model.Kernel) + first*4*H, StrideB: p.P, StrideC: rows * width,
			}.Record(rec)
		}
	}
	if s := p.stages[i-1]; s != nil {
		into(s.d, 0, layer.In)
		return
	}
	units := p.chain.LSTMs[i-1].Units
	for e, to := range p.layers[i-1] {
		into(to.flow, e*units, units)
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
