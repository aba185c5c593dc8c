package reference

import "vklstm/model"

// DenseBackward is dense_backward.comp: the gradient dx[R][M] of a Dense layer w[M][N] by its input x[R][M], from the
// gradient dy[R][N] by its output before the activation: dy·wᵀ. act is the activation that x itself came out of: dx is the
// gradient before it. x may be nil where that is Linear.
func DenseBackward(act model.Activation, n int, dy, w, x []float64) []float64 {
	m := len(w) / n
	dx := MatMul(false, true, len(dy)/n, m, n, dy, w)
	for i := range dx {
		if act != model.Linear {
			dx[i] *= Slope(act, x[i])
		}
	}
	return dx
}
