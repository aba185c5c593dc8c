package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

// halfMode asks a device how it rounds to float16: 1 + 3·2⁻¹² becomes 1 + 2⁻¹⁰ or 1. Cooperative matrices take the driver's own
// rounding, which Vulkan leaves open; what does not lie at multiples of 4 elements is rounded by the kernel, to the nearest.
func halfMode(tb testing.TB, d *gpu.Device, fours bool) reference.HalfRounding {
	tb.Helper()
	n := 1
	if fours {
		n = 4
	}
	fill := func(v float32) []float32 { return slices.Repeat([]float32{v}, n) }
	c := blank[float32](tb, d, "C", n*n)
	run(tb, d, kernel.Matmul{A: put(tb, d, "A", fill(1+3*0x1p-12)), B: put(tb, d, "B", fill(1)), C: c, M: n, N: n, Inner: 1, Models: 1,
		TransposeA: true, Half: true, Scale: put(tb, d, "scale", []float32{1, 1})})
	switch got := get(tb, c)[n*n-1]; {
	case got == 1+0x1p-10:
		return reference.HalfNearest
	case got == 1 && fours:
		return reference.HalfCut
	default:
		tb.Fatalf("1 + 3·2⁻¹² as a float16 is %v", got)
		return 0
	}
}

// withoutMatrices adds to the devices one like the test's, where that has cooperative matrices, which has none.
func withoutMatrices(t *testing.T, f func(t *testing.T, d *gpu.Device)) {
	devices(t, f)
	if gputest.Device(t).Limits().HalfMatrix == [3]uint32{} {
		if os.Getenv("VKLSTM_REQUIRE_MATRICES") != "" {
			t.Fatal("the device has no cooperative matrices, which this run is for")
		}
		return
	}
	name, err := gputest.Name()
	if err != nil {
		t.Fatal(err)
	}
	d, err := gpu.Open(name, gpu.WithLimits(func(l *gpu.Limits) { l.HalfMatrix = [3]uint32{} }), gpu.WithCacheDir(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	t.Run("without matrices", func(t *testing.T) { f(t, d) })
}

// Operands of float16 give the float32 sum of the rounded numbers: the tolerance is float32's. Numbers that are subnormal
// in float16, which a device may take for 0, are left out.
func TestMatmulHalf(t *testing.T) {
	withoutMatrices(t, func(t *testing.T, d *gpu.Device) {
		modes := map[bool]reference.HalfRounding{false: halfMode(t, d, false), true: halfMode(t, d, true)}
		for _, name := range []string{"one element", "primes", "recurrent", "exact tiles", "weight gradient", "weight gradient in parts", "two parts",
			"a part and three", "68 by 132", "256 by 1024", "recurrent weight gradient", "tiles of 64", "tiles of 128"} {
			s := matmulShapes[slices.IndexFunc(matmulShapes, func(s matmulShape) bool { return s.name == name })]
			for kind := range 4 {
				k := kernel.Matmul{M: s.M, N: s.N, Inner: s.Inner, Models: s.Models, TransposeA: kind > 0, Accumulate: kind%2 == 1, Half: true}
				fours := kind >= 2
				if kind%2 == 0 && s.Models*s.M*s.N*s.Inner > 1e7 {
					continue
				}
				t.Run(fmt.Sprintf("%s/transposeA=%v,accumulate=%v,fours=%v", name, k.TransposeA, k.Accumulate, fours), func(t *testing.T) {
					rng, mode := source(t), modes[fours && k.M%4 == 0 && k.N%4 == 0]
					p := newProduct(rng, k, fours, mode, func(n int) []float32 { return normals(rng, n) })
					p.split = s.split
					nearEach(t, "C", p.run(t, d), p.want, p.tol)
					// Whole numbers up to 2048 are float16, whatever the scale.
					p = newProduct(rng, k, fours, mode, func(n int) []float32 { return integers(rng, n, 9) })
					p.split = s.split
					want := make([]float32, len(p.want))
					for i, v := range p.want {
						want[i] = float32(v)
					}
					equal(t, "C of whole numbers", p.run(t, d), want)
				})
			}
		}
	})
}

// normals are n values in ±1 that are not too small for float16 times 2⁻³.
func normals(rng *rand.Rand, n int) []float32 {
	out := randoms(rng, n, 1)
	for i, v := range out {
		if math.Abs(float64(v)) < 0x1p-10 {
			out[i] = 0.5
		}
	}
	return out
}

// What float16 cannot hold becomes the largest that it can, and NaN stays NaN, by either kernel.
func TestMatmulHalfRange(t *testing.T) {
	nan := float32(math.NaN())
	withoutMatrices(t, func(t *testing.T, d *gpu.Device) {
		for _, m := range []int{1, 4} {
			c := blank[float32](t, d, "C", 4*m)
			run(t, d, kernel.Matmul{A: put(t, d, "A", slices.Repeat([]float32{1}, m)), B: put(t, d, "B", []float32{1e6, -70000, 65504, nan}), C: c,
				M: m, N: 4, Inner: 1, Models: 1, TransposeA: true, Half: true, Scale: put(t, d, "scale", []float32{1, 1})})
			got := get(t, c)
			gputest.Near(t, "C", got[:3], []float64{65504, -65504, 65504}, 0)
			if got[3] == got[3] {
				t.Errorf("NaN became %v", got[3])
			}
		}
	})
}

func BenchmarkMatmulHalf(b *testing.B) {
	for _, s := range [][4]int{{32, 60, 6, 64}, {256, 128, 64, 256}, {256, 128, 64, 512}, {128, 256, 128, 1024}} {
		B, T, H := s[0], s[1], s[3]
		b.Run(fmt.Sprintf("recurrent_gradient/M=%d/N=%d/Inner=%d", H, 4*H, T*B), func(b *testing.B) {
			d := gputest.Device(b)
			k := kernel.Matmul{M: H, N: 4 * H, Inner: T * B, Models: 1, TransposeA: true, Half: true}
			if d.Info().Software && k.M*k.N*k.Inner > 1<<31 {
				b.Skip("minutes on a software driver")
			}
			k.A, k.B = put(b, d, "A", make([]float32, k.M*k.Inner)), put(b, d, "B", make([]float32, k.Inner*k.N))
			k.C, k.Scale = put(b, d, "C", make([]float32, k.M*k.N)), put(b, d, "scale", []float32{1, 1})
			l := d.Limits()
			if n := max(kernel.Partials(k.M, k.N, k.Inner, 1, l), kernel.HalfPartials(k.M, k.N, k.Inner, 1, l)); n > 0 {
				k.Parts = put(b, d, "parts", make([]float32, n))
			}
			bench(b, d, 2*float64(k.M*k.N*k.Inner), 4*float64(k.M*k.Inner+k.Inner*k.N+k.M*k.N), k)
		})
	}
}
