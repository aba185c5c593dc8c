package kernel

import (
	"math"

	"vklstm/gpu"
)

// Mask is mask.comp: which measured steps are used.
type Mask struct {
	Raw     u32  // raw[N][T][F], bits of float32
	Valid   u32  // valid[N][T]: 1 where any feature is neither Value nor NaN; −0 is 0
	Masked  bool // else all steps are valid
	Value   float32
	N, T, F int // N windows
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Mask) Record(rec *gpu.Recording) {
	rec.Dispatch("mask", gpu.Threads(k.N*k.T), gpu.Push(k.N*k.T, k.F, word(k.Masked), math.Float32bits(k.Value+0)),
		gpu.Read(k.Raw, k.N, k.T, k.F), gpu.Write(k.Valid, k.N, k.T))
}
