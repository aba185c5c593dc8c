package reference

import (
	"math"

	"vklstm/model"
)

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

// normalization is a BatchNormalization's part of a flat array that holds all parameters.
type normalization struct{ gamma, beta, mean, variance []float64 }

func (n Network) normalization(flat []float64, s model.Stage) normalization {
	return normalization{n.variable(flat, s.First), n.variable(flat, s.First+1), n.variable(flat, s.Moving), n.variable(flat, s.Moving+1)}
}
