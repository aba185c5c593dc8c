package reference

import (
	"math"

	"vklstm/model"
)

// DenseForward is dense_forward.comp: y[R][N] = act(x[R][M]·w[M][N] + b[N]). Softmax is Linear here: the loss is taken from the
// logits.
func DenseForward(act model.Activation, x, w, b []float64) []float64 {
	n := len(b)
	m := len(w) / n
	y := MatMul(false, false, len(x)/m, n, m, x, w)
	for i := range y {
		y[i] = Activate(act, y[i]+b[i%n])
	}
	return y
}

// Activate returns act(z).
func Activate(act model.Activation, z float64) float64 {
	switch act {
	case model.Relu:
		if z < 0 { // NaN stays NaN
			return 0
		}
		return z
	case model.Tanh:
		return math.Tanh(z)
	case model.Sigmoid:
		return Sigmoid(z)
	}
	return z
}
