package reference

// Activation is what a Dense layer ends with, by the number that dense_forward.comp knows it by.
type Activation int

// The activations.
const (
	Linear Activation = iota
	Relu
	SigmoidActivation
)

// DenseForward is dense_forward.comp: y[R][N] = act(x[R][M]·w[M][N] + b[N]).
func DenseForward(act Activation, x, w, b []float64) []float64 {
	n := len(b)
	m := len(w) / n
	y := MatMul(false, false, len(x)/m, n, m, x, w)
	for i := range y {
		y[i] += b[i%n]
		switch {
		case act == Relu && y[i] < 0: // NaN stays NaN
			y[i] = 0
		case act == SigmoidActivation:
			y[i] = Sigmoid(y[i])
		}
	}
	return y
}
