package kernel

import "vklstm/gpu"

// DenseBackward is dense_backward.comp: dx = dy·kernelᵀ.
type DenseBackward struct {
	DY            f32        // dy[K][R][N], by the output before the activation
	Params        f32        // params[K][P]
	X             f32        // x[K][R][M]; may be left out where Activation is Linear
	DX            f32        // dx[K][R][M]
	Activation    Activation // X is what it returned, and DX the gradient before it
	K, R, M, N, P int        // M inputs, N outputs
	KernelOffset  int        // of kernel[M][N] in a model's parameters
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k DenseBackward) Record(rec *gpu.Recording) {
	x := gpu.Read(k.DY) // something must be bound
	if k.Activation != Linear {
		x = gpu.Read(k.X, k.K, k.R, k.M)
	}
	work(rec, 2*k.K*k.R*k.M*k.N, k.K*(k.R*(2*k.M+k.N)+k.M*k.N))
	rec.DispatchWith([]uint32{uint32(k.Activation)}, "dense_backward", gpu.Threads(k.K*k.R*k.M),
		gpu.Push(k.K, k.R, k.M, k.N, k.P, k.KernelOffset),
		gpu.Read(k.DY, k.K, k.R, k.N), gpu.Read(k.Params, span(k.KernelOffset, k.K, k.P, k.M*k.N)),
		x, gpu.Write(k.DX, k.K, k.R, k.M))
}
