package kernel

import "vklstm/gpu"

// BatchMoments is batch_moments.comp: the mean and the variance of each column over the rows that are used.
type BatchMoments struct {
	X          f32 // x[K][Rows][W]
	Used       u32 // used[K][Rows], 1 = used
	Moments    f32 // moments[K][2W+1]: mean, variance, and what the sums were divided by
	K, Rows, W int
	Keep       float32 // is added to the number of used rows
}

// normalized is what a kernel of BatchNormalization needs in moments.
func normalized(w int) int { return 2*w + 1 }

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k BatchMoments) Record(rec *gpu.Recording) {
	work(rec, 4*k.K*k.Rows*k.W, 2*k.K*k.Rows*k.W)
	rec.Dispatch("batch_moments", gpu.Groups(k.K*ceil(k.W, columnSumBlock)), gpu.Push(k.K, k.Rows, k.W, k.Keep),
		gpu.Read(k.X, k.K, k.Rows, k.W), gpu.Read(k.Used, k.K, k.Rows), gpu.Write(k.Moments, k.K, normalized(k.W)))
}
