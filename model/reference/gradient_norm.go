package reference

import "vklstm/model"

// GradientNorm is gradient_norm.comp: the sum of squares of each variable's part of grad, which is flat in the order
// of l.
func GradientNorm(l model.Layout, grad []float64) []float64 {
	squares := make([]float64, len(l.Variables))
	for i, v := range l.Variables {
		for _, g := range grad[v.Offset : v.Offset+v.Size()] {
			squares[i] += g * g
		}
	}
	return squares
}
