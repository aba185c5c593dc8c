package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// MoveMoments is move_moments.comp: it moves the moving moments by a batch's. A model whose schedule has 0 for the inverse batch stays
// as it is.
type MoveMoments struct {
	Moments    f32 // moments[K][2W+1], as BatchMoments leaves them
	Schedule   u32 // schedule[S][K][4]
	Cursor     u32 // cursor[1]
	Params     f32 // params[K][P], in place
	K, W, P, S int
	Offset     int // of the moving mean[W] and, after it, variance[W] in a model's parameters
	Momentum   float64
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k MoveMoments) Record(rec *gpu.Recording) {
	work(rec, 3*2*k.K*k.W, 3*2*k.K*k.W)
	rec.Dispatch("move_moments", gpu.Threads(k.K*2*k.W), gpu.Push(k.K, k.W, k.P, k.Offset, float32(k.Momentum), float32(1-k.Momentum)),
		gpu.Read(k.Moments, k.K, normalized(k.W)), gpu.Read(k.Schedule, k.S, k.K, words.Schedule), gpu.Read(k.Cursor, 1),
		gpu.ReadWrite(k.Params, span(k.Offset, k.K, k.P, 2*k.W)))
}
