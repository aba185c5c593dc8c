package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// Update is what AdamUpdate and SGDUpdate share: parameters, and what changes their gradient before the step, L2 and clipping. A model
// whose schedule has 0 for the inverse batch stays as it is.
type Update struct {
	Params    f32 // params[K][P], in place
	Grads     f32 // grads[K][P]
	Squares   f32 // squares[K][V], of the gradient with its penalty (GradientNorm)
	Starts    u32 // starts[V+1], as GradientNorm has it
	Options   u32 // options[K][32]
	Schedule  u32 // schedule[S][K][4]
	Cursor    u32 // cursor[1]
	K, P, S   int
	Variables int // V
}

// record appends the dispatch, whose buffers are those of Update and then moments.
func (k Update) record(rec *gpu.Recording, name string, moments ...gpu.Arg) {
	rec.Dispatch(name, gpu.Threads(k.K*k.P), gpu.Push(k.K, k.P, k.Variables), append([]gpu.Arg{
		gpu.Read(k.Grads, k.K, k.P), gpu.Read(k.Squares, k.K, k.Variables), gpu.Read(k.Starts, k.Variables+1), gpu.Read(k.Options, k.K, words.Options),
		gpu.Read(k.Schedule, k.S, k.K, words.Schedule), gpu.Read(k.Cursor, 1), gpu.ReadWrite(k.Params, k.K, k.P)}, moments...)...)
}

// AdamUpdate is adam_update.comp: one step of Adam with L2, clipping and decoupled weight decay, as model.Optimizer.Step
// takes it.
type AdamUpdate struct {
	Update
	M, V f32 // m, v[K][P], in place
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k AdamUpdate) Record(rec *gpu.Recording) {
	work(rec, 14*k.K*k.P, 7*k.K*k.P)
	k.record(rec, "adam_update", gpu.ReadWrite(k.M, k.K, k.P), gpu.ReadWrite(k.V, k.K, k.P))
}
