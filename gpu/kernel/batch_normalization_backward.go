package kernel

import "vklstm/gpu"

// BatchNormalizationBackward is batch_normalization_backward.comp: the gradient by the input, whose moments are part of it.
type BatchNormalizationBackward struct {
	X             f32 // x[K][Rows][W]
	DY            f32 // dy[K][Rows][W]
	Used          u32 // used[K][Rows], as BatchMoments has it
	Moments       f32 // moments[K][2W+1], as BatchMoments leaves them
	Params        f32 // params[K][P]
	Grads         f32 // grads[K][P], of which BatchNormalizationSums has made a part
	DX            f32 // dx[K][Rows][W]
	K, Rows, W, P int
	Gamma         int // of gamma[W] and beta[W] in a model's parameters
	Small         float64
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k BatchNormalizationBackward) Record(rec *gpu.Recording) {
	work(rec, 9*k.K*k.Rows*k.W, 3*k.K*k.Rows*k.W)
	part := span(k.Gamma, k.K, k.P, 2*k.W)
	rec.Dispatch("batch_normalization_backward", gpu.Threads(k.K*k.Rows*k.W), gpu.Push(k.K, k.Rows, k.W, k.P, k.Gamma, float32(k.Small)),
		gpu.Read(k.X, k.K, k.Rows, k.W), gpu.Read(k.DY, k.K, k.Rows, k.W), gpu.Read(k.Used, k.K, k.Rows), gpu.Read(k.Moments, k.K, normalized(k.W)),
		gpu.Read(k.Params, part), gpu.Read(k.Grads, part), gpu.Write(k.DX, k.K, k.Rows, k.W))
}
