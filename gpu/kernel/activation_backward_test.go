package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model/reference"
)

func TestActivationBackward(t *testing.T) {
	devices(t, func(t *testing.T, d *gpu.Device) {
		for _, act := range activations {
			for _, n := range []int{1, 63, 64, 1000} {
				rng := source(t)
				y, dy := randoms(rng, n, 1), randoms(rng, n, 1)
				want := reference.ActivationBackward(act.of, wide(dy), wide(y))
				var tol []float64
				for _, v := range dy {
					tol = append(tol, 4*u*2*abs(v)) // a derivative of at most 2 at these y, in up to 4 roundings
				}
				k := kernel.ActivationBackward{DY: put(t, d, "dy", dy), Y: put(t, d, "y", y), DZ: blank[float32](t, d, "dz", n), Activation: act.is, N: n}
				run(t, d, k)
				nearEach(t, string(act.of), get(t, k.DZ), want, tol, n)
			}
		}
	})
}

func abs(v float32) float64 { return max(float64(v), -float64(v)) }

func BenchmarkActivationBackward(b *testing.B) {
	b.Run("B=32/D=32", func(b *testing.B) {
		d := gputest.Device(b)
		bench(b, d, 3*1024, 4*3*1024, kernel.ActivationBackward{
			DY: blank[float32](b, d, "dy", 1024), Y: blank[float32](b, d, "y", 1024), DZ: blank[float32](b, d, "dz", 1024), Activation: kernel.Relu, N: 1024,
		})
	})
}
