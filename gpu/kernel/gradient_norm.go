package kernel

import (
	"vklstm/gpu"
	"vklstm/shaders/words"
)

// GradientNorm is gradient_norm.comp: the sum of squares of each variable's gradient, that of the L2 penalty with it. Starts says where
// the variables lie in a model's parameters, and which of them the penalty acts on. For a kernel of 24 elements and a bias of 4 it is
// 0|words.Matrix, 24, 28: the beginning of each, and the end of the last.
type GradientNorm struct {
	Grads     f32 // grads[K][P]
	Params    f32 // params[K][P]
	Starts    u32 // starts[V+1]
	Options   u32 // options[K][32]
	Squares   f32 // squares[K][V]
	K, P      int
	Variables int // V
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k GradientNorm) Record(rec *gpu.Recording) {
	work(rec, 4*k.K*k.P, 2*k.K*k.P)
	rec.Dispatch("gradient_norm", gpu.Groups(k.K*k.Variables), gpu.Push(k.K, k.P, k.Variables),
		gpu.Read(k.Grads, k.K, k.P), gpu.Read(k.Params, k.K, k.P), gpu.Read(k.Starts, k.Variables+1), gpu.Read(k.Options, k.K, words.Options),
		gpu.Write(k.Squares, k.K, k.Variables))
}
