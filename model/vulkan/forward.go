package vulkan

import (
	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// network is what the kernels of one forward and backward pass read and write: K models of one shape.
type network struct {
	shape
	chain   model.Chain
	layout  model.Layout
	params  f32 // [K][P]
	options u32 // [K][32]
	scaling f32 // [K][4][F]
	tables  tables
	chunks  []chunk
	label   f32 // [N]
	cursor  u32 // [1]
	batch   batch
	act     activations // general path
	path    *resident   // nil: general path, or walkers
	walkers []walker    // of each layer, on the resident path of a stack
	kept    kept        // resident path
	input   input       // resident path
	half    bool        // general path: recurrent products of float16
}

// batch are the buffers that say which windows the steps of an epoch take, and where the results go.
type batch struct {
	window         u32 // order_window[S][K][B]
	weight         f32 // order_weight[S][K][B]
	schedule       u32 // [S][K][4]
	probability    f32 // out_probability[S][K][B]
	loss           f32 // out_loss[S][K][B]
	steps, entries int // S, and S·K·B
}

// offset returns where variable v starts in a model's parameters.
func (n *network) offset(v int) int { return n.layout.Variables[v].Offset }

// recordInput records what turns loaded windows into the network's input: gather, move and scale, warp, vary, mask.
func (n *network) recordInput(rec *gpu.Recording, row0 int, train, warp bool) {
	x := n.act.cells
	if warp {
		x = n.act.warped
	}
	for _, c := range n.chunks {
		kernel.Gather{
			Raw: c.raw, Valid: c.valid, OrderWindow: n.batch.window, Scaling: n.scaling, Cursor: n.cursor,
			Options: n.options, Turns: n.tables.turns, X: x,
			K: n.K, R: n.R, B: n.B, T: n.T, F: n.F, S: n.batch.steps, Row0: row0, ChunkFirst: c.first, ChunkCount: c.n, Train: train,
		}.Record(rec)
	}
	if warp {
		kernel.TimeWarp{
			X: x, OrderWindow: n.batch.window, Options: n.options, Reciprocal: n.tables.reciprocal, Cursor: n.cursor, Out: n.act.cells,
			K: n.K, R: n.R, B: n.B, T: n.T, F: n.F, S: n.batch.steps, Row0: row0,
		}.Record(rec)
	}
	kernel.Augment{
		X: n.act.cells, OrderWindow: n.batch.window, Options: n.options, Scaling: n.scaling, Quantile: n.tables.quantile,
		Cursor: n.cursor, Mask: n.act.mask,
		K: n.K, R: n.R, B: n.B, T: n.T, F: n.F, S: n.batch.steps, Row0: row0, Train: train,
	}.Record(rec)
}

// recordForward records the pass from the input to each window's logit, probability and loss.
func (n *network) recordForward(rec *gpu.Recording, row0 int, train bool) {
	R, out, head := n.R, n.chain.Out(), n.chain.Head()
	for i := range n.chain.LSTMs {
		n.recordLayer(rec, i, train)
	}
	H := n.chain.LSTMs[len(n.chain.LSTMs)-1].Units
	for d, w := range n.act.walks[len(n.act.walks)-1] {
		h := n.last(d, w, H)
		kernel.Dropout{
			In: h.buf, Options: n.options, Schedule: n.batch.schedule, Cursor: n.cursor, Out: n.act.dropped,
			K: n.K, R: R, H: H, S: n.batch.steps, Row0: row0, Unit0: d * H, Train: train,
			InOffset: h.offset, InStride: h.stride, InPitch: H, OutOffset: d * H, OutPitch: out,
		}.Record(rec)
	}
	kernel.DenseForward{
		X: n.act.dropped, Params: n.params, Y: n.act.dense, Activation: kernel.Relu,
		K: n.K, R: R, M: out, N: n.D, P: n.P, KernelOffset: n.offset(head), BiasOffset: n.offset(head + 1),
	}.Record(rec)
	kernel.DenseForward{
		X: n.act.dense, Params: n.params, Y: n.act.logit, Activation: kernel.Linear,
		K: n.K, R: R, M: n.D, N: 1, P: n.P, KernelOffset: n.offset(head + 2), BiasOffset: n.offset(head + 3),
	}.Record(rec)
	kernel.Loss{
		Logit: n.act.logit, OrderWindow: n.batch.window, OrderWeight: n.batch.weight, Label: n.label, Options: n.options,
		Schedule: n.batch.schedule, Cursor: n.cursor, Probability: n.batch.probability, Loss: n.batch.loss, DLogit: n.act.dLogit,
		K: n.K, R: R, B: n.B, S: n.batch.steps, Row0: row0,
	}.Record(rec)
}
