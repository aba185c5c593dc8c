package kernel_test

import (
	"fmt"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func TestColumnSum(t *testing.T) {
	for _, s := range []struct {
		name                   string
		K, rows, N, gap, extra int
	}{
		{"one element", 1, 1, 1, 0, 0},
		{"fewer rows than lanes", 3, 5, 17, 2, 3},
		{"primes", 3, 101, 37, 7, 5},
		{"one column", 3, 32, 1, 0, 0},
		{"one less than two parts", 2, 255, 33, 1, 1},
		{"two parts", 2, 256, 31, 1, 1},
		{"LSTM bias", 1, 1920, 256, 0, 17664},
	} {
		for _, accumulate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/accumulate=%v", s.name, accumulate), func(t *testing.T) {
				devices(t, func(t *testing.T, d *gpu.Device) {
					rng := source(t)
					stride, outStride := s.rows*s.N+s.gap, s.N+s.extra
					a := randoms(rng, s.gap+s.K*stride, 1)
					out := randoms(rng, s.extra+s.K*outStride, 1)
					want, tol := wide(out), make([]float64, len(out))
					for i := range tol {
						tol[i] = 1e-300 // what lies between must stay
					}
					for k := range s.K {
						part := wide(a[s.gap+k*stride:][:s.rows*s.N])
						sum, size := reference.ColumnSum(part, s.N), reference.ColumnSum(magnitudes(part), s.N)
						for n := range s.N {
							at := s.extra + k*outStride + n
							if accumulate {
								sum[n], size[n] = sum[n]+want[at], size[n]+magnitudes(want[at : at+1])[0]
							}
							// A lane sums rows/4, rounded up, or as many of a part; then 4 lanes, the parts, and what was there.
							want[at], tol[at] = sum[n], float64((s.rows+3)/4+5+s.rows/128)*u*size[n]
						}
					}
					k := kernel.ColumnSum{
						A: put(t, d, "a", a), Out: put(t, d, "out", out), K: s.K, Rows: s.rows, N: s.N, Accumulate: accumulate,
						OffsetA: s.gap, StrideA: stride, OutOffset: s.extra, OutStride: outStride,
					}
					run(t, d, k)
					nearEach(t, "out", get(t, k.Out), want, tol)
					if n := kernel.ColumnPartials(s.K, s.rows, s.N); n > 0 {
						k.Out, k.Parts = put(t, d, "out", out), blank[float32](t, d, "parts", n)
						run(t, d, k)
						nearEach(t, "out of parts", get(t, k.Out), want, tol)
						get(t, k.Parts)
					} else if s.rows >= 256 {
						t.Error("the rows are not cut")
					}
				})
			})
		}
	}
}

func BenchmarkColumnSum(b *testing.B) {
	b.Run("T=60/B=32/H=64", func(b *testing.B) {
		d := gputest.Device(b)
		bench(b, d, 1920*256, 4*1920*256, kernel.ColumnSum{
			A: put(b, d, "a", make([]float32, 1920*256)), Out: put(b, d, "out", make([]float32, 256)), K: 1, Rows: 1920, N: 256,
		})
	})
}
