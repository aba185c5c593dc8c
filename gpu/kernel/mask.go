package kernel

import "vklstm/gpu"

// Mask is mask.comp: which measured steps are used.
type Mask struct {
	Raw     u32 // raw[N][T][F], bits of float32
	Valid   u32 // valid[N][T]: 1 where any feature is neither ±0 nor NaN
	N, T, F int // N windows
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k Mask) Record(rec *gpu.Recording) {
	rec.Dispatch("mask", gpu.Threads(k.N*k.T), gpu.Push(k.N*k.T, k.F),
		gpu.Read(k.Raw, k.N, k.T, k.F), gpu.Write(k.Valid, k.N, k.T))
}
