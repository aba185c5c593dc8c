package kernel

import "vklstm/gpu"

// MergeBackward is merge_backward.comp: the gradient by what both directions put out.
type MergeBackward struct {
	DY      f32 // dy[Rows][W]
	X       f32 // x[Rows][2][W]; read with Product only, and may be left out without
	DX      f32 // dx[Rows][2][W]
	Merge   Merge
	Rows, W int
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k MergeBackward) Record(rec *gpu.Recording) {
	x, read := gpu.Read(k.DY), 0 // something must be bound
	if k.Merge == Product {
		x, read = gpu.Read(k.X, k.Rows, 2, k.W), 2
	}
	work(rec, 2*k.Rows*k.W, (3+read)*k.Rows*k.W)
	rec.DispatchWith([]uint32{uint32(k.Merge)}, "merge_backward", gpu.Threads(k.Rows*k.W), gpu.Push(k.Rows, k.W),
		gpu.Read(k.DY, k.Rows, k.W), x, gpu.Write(k.DX, k.Rows, 2, k.W))
}
