package kernel

import "vklstm/gpu"

// BatchNormalizationForward is batch_normalization_forward.comp: y = gamma·(x − mean)/√(variance + small) + beta.
type BatchNormalizationForward struct {
	X             f32 // x[K][Rows][W]
	Params        f32 // params[K][P]
	Moments       f32 // moments[K][2W+1], as BatchMoments leaves them; may be left out without Train
	Y             f32 // y[K][Rows][W]
	K, Rows, W, P int
	Gamma, Moving int // of gamma[W] and beta[W], and of the moving mean[W] and variance[W], in a model's parameters
	Small         float64
	Train         bool // by Moments, else by the moving ones
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k BatchNormalizationForward) Record(rec *gpu.Recording) {
	moments := gpu.Read(k.X) // something must be bound
	if k.Train {
		moments = gpu.Read(k.Moments, k.K, normalized(k.W))
	}
	work(rec, 6*k.K*k.Rows*k.W, 2*k.K*k.Rows*k.W)
	rec.DispatchWith([]uint32{word(k.Train)}, "batch_normalization_forward", gpu.Threads(k.K*k.Rows*k.W),
		gpu.Push(k.K, k.Rows, k.W, k.P, k.Gamma, k.Moving, float32(k.Small)),
		gpu.Read(k.X, k.K, k.Rows, k.W), gpu.Read(k.Params, max(span(k.Gamma, k.K, k.P, 2*k.W), span(k.Moving, k.K, k.P, 2*k.W))),
		moments, gpu.Write(k.Y, k.K, k.Rows, k.W))
}
