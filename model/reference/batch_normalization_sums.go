package reference

import "math"

// BatchNormalizationSums is batch_normalization_sums.comp: from dy[R][W], the gradients by gamma and beta.
func BatchNormalizationSums(x []float64, m Moments, small float64, dy []float64) (dGamma, dBeta []float64) {
	width := len(m.Mean)
	dGamma, dBeta = make([]float64, width), make([]float64, width)
	for i, v := range x {
		u := i % width
		dGamma[u] += dy[i] * (v - m.Mean[u]) / math.Sqrt(m.Variance[u]+small)
		dBeta[u] += dy[i]
	}
	return dGamma, dBeta
}
