package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func TestGradientScale(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, tc := range []struct {
		name string
		d    []float32 // of 3 models
		n    int
		want []float32 // scale
	}{
		{"one element each", []float32{1, -3, 0.1}, 1, []float32{64, 32, 1024}},
		{"powers of two", []float32{64, 127.999, 128}, 1, []float32{1, 1, 0.5}},
		{"zero, small and smallest", []float32{0, 0x1p-100, 0x1p-149}, 1, []float32{1, 0x1p106, 0x1p126}},
		{"infinity, NaN, largest", []float32{-inf, nan, math.MaxFloat32}, 1, []float32{1, 1, 0x1p-121}},
		{"the largest of several", []float32{1, -5, 2, 0, 0, 0.25, -0.5, 0.5, 0.375}, 3, []float32{16, 256, 128}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			devices(t, func(t *testing.T, d *gpu.Device) { checkScale(t, d, tc.d, tc.n, tc.want) })
		})
	}
	for _, n := range []int{1000, 4*4096 + 3} { // in one part and in several
		t.Run(fmt.Sprintf("%d elements", n), func(t *testing.T) {
			d, rng := gputest.Device(t), source(t)
			if parts := kernel.ScaleParts(3, n); (parts > 0) != (n > 1000) {
				t.Fatalf("%d parts", parts)
			}
			values := randoms(rng, 3*n, 1e-5)
			values[n-1], values[n], values[2*n+511] = -7, 0.3, 1e-3 // in the last, the first and another thread's part
			var want []float32
			for k := range 3 {
				want = append(want, float32(reference.GradientScale(wide(values[k*n:(k+1)*n]))))
			}
			checkScale(t, d, values, n, want)
			values[n/2] = inf // which is the largest
			want[0] = 1
			checkScale(t, d, values, n, want)
		})
	}
}

// checkScale runs the kernel on 3 models of n elements and compares bit for bit.
func checkScale(t *testing.T, d *gpu.Device, values []float32, n int, want []float32) {
	t.Helper()
	k := kernel.GradientScale{D: put(t, d, "d", bits(values)), Scale: blank[uint32](t, d, "scale", 6), K: 3, N: n}
	if parts := kernel.ScaleParts(3, n); parts > 0 {
		k.Parts = blank[uint32](t, d, "parts", parts)
	}
	run(t, d, k)
	got := get(t, k.Scale)
	for m := range 3 {
		if ref := float32(reference.GradientScale(wide(values[m*n : (m+1)*n]))); ref != want[m] {
			t.Errorf("the reference says %v for model %d, want %v", ref, m, want[m])
		}
		if s, inverse := math.Float32frombits(got[2*m]), math.Float32frombits(got[2*m+1]); s != want[m] || inverse != 1/want[m] {
			t.Errorf("model %d: scale %v and %v, want %v and its inverse", m, s, inverse, want[m])
		}
	}
}

func BenchmarkGradientScale(b *testing.B) {
	b.Run("B=256/H=512", func(b *testing.B) {
		d := gputest.Device(b)
		k := kernel.GradientScale{D: put(b, d, "d", make([]uint32, 256*512)), Scale: put(b, d, "scale", make([]uint32, 2)), K: 1, N: 256 * 512}
		k.Parts = blank[uint32](b, d, "parts", kernel.ScaleParts(1, 256*512))
		bench(b, d, 0, 4*256*512, k)
	})
}
