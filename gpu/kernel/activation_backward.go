package kernel

import "vklstm/gpu"

// ActivationBackward is activation_backward.comp: the gradient before an activation, of that after it.
type ActivationBackward struct {
	DY         f32 // dy[N]
	Y          f32 // y[N], what the activation returned
	DZ         f32 // dz[N]
	Activation Activation
	N          int
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k ActivationBackward) Record(rec *gpu.Recording) {
	work(rec, 3*k.N, 3*k.N)
	rec.DispatchWith([]uint32{uint32(k.Activation)}, "activation_backward", gpu.Threads(k.N), gpu.Push(k.N),
		gpu.Read(k.DY, k.N), gpu.Read(k.Y, k.N), gpu.Write(k.DZ, k.N))
}
