package kernel_test

import (
	"fmt"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
)

func TestDenseBackward(t *testing.T) {
	for _, act := range activations {
		for _, s := range denseShapes {
			t.Run(fmt.Sprintf("%s/%s", act.of, s.name), func(t *testing.T) {
				devices(t, func(t *testing.T, d *gpu.Device) {
					rng := source(t)
					P := s.gap + s.M*s.N + s.extra
					x, dy, params := randoms(rng, s.K*s.R*s.M, 1), randoms(rng, s.K*s.R*s.N, 1), randoms(rng, s.K*P, 1)
					for i, v := range x { // as the activation leaves it
						x[i] = float32(reference.DenseForward(act.of, []float64{float64(v)}, []float64{1}, []float64{0})[0])
					}
					var want, tol []float64
					for k := range s.K {
						in, g, w := wide(x[k*s.R*s.M:][:s.R*s.M]), wide(dy[k*s.R*s.N:][:s.R*s.N]), wide(params[k*P+s.gap:][:s.M*s.N])
						want = append(want, reference.DenseBackward(act.of, s.N, g, w, in)...)
						for _, size := range reference.DenseBackward(model.Linear, s.N, magnitudes(g), magnitudes(w), in) {
							tol = append(tol, float64(s.N+5)*u*size+tiny) // N products and sums, and the derivative, at most 1, from y in 4 roundings
						}
					}
					k := kernel.DenseBackward{
						DY: put(t, d, "dy", dy), Params: put(t, d, "params", params), DX: blank[float32](t, d, "dx", len(x)), Activation: act.is,
						K: s.K, R: s.R, M: s.M, N: s.N, P: P, KernelOffset: s.gap,
					}
					if act.is != kernel.Linear {
						k.X = put(t, d, "x", x)
					}
					run(t, d, k)
					got := get(t, k.DX)
					nearEach(t, "dx[K][R][M]", got, want, tol, s.K, s.R, s.M)
					for i, v := range x {
						if act.is == kernel.Relu && v == 0 && got[i] != 0 {
							t.Fatalf("dx%s = %v where the relu gave 0", index(i, []int{s.K, s.R, s.M}), got[i])
						}
					}
				})
			})
		}
	}
}

func BenchmarkDenseBackward(b *testing.B) {
	b.Run("B=32/H=64/D=32", func(b *testing.B) {
		d := gputest.Device(b)
		bench(b, d, 2*32*64*32, 4*(32*32+64*32+32*64), kernel.DenseBackward{
			DY: put(b, d, "dy", make([]float32, 32*32)), Params: put(b, d, "params", make([]float32, 64*32)),
			DX: blank[float32](b, d, "dx", 32*64), K: 1, R: 32, M: 64, N: 32, P: 64 * 32,
		})
	})
}
