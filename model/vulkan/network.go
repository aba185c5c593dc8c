package vulkan

import (
	"slices"

	"vklstm/gpu"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/shaders/words"
)

// network is what the kernels of every path read and write: K models of one shape.
type network struct {
	shape
	fixedBuffers
	chain  model.Chain
	layout model.Layout // on the device
	opts   []model.Options
	chunks []chunk
	label  f32     // [N]
	length []int32 // of each loaded window, its valid time steps; none for windows that come at prediction
	batch  batch
}

// network returns what all passes over the loaded windows share.
func (e *Engine) network(s shape) network {
	return network{
		shape: s, fixedBuffers: e.fixedBuffers, chain: e.chain, layout: e.device, opts: e.opts,
		chunks: e.chunks, label: e.label, length: e.length,
	}
}

// batch are the buffers that say which windows the steps of an epoch take, and where the results go.
type batch struct {
	window      u32 // order_window[S][K][B]
	weight      f32 // order_weight[S][K][B]
	schedule    u32 // [S][K][4]
	probability f32 // out_probability[S][K][B][classes]
	loss        f32 // out_loss[S][K][B]
	steps       int // S
}

func newBatch(a *alloc, s shape, classes, steps int) batch {
	n := steps * s.K * s.B
	return batch{
		window: a.words("order.window", n), weight: a.floats("order.weight", n), schedule: a.words("schedule", steps*s.K*words.Schedule),
		probability: a.floats("out.probability", n*classes), loss: a.floats("out.loss", n), steps: steps,
	}
}

// write puts an order on the device and sets the cursor to its start.
func (n *network) write(o order) error {
	for _, err := range []error{
		n.cursor.Write([]uint32{0}), n.batch.window.Write(o.window), n.batch.weight.Write(o.weight), n.batch.schedule.Write(o.schedule),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// read returns the results of the first steps.
func (n *network) read(steps int) (probability, loss []float32, err error) {
	probability, loss = make([]float32, steps*n.K*n.B*n.chain.Classes), make([]float32, steps*n.K*n.B)
	if err = n.batch.probability.Read(probability); err == nil {
		err = n.batch.loss.Read(loss)
	}
	return probability, loss, err
}

// ofModel returns model k's first count of results[S][K][B][each], of which each step has batch.
func (n *network) ofModel(results []float32, k, count, batch, each int) []float32 {
	var out []float32
	for i := range count {
		at := (i/batch*n.K+k)*n.B + i%batch
		out = append(out, results[at*each:(at+1)*each]...)
	}
	return out
}

// offset returns where variable v starts in a model's parameters.
func (n *network) offset(v int) int { return n.layout.Variables[v].Offset }

// corrects reports whether any model's gradient is changed before the update: clipped, which needs its norm, or given the L2
// penalty's.
func (n *network) corrects() bool {
	return slices.ContainsFunc(n.opts, func(o model.Options) bool {
		return o.Optimizer.ClipNorm > 0 || o.Optimizer.GlobalClipNorm > 0 || o.Optimizer.L2 > 0
	})
}

// recordUpdate records one step of the optimizer on the gradient in grads, and on to the epoch's next step.
func (n *network) recordUpdate(rec *gpu.Recording) {
	v := n.layout.Trained
	kernel.GradientNorm{Grads: n.grads, Params: n.params, Starts: n.starts, Options: n.options, Squares: n.squares, K: n.K, P: n.P, Variables: v}.Record(rec)
	update := kernel.Update{
		Params: n.params, Grads: n.grads, Squares: n.squares, Starts: n.starts, Options: n.options, Schedule: n.batch.schedule, Cursor: n.cursor,
		K: n.K, P: n.P, S: n.batch.steps, Variables: v,
	}
	if n.opts[0].Optimizer.Kind == model.SGD {
		kernel.SGDUpdate{Update: update}.Record(rec)
	} else {
		kernel.AdamUpdate{Update: update, M: n.m, V: n.v}.Record(rec)
	}
	kernel.Advance{Cursor: n.cursor}.Record(rec)
}
