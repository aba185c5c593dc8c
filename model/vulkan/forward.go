package vulkan

import (
	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
)

// network is what the kernels of one forward and backward pass read and write: K models of one shape.
type network struct {
	shape
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
	path    *resident   // nil: general path
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
	R, T, F, H := n.R, n.T, n.F, n.H
	// z[T·R][4H] = x·kernel + bias, for all steps at once.
	kernel.Matmul{
		A: gpu.As[float32](n.act.cells), B: n.params, C: n.act.gates, BiasVector: n.params,
		M: T * R, N: 4 * H, Inner: F, Models: n.K, Bias: true,
		StrideA: T * R * F, OffsetB: n.offset(model.Kernel), StrideB: n.P, StrideC: T * R * 4 * H,
		OffsetBias: n.offset(model.Bias), StrideBias: n.P,
	}.Record(rec)
	kernel.ActiveRows{Mask: n.act.mask, Rows: n.act.rows, Count: n.act.count, K: n.K, R: R, T: T}.Record(rec)
	for t := range T {
		kernel.LSTMStepForward{
			Gates: n.act.gates, Rows: n.act.rows, Count: n.act.count, Params: n.params, Hidden: n.act.h, Cell: n.act.c,
			K: n.K, R: R, T: T, H: H, P: n.P, KernelOffset: n.offset(model.RecurrentKernel), Step: t, Half: n.half,
		}.Record(rec)
	}
	kernel.Dropout{
		In: n.act.h, Options: n.options, Schedule: n.batch.schedule, Cursor: n.cursor, Out: n.act.dropped,
		K: n.K, R: R, H: H, S: n.batch.steps, Row0: row0, InOffset: T * R * H, InStride: (T + 1) * R * H, Train: train,
	}.Record(rec)
	kernel.DenseForward{
		X: n.act.dropped, Params: n.params, Y: n.act.dense, Activation: kernel.Relu,
		K: n.K, R: R, M: H, N: n.D, P: n.P, KernelOffset: n.offset(model.DenseKernel), BiasOffset: n.offset(model.DenseBias),
	}.Record(rec)
	kernel.DenseForward{
		X: n.act.dense, Params: n.params, Y: n.act.logit, Activation: kernel.Linear,
		K: n.K, R: R, M: n.D, N: 1, P: n.P, KernelOffset: n.offset(model.OutputKernel), BiasOffset: n.offset(model.OutputBias),
	}.Record(rec)
	kernel.Loss{
		Logit: n.act.logit, OrderWindow: n.batch.window, OrderWeight: n.batch.weight, Label: n.label, Options: n.options,
		Schedule: n.batch.schedule, Cursor: n.cursor, Probability: n.batch.probability, Loss: n.batch.loss, DLogit: n.act.dLogit,
		K: n.K, R: R, B: n.B, S: n.batch.steps, Row0: row0,
	}.Record(rec)
}
