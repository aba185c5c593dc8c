package reference

import "vklstm/model"

// ActivationBackward is activation_backward.comp: dz = dy·act'(z), from y = act(z).
func ActivationBackward(act model.Activation, dy, y []float64) []float64 {
	dz := make([]float64, len(dy))
	for i, v := range dy {
		dz[i] = v * Slope(act, y[i])
	}
	return dz
}

// Slope returns the derivative of act at z, from y = act(z). relu'(0) = 0, as in Keras.
func Slope(act model.Activation, y float64) float64 {
	switch act {
	case model.Relu:
		if y > 0 {
			return 1
		}
		return 0
	case model.Tanh:
		return 1 - y*y
	case model.Sigmoid:
		return y * (1 - y)
	}
	return 1
}
