package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// turnFloats is the length of augment.Tables.Axis, and of augment.AngleTable for each of k models.
func turnFloats(k int) int { return 3*4096 + 2*256*k }

// Gather is gather.comp: it takes a step's windows out of the loaded ones, in training moves those that are moved in this
// epoch, and scales their valid cells. The loaded
// windows may lie in several chunks; then it is recorded once for each chunk, and the chunk with ChunkFirst 0 also
// writes the rows without a window.
type Gather struct {
	Raw                    u32 // raw[ChunkCount][T][F], bits of float32
	Valid                  u32 // valid[ChunkCount][T]
	OrderWindow            u32 // order_window[S][K][B], 0xFFFFFFFF = no window
	Scaling                f32 // scaling[K][4][F]: offset, factor, low, high
	Cursor                 u32 // cursor[1]
	Options                u32 // options[K][32]
	Turns                  f32 // augment.Tables.Axis, then augment.AngleTable of each model
	X                      u32 // x[K][T][R][F], bits of float32; NaN where nothing was measured
	K, R, B, T, F, S       int
	Row0                   int // first of the R rows in B
	ChunkFirst, ChunkCount int // the windows that Raw and Valid hold
	Train                  bool
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Gather) Record(rec *gpu.Recording) {
	within("gather", k.Row0, k.R, k.B)
	work(rec, 2*k.K*k.R*k.T*k.F, k.K*k.R*k.T*(2*k.F+1))
	rec.Dispatch("gather", gpu.Threads(k.K*k.R*k.T*k.F),
		gpu.Push(k.K, k.R, k.B, k.T, k.F, k.Row0, k.ChunkFirst, k.ChunkCount, word(k.Train)),
		gpu.Read(k.Raw, k.ChunkCount, k.T, k.F), gpu.Read(k.Valid, k.ChunkCount, k.T),
		gpu.Read(k.OrderWindow, k.S, k.K, k.B), gpu.Read(k.Scaling, k.K, 4, k.F), gpu.Read(k.Cursor, 1),
		gpu.Read(k.Options, k.K, words.Options), gpu.Read(k.Turns, turnFloats(k.K)),
		gpu.Write(k.X, k.K, k.T, k.R, k.F))
}
