package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
)

func TestGather(t *testing.T) {
	forWindows(t, func(t *testing.T, d *gpu.Device, w windows) {
		v := w.upload(t, d, false)
		run(t, d, append(v.maskKernel, v.gatherKernel...)...)
		equal(t, "x[K][T][R][F]", get(t, v.x), w.gathered(), w.K, w.T, w.R, w.F)
	})
}

func BenchmarkGather(b *testing.B) {
	b.Run("B=32/T=60/F=6", func(b *testing.B) {
		w, d := benchWindows(b), gputest.Device(b)
		v := w.upload(b, d, false)
		run(b, d, v.maskKernel...)
		bench(b, d, 0, float64(4*w.R*w.T*(2*w.F+1)), v.gatherKernel...)
	})
}
