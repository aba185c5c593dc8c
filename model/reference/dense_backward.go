package reference

// DenseBackward is dense_backward.comp: the gradient dx[R][M] of a Dense layer w[M][N] by its input x[R][M], from the
// gradient dy[R][N] by its output before the activation: dy·wᵀ. With relu set, x is itself what a relu returned, and
// dx is the gradient before that relu: 0 where x is 0 (relu'(0) = 0, as in Keras).
func DenseBackward(relu bool, n int, dy, w, x []float64) []float64 {
	m := len(w) / n
	dx := MatMul(false, true, len(dy)/n, m, n, dy, w)
	for i := range dx {
		if relu && !(x[i] > 0) {
			dx[i] = 0
		}
	}
	return dx
}
