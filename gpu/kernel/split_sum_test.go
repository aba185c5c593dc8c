package kernel_test

import (
	"fmt"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func TestSplitSum(t *testing.T) {
	for _, s := range []struct {
		name                        string
		K, splits, size, gap, extra int
	}{
		{"one element", 1, 1, 1, 0, 0},
		{"three models, primes", 3, 5, 67, 7, 11},
		{"recurrent kernel", 1, 15, 64 * 256, 1536, 2048},
	} {
		for _, accumulate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/accumulate=%v", s.name, accumulate), func(t *testing.T) {
				devices(t, func(t *testing.T, d *gpu.Device) {
					rng := source(t)
					parts, stride := randoms(rng, s.K*s.splits*s.size, 1), s.size+s.extra
					out := randoms(rng, s.gap+s.K*stride, 1)
					want, tol := wide(out), make([]float64, len(out))
					for i := range tol {
						tol[i] = 1e-300 // what lies between must stay
					}
					for k := range s.K {
						part := wide(parts[k*s.splits*s.size:][:s.splits*s.size])
						sum, size := reference.SplitSum(part, s.size), reference.SplitSum(magnitudes(part), s.size)
						for i := range s.size {
							at := s.gap + k*stride + i
							if accumulate {
								sum[i], size[i] = sum[i]+want[at], size[i]+magnitudes(want[at : at+1])[0]
							}
							want[at], tol[at] = sum[i], float64(s.splits+1)*u*size[i]
						}
					}
					k := kernel.SplitSum{
						Parts: put(t, d, "parts", parts), Out: put(t, d, "out", out), K: s.K, Splits: s.splits, Size: s.size,
						Accumulate: accumulate, OutOffset: s.gap, OutStride: stride,
					}
					run(t, d, k)
					nearEach(t, "out", get(t, k.Out), want, tol)
				})
			})
		}
	}
}

func BenchmarkSplitSum(b *testing.B) {
	b.Run("Splits=15/Size=16384", func(b *testing.B) {
		d := gputest.Device(b)
		const splits, size = 15, 64 * 256
		k := kernel.SplitSum{
			Parts: put(b, d, "parts", make([]float32, splits*size)), Out: put(b, d, "out", make([]float32, size)), K: 1, Splits: splits, Size: size,
		}
		bench(b, d, splits*size, 4*(splits+1)*size, k)
	})
}
