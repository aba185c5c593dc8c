package reference

import "vklstm/model"

// ResidentUpdate is resident_update.comp: the gradient as the sum of its parts, [parts][Size], and the optimizer's step on s
// with it, without clipping and L2. It returns the gradient; s may be nil.
func ResidentUpdate(o model.Optimizer, l model.Layout, s *State, parts []float64, lr float64) []float64 {
	grad := ColumnSum(parts, l.Size)
	switch {
	case s == nil:
	case o.Kind == model.SGD:
		SGDUpdate(o, l, s, grad, lr)
	default:
		AdamUpdate(o, l, s, grad, lr)
	}
	return grad
}
