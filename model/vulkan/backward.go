package vulkan

import (
	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// recordBackward records the pass from dlogit to the gradient of every parameter, in grads[K][P]. The first pass
// of a step writes the gradient, further ones add to it.
func (n *network) recordBackward(rec *gpu.Recording, grads f32, row0 int) {
	R, T, F, H, D := n.R, n.T, n.F, n.H, n.D
	add := row0 > 0
	n.recordWeight(rec, grads, add, model.OutputKernel, gemmInput{n.act.dense, 0, R * D}, D, n.act.dLogit, 1, R)
	n.recordBias(rec, grads, add, model.OutputBias, n.act.dLogit, 1, R)
	kernel.DenseBackward{
		DY: n.act.dLogit, Params: n.params, X: n.act.dense, DX: n.act.dDense, Relu: true,
		K: n.K, R: R, M: D, N: 1, P: n.P, KernelOffset: n.offset(model.OutputKernel),
	}.Record(rec)
	n.recordWeight(rec, grads, add, model.DenseKernel, gemmInput{n.act.dropped, 0, R * H}, H, n.act.dDense, D, R)
	n.recordBias(rec, grads, add, model.DenseBias, n.act.dDense, D, R)
	kernel.DenseBackward{
		DY: n.act.dDense, Params: n.params, X: n.act.dropped, DX: n.act.dDropped,
		K: n.K, R: R, M: H, N: D, P: n.P, KernelOffset: n.offset(model.DenseKernel),
	}.Record(rec)
	kernel.Dropout{
		In: n.act.dDropped, Options: n.options, Schedule: n.batch.schedule, Cursor: n.cursor, Out: n.act.dh,
		K: n.K, R: R, H: H, S: n.batch.steps, Row0: row0, InStride: R * H, Train: true,
	}.Record(rec)
	rec.Fill(n.act.dc, 0)
	if n.half {
		kernel.GradientScale{D: gpu.As[uint32](n.act.dh), Scale: gpu.As[uint32](n.act.scale), K: n.K, N: R * H}.Record(rec)
	}
	for t := T - 1; t >= 0; t-- {
		kernel.LSTMStepBackward{
			Gates: n.act.gates, Rows: n.act.rows, Count: n.act.count, Mask: n.act.mask, Params: n.params, Cell: n.act.c,
			DHidden: n.act.dh, DCell: n.act.dc,
			K: n.K, R: R, T: T, H: H, P: n.P, KernelOffset: n.offset(model.RecurrentKernel), Step: t, Half: n.half, Scale: n.act.scale,
		}.Record(rec)
	}
	n.recordWeight(rec, grads, add, model.Kernel, gemmInput{gpu.As[float32](n.act.cells), 0, T * R * F}, F, n.act.gates, 4*H, T*R)
	n.recordWeight(rec, grads, add, model.RecurrentKernel, gemmInput{n.act.h, 0, (T + 1) * R * H}, H, n.act.gates, 4*H, T*R)
	n.recordBias(rec, grads, add, model.Bias, n.act.gates, 4*H, T*R)
}

// gemmInput is a matrix inside a buffer: where it starts and how far apart the models are, in elements.
type gemmInput struct {
	buf            f32
	offset, stride int
}

// recordWeight records grads[v][m][n] (+)= Σ over rows of x[row][m]·dy[row][n].
func (n *network) recordWeight(rec *gpu.Recording, grads f32, add bool, v int, x gemmInput, m int, dy f32, width, rows int) {
	kernel.Matmul{
		A: x.buf, B: dy, C: grads, BiasVector: n.params, Parts: n.act.parts, Half: n.half && v == model.RecurrentKernel, Scale: n.act.scale,
		M: m, N: width, Inner: rows, Models: n.K, TransposeA: true, Accumulate: add,
		OffsetA: x.offset, StrideA: x.stride, StrideB: rows * width, OffsetC: n.offset(v), StrideC: n.P,
	}.Record(rec)
}

// recordBias records grads[v][n] (+)= Σ over rows of dy[row][n].
func (n *network) recordBias(rec *gpu.Recording, grads f32, add bool, v int, dy f32, width, rows int) {
	kernel.ColumnSum{
		A: dy, Out: grads, Parts: n.act.parts, K: n.K, Rows: rows, N: width, Accumulate: add,
		StrideA: rows * width, OutOffset: n.offset(v), OutStride: n.P,
	}.Record(rec)
}

// parts is the number of elements that the gradients' partial sums need, of one variable at a time.
func (s shape) parts(l gpu.Limits) int {
	rows := s.T * s.R
	return max(
		kernel.HalfPartials(s.H, 4*s.H, rows, s.K, l),
		kernel.Partials(s.F, 4*s.H, rows, s.K, l), kernel.Partials(s.H, 4*s.H, rows, s.K, l), kernel.ColumnPartials(s.K, rows, 4*s.H),
		kernel.Partials(s.H, s.D, s.R, s.K, l), kernel.Partials(s.D, 1, s.R, s.K, l), kernel.ColumnPartials(s.K, s.R, s.D), kernel.ColumnPartials(s.K, s.R, 1))
}
