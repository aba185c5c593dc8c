package vulkan

import (
	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// recordBackward records the pass from dlogit to the gradient of every parameter, in grads[K][P]. The first pass
// of a step writes the gradient, further ones add to it.
func (n *network) recordBackward(rec *gpu.Recording, grads f32, row0 int) {
	R, D, out, head := n.R, n.D, n.chain.Out(), n.chain.Head()
	add := row0 > 0
	n.recordWeight(rec, grads, add, n.offset(head+2), gemmInput{n.act.dense, 0, R * D}, D, gemmInput{n.act.dLogit, 0, R}, 1, R, f32{})
	n.recordBias(rec, grads, add, head+3, n.act.dLogit, 1, R)
	kernel.DenseBackward{
		DY: n.act.dLogit, Params: n.params, X: n.act.dense, DX: n.act.dDense, Relu: true,
		K: n.K, R: R, M: D, N: 1, P: n.P, KernelOffset: n.offset(head + 2),
	}.Record(rec)
	n.recordWeight(rec, grads, add, n.offset(head), gemmInput{n.act.dropped, 0, R * out}, out, gemmInput{n.act.dDense, 0, R * D}, D, R, f32{})
	n.recordBias(rec, grads, add, head+1, n.act.dDense, D, R)
	kernel.DenseBackward{
		DY: n.act.dDense, Params: n.params, X: n.act.dropped, DX: n.act.dDropped,
		K: n.K, R: R, M: out, N: D, P: n.P, KernelOffset: n.offset(head),
	}.Record(rec)
	H := n.chain.LSTMs[len(n.chain.LSTMs)-1].Units
	for d, w := range n.act.walks[len(n.act.walks)-1] {
		kernel.Dropout{
			In: n.act.dDropped, Options: n.options, Schedule: n.batch.schedule, Cursor: n.cursor, Out: w.dh,
			K: n.K, R: R, H: H, S: n.batch.steps, Row0: row0, Unit0: d * H, Train: true,
			InOffset: d * H, InStride: R * out, InPitch: out, OutPitch: H,
		}.Record(rec)
	}
	for i := len(n.chain.LSTMs) - 1; i >= 0; i-- {
		n.recordLayerBack(rec, grads, add, i)
	}
}

// gemmInput is a matrix inside a buffer: where it starts and how far apart the models are, in elements.
type gemmInput struct {
	buf            f32
	offset, stride int
}

// recordWeight records grads[to][m][n] (+)= Σ over rows of x[row][m]·dy[row][n], to being where the matrix starts in a model's
// parameters. With half, a scale has the product taken of float16.
func (n *network) recordWeight(rec *gpu.Recording, grads f32, add bool, to int, x gemmInput, m int, dy gemmInput, width, rows int, scale f32) {
	kernel.Matmul{
		A: x.buf, B: dy.buf, C: grads, BiasVector: n.params, Parts: n.act.parts, Half: n.half && scale != f32{}, Scale: scale,
		M: m, N: width, Inner: rows, Models: n.K, TransposeA: true, Accumulate: add,
		OffsetA: x.offset, StrideA: x.stride, OffsetB: dy.offset, StrideB: dy.stride, OffsetC: to, StrideC: n.P,
	}.Record(rec)
}

// recordBias records grads[v][n] (+)= Σ over rows of dy[row][n].
func (n *network) recordBias(rec *gpu.Recording, grads f32, add bool, v int, dy f32, width, rows int) {
	kernel.ColumnSum{
		A: dy, Out: grads, Parts: n.act.parts, K: n.K, Rows: rows, N: width, Accumulate: add,
		StrideA: rows * width, OutOffset: n.offset(v), OutStride: n.P,
	}.Record(rec)
}

// parts is the number of elements that the gradients' partial sums need, of one variable at a time, and the parts of a scale.
func (s shape) parts(c model.Chain, l gpu.Limits) int {
	rows, in := s.T*s.R, c.F
	most := max(
		kernel.Partials(c.Out(), s.D, s.R, s.K, l), kernel.Partials(s.D, 1, s.R, s.K, l), kernel.ColumnPartials(s.K, s.R, s.D), kernel.ColumnPartials(s.K, s.R, 1))
	for i, r := range c.LSTMs {
		H := r.Units
		most = max(most, kernel.HalfPartials(H, 4*H, rows, s.K, l),
			kernel.Partials(in, 4*H, rows, s.K, l), kernel.Partials(H, 4*H, rows, s.K, l), kernel.ColumnPartials(s.K, rows, 4*H))
		if i+1 < len(c.LSTMs) {
			most = max(most, kernel.ScaleParts(s.K, rows*H))
		} else {
			most = max(most, kernel.ScaleParts(s.K, s.R*H))
		}
		in = H // of the next layer, which takes a direction at a time
	}
	return most
}
