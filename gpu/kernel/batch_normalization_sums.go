package kernel

import "vklstm/gpu"

// BatchNormalizationSums is batch_normalization_sums.comp: the gradients by gamma and beta.
type BatchNormalizationSums struct {
	X             f32 // x[K][Rows][W]
	DY            f32 // dy[K][Rows][W]
	Moments       f32 // moments[K][2W+1], as BatchMoments leaves them
	Grads         f32 // grads[K][P]
	K, Rows, W, P int
	Gamma         int // of gamma[W] and beta[W] in a model's parameters
	Small         float64
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k BatchNormalizationSums) Record(rec *gpu.Recording) {
	work(rec, 5*k.K*k.Rows*k.W, 2*k.K*k.Rows*k.W)
	rec.Dispatch("batch_normalization_sums", gpu.Groups(k.K*ceil(k.W, columnSumBlock)), gpu.Push(k.K, k.Rows, k.W, k.P, k.Gamma, float32(k.Small)),
		gpu.Read(k.X, k.K, k.Rows, k.W), gpu.Read(k.DY, k.K, k.Rows, k.W), gpu.Read(k.Moments, k.K, normalized(k.W)),
		gpu.ReadWrite(k.Grads, span(k.Gamma, k.K, k.P, 2*k.W)))
}
