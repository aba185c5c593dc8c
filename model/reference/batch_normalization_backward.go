package reference

import "math"

// BatchNormalizationBackward is batch_normalization_backward.comp: from dy[R][W], and the gradients by gamma and beta that
// BatchNormalizationSums makes of it, the gradient by x, whose moments m over the used rows are part of it.
func BatchNormalizationBackward(x []float64, m Moments, gamma []float64, small float64, used []bool, dy, dGamma, dBeta []float64) []float64 {
	width, n, count := len(gamma), rowsUsed(x, len(gamma), used), 0.0 // count: of used rows, n without what Keras adds
	for r := range len(x) / width {
		if used == nil || used[r] {
			count++
		}
	}
	dx := make([]float64, len(x))
	for i, v := range x {
		u := i % width
		r := 1 / math.Sqrt(m.Variance[u]+small)
		dx[i] = gamma[u] * r * dy[i]
		if used == nil || used[i/width] {
			// By the variance −gamma·r²·dGamma/2, of which 2(x − mean)/n comes to x; by the mean −gamma·r·dBeta, and through the
			// variance, of which the deviations of used rows add up to mean·(n − count).
			byVariance := -gamma[u] * r * r * dGamma[u] / 2
			byMean := -gamma[u]*r*dBeta[u] - byVariance*2*m.Mean[u]*(n-count)/n
			dx[i] += byVariance*2*(v-m.Mean[u])/n + byMean/n
		}
	}
	return dx
}
