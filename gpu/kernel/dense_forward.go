package kernel

import "vklstm/gpu"

// Activation is what dense_forward ends with; the numbers are those of the shader and of package model/reference.
type Activation uint32

// The activations.
const (
	Linear Activation = iota
	Relu
	Sigmoid
	Tanh
)

// DenseForward is dense_forward.comp: y = act(x·kernel + bias).
type DenseForward struct {
	X                        f32 // x[K][R][M]
	Params                   f32 // params[K][P]
	Y                        f32 // y[K][R][N]
	Activation               Activation
	K, R, M, N, P            int // M inputs, N outputs
	KernelOffset, BiasOffset int // of kernel[M][N] and bias[N] in a model's parameters
}

// Record appends the dispatch to rec. It panics if a buffer is smaller than its shape.
func (k DenseForward) Record(rec *gpu.Recording) {
	params := max(span(k.KernelOffset, k.K, k.P, k.M*k.N), span(k.BiasOffset, k.K, k.P, k.N))
	work(rec, 2*k.K*k.R*k.M*k.N, k.K*(k.R*(k.M+k.N)+(k.M+1)*k.N))
	rec.DispatchWith([]uint32{uint32(k.Activation)}, "dense_forward", gpu.Threads(k.K*k.R*k.N),
		gpu.Push(k.K, k.R, k.M, k.N, k.P, k.KernelOffset, k.BiasOffset),
		gpu.Read(k.X, k.K, k.R, k.M), gpu.Read(k.Params, params), gpu.Write(k.Y, k.K, k.R, k.N))
}
