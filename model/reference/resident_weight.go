package reference

import "vklstm/model"

// ResidentWeight is resident_weight.comp for one chunk of windows: the part that they have in the gradient, flat in Layout
// order.
func (n Network) ResidentWeight(windows []Packed, kept []Kept) []float64 {
	grad := make([]float64, n.Layout.Size)
	one, H := []float64{1}, n.LSTMs[0].Units
	for i, k := range kept {
		steps := len(k.DZ) / (4 * H)
		matMulAdd(true, false, n.F, 4*H, steps, windows[i].X, k.DZ, n.variable(grad, model.Kernel))
		matMulAdd(true, false, H, 4*H, steps, k.Hidden, k.DZ, n.variable(grad, model.RecurrentKernel))
		for t := range steps {
			matMulAdd(true, false, 1, 4*H, 1, one, k.DZ[t*4*H:(t+1)*4*H], n.variable(grad, model.Bias))
		}
		matMulAdd(true, false, H, n.D(), 1, k.Dropped, k.DDense, n.variable(grad, model.DenseKernel))
		matMulAdd(true, false, 1, n.D(), 1, one, k.DDense, n.variable(grad, model.DenseBias))
		matMulAdd(true, false, n.D(), 1, 1, k.Dense, []float64{k.DLogit}, n.variable(grad, model.OutputKernel))
		n.variable(grad, model.OutputBias)[0] += k.DLogit
	}
	return grad
}
