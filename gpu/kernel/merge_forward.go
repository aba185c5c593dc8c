package kernel

import "vklstm/gpu"

// Merge is how merge_forward makes one value of two; the numbers are the shader's.
type Merge uint32

// The merge modes.
const (
	Sum Merge = iota
	Average
	Product
)

// MergeForward is merge_forward.comp: one value of the two that both directions put out.
type MergeForward struct {
	X       f32 // x[Rows][2][W]
	Y       f32 // y[Rows][W]
	Merge   Merge
	Rows, W int
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k MergeForward) Record(rec *gpu.Recording) {
	work(rec, k.Rows*k.W, 3*k.Rows*k.W)
	rec.DispatchWith([]uint32{uint32(k.Merge)}, "merge_forward", gpu.Threads(k.Rows*k.W), gpu.Push(k.Rows, k.W),
		gpu.Read(k.X, k.Rows, 2, k.W), gpu.Write(k.Y, k.Rows, k.W))
}
