package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// ResidentInput is resident_input.comp: the windows of the next C steps, gathered, moved, scaled, varied and packed, at once. The
// loaded windows may lie in several chunks; then it is recorded once for each chunk, as Gather is.
type ResidentInput struct {
	Raw                    u32 // raw[ChunkCount][T][F], bits of float32
	Valid                  u32 // valid[ChunkCount][T]
	OrderWindow            u32 // order_window[S][K][B], 0xFFFFFFFF = no window
	OrderWeight            f32 // order_weight[S][K][B]
	OrderPlace             u32 // order_place[S][K][B], the place of each slot
	Label                  f32 // label[N]
	Options                u32 // options[K][32]
	Scaling                f32 // scaling[K][4][F]
	Quantile               f32 // augment.Tables.Quantile
	Reciprocal             f32 // augment.Tables.Reciprocal for T and the largest Warp of the models
	Cursor                 u32 // cursor[1], the first step
	Turns                  f32 // augment.Tables.Axis, then augment.AngleTable of each model
	X                      f32 // x[C][K][B][T][FP]
	Slots                  u32 // slots[C][K][B][4]
	K, B, T, F, C, S       int
	ChunkFirst, ChunkCount int
	Train                  bool
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ResidentInput) Record(rec *gpu.Recording) {
	fp := ResidentNet{F: k.F}.InputWidth()
	work(rec, 0, k.C*k.K*k.B*k.T*(k.F+fp+1))
	rec.Dispatch("resident_input", gpu.Groups(k.C*k.K*k.B),
		gpu.Push(k.K, k.B, k.T, k.F, k.C, k.S, k.ChunkFirst, k.ChunkCount, word(k.Train)),
		gpu.Read(k.Raw, k.ChunkCount, k.T, k.F), gpu.Read(k.Valid, k.ChunkCount, k.T),
		gpu.Read(k.OrderWindow, k.S, k.K, k.B), gpu.Read(k.OrderWeight, k.S, k.K, k.B), gpu.Read(k.OrderPlace, k.S, k.K, k.B),
		gpu.Read(k.Label), gpu.Read(k.Options, k.K, words.Options), gpu.Read(k.Scaling, k.K, 4, k.F),
		gpu.Read(k.Quantile, quantiles), gpu.Read(k.Reciprocal, k.T+1), gpu.Read(k.Cursor, 1), gpu.Read(k.Turns, turnFloats(k.K)),
		gpu.Write(gpu.As[uint32](k.X), k.C, k.K, k.B, k.T, fp), gpu.Write(k.Slots, k.C, k.K, k.B, words.Slot))
}
