package kernel

import "vklstm/gpu"

// GradientNorm is gradient_norm.comp: the sum of squares of each variable's gradient.
type GradientNorm struct {
	Grads   f32 // grads[K][P]
	Squares f32 // squares[K][Variables]
	K, P    int
	Offsets [Variables]int // where each variable starts; the last ends at P, so padding must be 0
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k GradientNorm) Record(rec *gpu.Recording) {
	work(rec, 2*k.K*k.P, k.K*k.P)
	rec.Dispatch("gradient_norm", gpu.Groups(k.K*Variables), offsetWords("gradient_norm", k.K, k.P, k.Offsets),
		gpu.Read(k.Grads, k.K, k.P), gpu.Write(k.Squares, k.K, Variables))
}
