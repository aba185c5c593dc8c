package reference

import (
	"math"

	"vklstm/model"
)

// keep is what Keras adds to the number of used rows before it divides by it.
const keep = 1e-7

// Moments are the mean and the variance of each of W columns.
type Moments struct{ Mean, Variance []float64 }

// BatchMoments is batch_moments.comp: the moments of x[R][W] over the rows that used[R] names, the variance without Bessel's
// correction. nil uses all rows. With used given, Keras divides by their number + 1e-7.
func BatchMoments(x []float64, width int, used []bool) Moments {
	m, n := Moments{make([]float64, width), make([]float64, width)}, rowsUsed(x, width, used)
	for i, v := range x {
		if used == nil || used[i/width] {
			m.Mean[i%width] += v / n
		}
	}
	for i, v := range x {
		if used == nil || used[i/width] {
			d := v - m.Mean[i%width]
			m.Variance[i%width] += d * d / n
		}
	}
	return m
}

// rowsUsed returns what sums over the used rows are divided by.
func rowsUsed(x []float64, width int, used []bool) float64 {
	if used == nil {
		return float64(len(x) / width)
	}
	n := keep
	for _, u := range used {
		if u {
			n++
		}
	}
	return n
}

// BatchNormalizationForward is batch_normalization_forward.comp: y[R][W] = gamma·(x − mean)/√(variance + small) + beta (Ioffe and
// Szegedy 2015, arXiv 1502.03167, algorithm 1).
func BatchNormalizationForward(x []float64, m Moments, gamma, beta []float64, small float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		u := i % len(gamma)
		y[i] = gamma[u]*(v-m.Mean[u])/math.Sqrt(m.Variance[u]+small) + beta[u]
	}
	return y
}

// BatchNormalizationBackward is batch_normalization_backward.comp: from dy[R][W], the gradients by gamma and beta, and by x, whose
// moments m over the used rows are part of it.
func BatchNormalizationBackward(x []float64, m Moments, gamma []float64, small float64, used []bool, dy []float64) (dx, dGamma, dBeta []float64) {
	width, n := len(gamma), rowsUsed(x, len(gamma), used)
	dx, dGamma, dBeta = make([]float64, len(x)), make([]float64, width), make([]float64, width)
	count := make([]float64, width) // of used rows: n without what Keras adds
	for i, v := range x {
		u := i % width
		dGamma[u] += dy[i] * (v - m.Mean[u]) / math.Sqrt(m.Variance[u]+small)
		dBeta[u] += dy[i]
		if used == nil || used[i/width] {
			count[u]++
		}
	}
	for i, v := range x {
		u := i % width
		r := 1 / math.Sqrt(m.Variance[u]+small)
		dx[i] = gamma[u] * r * dy[i]
		if used == nil || used[i/width] {
			// By the variance −gamma·r²·dGamma/2, of which 2(x − mean)/n comes to x; by the mean −gamma·r·dBeta, and through the
			// variance, of which the deviations of used rows add up to mean·(n − count).
			byVariance := -gamma[u] * r * r * dGamma[u] / 2
			byMean := -gamma[u]*r*dBeta[u] - byVariance*2*m.Mean[u]*(n-count[u])/n
			dx[i] += byVariance*2*(v-m.Mean[u])/n + byMean/n
		}
	}
	return dx, dGamma, dBeta
}

// MoveMoments moves the moving moments, as Keras does after a training step: m·moving + (1 − m)·batch's.
func MoveMoments(mean, variance []float64, batch Moments, momentum float64) {
	for u := range mean {
		mean[u] = mean[u]*momentum + batch.Mean[u]*(1-momentum)
		variance[u] = variance[u]*momentum + batch.Variance[u]*(1-momentum)
	}
}

// normalization is a BatchNormalization's part of a flat array that holds all parameters.
type normalization struct{ gamma, beta, mean, variance []float64 }

func (n Network) normalization(flat []float64, s model.Stage) normalization {
	return normalization{n.variable(flat, s.First), n.variable(flat, s.First+1), n.variable(flat, s.Moving), n.variable(flat, s.Moving+1)}
}
