package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
)

// denseShapes are rows, inputs and outputs of K models, and what lies before kernel and bias in their parameters.
var denseShapes = []struct {
	name                   string
	K, R, M, N, gap, extra int
}{
	{"one element", 1, 1, 1, 1, 0, 0},
	{"primes", 3, 7, 13, 5, 11, 3},
	{"one output", 3, 32, 32, 1, 40, 0},
	{"production shape", 1, 32, 64, 32, 17920, 33},
	{"three models of the production shape", 3, 32, 64, 32, 128, 33},
	{"many inputs", 1, 3, 1031, 2, 0, 0},
}

// activations are those of a Dense layer.
var activations = []struct {
	is kernel.Activation
	of model.Activation
}{{kernel.Linear, model.Linear}, {kernel.Relu, model.Relu}, {kernel.Sigmoid, model.Sigmoid}, {kernel.Tanh, model.Tanh}}

// magnitudes returns the absolute values of a.
func magnitudes(a []float64) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = math.Abs(v)
	}
	return out
}

func TestDenseForward(t *testing.T) {
	for _, act := range activations {
		for _, s := range denseShapes {
			t.Run(fmt.Sprintf("%s/%s", act.of, s.name), func(t *testing.T) {
				devices(t, func(t *testing.T, d *gpu.Device) {
					rng := source(t)
					biasOffset := s.gap + s.M*s.N
					P := biasOffset + s.N + s.extra
					x, params := randoms(rng, s.K*s.R*s.M, 1), randoms(rng, s.K*P, 1)
					var want, tol []float64
					for k := range s.K {
						in, w, b := wide(x[k*s.R*s.M:][:s.R*s.M]), wide(params[k*P+s.gap:][:s.M*s.N]), wide(params[k*P+biasOffset:][:s.N])
						want = append(want, reference.DenseForward(act.of, in, w, b)...)
						// M products, as many sums and the bias: (M + 2)·u·(Σ|xw| + |b|), which relu and tanh pass on and sigmoid
						// quarters; their own errors are at most 14 and 16 units for logits of this size (cellTol).
						for _, size := range reference.DenseForward(model.Linear, magnitudes(in), magnitudes(w), magnitudes(b)) {
							e := float64(s.M+2)*u*size + tiny
							switch act.is {
							case kernel.Sigmoid:
								e = e/4 + 14*u
							case kernel.Tanh:
								e += 16 * u
							}
							tol = append(tol, e)
						}
					}
					y := blank[float32](t, d, "y", s.K*s.R*s.N)
					run(t, d, kernel.DenseForward{
						X: put(t, d, "x", x), Params: put(t, d, "params", params), Y: y, Activation: act.is,
						K: s.K, R: s.R, M: s.M, N: s.N, P: P, KernelOffset: s.gap, BiasOffset: biasOffset,
					})
					nearEach(t, "y[K][R][N]", get(t, y), want, tol, s.K, s.R, s.N)
				})
			})
		}
	}
}

func BenchmarkDenseForward(b *testing.B) {
	b.Run("B=32/H=64/D=32", func(b *testing.B) {
		d := gputest.Device(b)
		bench(b, d, 2*32*64*32, 4*(32*64+64*32+32+32*32), kernel.DenseForward{
			X: put(b, d, "x", make([]float32, 32*64)), Params: put(b, d, "params", make([]float32, 64*32+32)),
			Y: blank[float32](b, d, "y", 32*32), Activation: kernel.Relu, K: 1, R: 32, M: 64, N: 32, P: 64*32 + 32, BiasOffset: 64 * 32,
		})
	})
}
