package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// TimeWarp is time_warp.comp: it resamples the windows that are varied in this epoch to another number of points and
// back, and copies the others.
type TimeWarp struct {
	X                u32 // x[K][T][R][F], bits of float32, NaN = missing
	OrderWindow      u32 // order_window[S][K][B], 0xFFFFFFFF = no window
	Options          u32 // options[K][32]
	Reciprocal       f32 // augment.Tables.Reciprocal for T and the largest Warp of the models
	Cursor           u32 // cursor[1]
	Out              u32 // out[K][T][R][F], as X; another buffer
	K, R, B, T, F, S int
	Row0             int // first of the R rows in B
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k TimeWarp) Record(rec *gpu.Recording) {
	within("time_warp", k.Row0, k.R, k.B)
	work(rec, 3*k.K*k.R*k.T*k.F, 2*k.K*k.R*k.T*k.F)
	rec.Dispatch("time_warp", gpu.Threads(k.K*k.R*k.T*k.F), gpu.Push(k.K, k.R, k.B, k.T, k.F, k.Row0),
		gpu.Read(k.X, k.K, k.T, k.R, k.F), gpu.Read(k.OrderWindow, k.S, k.K, k.B), gpu.Read(k.Options, k.K, words.Options),
		gpu.Read(k.Reciprocal, k.T+1), gpu.Read(k.Cursor, 1), gpu.Write(k.Out, k.K, k.T, k.R, k.F))
}
