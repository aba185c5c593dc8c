package reference

import "vklstm/model"

// SGDUpdate is sgd_update.comp: one step of p −= p·decay + lr·clip·(g + 2·L2·p) on s in place, counting s.Step up. grad is flat
// in the order of l.
func SGDUpdate(o model.Optimizer, l model.Layout, s *State, grad []float64, lr float64) {
	s.Step++
	grad = penalised(o, l, s.Params, grad)
	clip := o.ClipFactors(GradientNorm(l, grad))
	for i, v := range l.Variables[:l.Trained] {
		for j := v.Offset; j < v.Offset+v.Size(); j++ {
			s.Params[j] -= s.Params[j]*o.Decay(lr) + lr*clip[i]*grad[j]
		}
	}
}
