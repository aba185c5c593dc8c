package kernel

import "vklstm/gpu"

// GradientNorm is gradient_norm.comp: the sum of squares of each variable's gradient.
type GradientNorm struct {
	Grads     f32 // grads[K][P]
	Starts    u32 // starts[V+1]: where each variable begins, and the end of the last
	Squares   f32 // squares[K][V]
	K, P      int
	Variables int // V
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k GradientNorm) Record(rec *gpu.Recording) {
	work(rec, 2*k.K*k.P, k.K*k.P)
	rec.Dispatch("gradient_norm", gpu.Groups(k.K*k.Variables), gpu.Push(k.K, k.P, k.Variables),
		gpu.Read(k.Grads, k.K, k.P), gpu.Read(k.Starts, k.Variables+1), gpu.Write(k.Squares, k.K, k.Variables))
}
