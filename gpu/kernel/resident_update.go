package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// The updates that ResidentUpdate makes.
const (
	GradientOnly = 0 // the gradient is stored, nothing else
	WithAdam     = 1 // adam_update without clipping and L2, and on to the next step
	WithSGD      = 2 // sgd_update without clipping and L2, and on to the next step
)

// ResidentUpdate is resident_update.comp: the sum of the parts that ResidentWeight left, and the optimizer's step with it.
type ResidentUpdate struct {
	Parts                f32 // part[K][Count][P]
	Options              u32 // options[K][32]
	Schedule             u32 // schedule[S][K][4]
	Taken                u32 // taken[1], the step that ResidentWeight took
	Grads                f32 // grads[K][P]; written with GradientOnly
	Params, M, V         f32 // params, m, v[K][P], in place
	Cursor               u32 // cursor[1], the next step
	K, P, S, Size, Count int // Size: parameters of a model; Count: parts
	Update               int // GradientOnly, WithAdam or WithSGD
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ResidentUpdate) Record(rec *gpu.Recording) {
	flop, moved := k.K*k.Size*k.Count, k.K*k.Size*(k.Count+1)
	switch k.Update {
	case WithAdam:
		flop, moved = flop+k.K*k.Size*12, moved+k.K*k.Size*5
	case WithSGD:
		flop, moved = flop+k.K*k.Size*4, moved+k.K*k.Size
	}
	work(rec, flop, moved)
	rec.DispatchWith([]uint32{uint32(k.Update)}, "resident_update", gpu.Threads(k.K*k.Size), gpu.Push(k.K, k.P, k.Size, k.Count),
		gpu.Read(k.Parts, k.K, k.Count, k.P), gpu.Read(k.Options, k.K, words.Options), gpu.Read(k.Schedule, k.S, k.K, words.Schedule),
		gpu.Read(k.Taken, 1), gpu.Write(k.Grads, k.K, k.P), gpu.ReadWrite(k.Params, k.K, k.P), gpu.ReadWrite(k.M, k.K, k.P),
		gpu.ReadWrite(k.V, k.K, k.P), gpu.Write(k.Cursor, 1))
}
