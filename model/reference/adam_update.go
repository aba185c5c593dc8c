package reference

import (
	"math"
	"slices"

	"vklstm/model"
)

// State is a model.State in float64: all that training changes.
type State struct {
	Params []float64 // flat, in Layout order
	M, V   []float64 // Adam's moments, as long as Params; zero under SGD
	Step   int       // optimizer steps taken so far
}

// NewState returns a zeroed State for n parameters.
func NewState(n int) *State {
	return &State{Params: make([]float64, n), M: make([]float64, n), V: make([]float64, n)}
}

// Clone returns a copy that shares nothing with s.
func (s *State) Clone() *State {
	return &State{Params: slices.Clone(s.Params), M: slices.Clone(s.M), V: slices.Clone(s.V), Step: s.Step}
}

// penalised returns grad with the L2 penalty's gradient added: 2·L2·p for every kernel.
func penalised(o model.Optimizer, l model.Layout, params, grad []float64) []float64 {
	grad = slices.Clone(grad)
	for _, v := range l.Variables {
		for j := v.Offset; v.Matrix() && j < v.Offset+v.Size(); j++ {
			grad[j] += 2 * o.L2 * params[j]
		}
	}
	return grad
}

// AdamUpdate is adam_update.comp: one step of Adam on s in place, with L2, clipping and decoupled weight decay, counting
// s.Step up. grad is flat in the order of l, lr this step's learning rate.
//
//	p −= p·decay   m += (g − m)(1 − β1)   v += (g² − v)(1 − β2)   p −= α·m/(√v + ε)
//
// with α = lr·√(1 − β2ᵗ)/(1 − β1ᵗ), where Keras rounds β to float32 (model.Optimizer.Alpha).
func AdamUpdate(o model.Optimizer, l model.Layout, s *State, grad []float64, lr float64) {
	s.Step++
	grad = penalised(o, l, s.Params, grad)
	clip := o.ClipFactors(GradientNorm(l, grad))
	alpha, decay := o.Alpha(lr, s.Step), o.Decay(lr)
	for i, v := range l.Variables[:l.Trained] {
		for j := v.Offset; j < v.Offset+v.Size(); j++ {
			g := grad[j] * clip[i]
			s.Params[j] -= s.Params[j] * decay
			s.M[j] += (g - s.M[j]) * (1 - o.Beta1)
			s.V[j] += (g*g - s.V[j]) * (1 - o.Beta2)
			s.Params[j] -= alpha * s.M[j] / (math.Sqrt(s.V[j]) + o.Epsilon)
		}
	}
}
