package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
)

func TestGather(t *testing.T) {
	for _, train := range []bool{false, true} {
		t.Run(map[bool]string{false: "evaluation", true: "training"}[train], func(t *testing.T) {
			forWindows(t, func(t *testing.T, d *gpu.Device, w windows) {
				v := w.upload(t, d, train)
				run(t, d, append(v.maskKernel, v.gatherKernel...)...)
				equal(t, "x[K][T][R][F]", get(t, v.x), w.gathered(train), w.K, w.T, w.R, w.F)
			})
		})
	}
}

func BenchmarkGather(b *testing.B) {
	for name, a := range map[string]model.Augment{"still": {}, "moved": {MoveProb: 1, Shift: 0.1, Magnitude: 0.1, Rotate: 30, Triplets: 2}} {
		b.Run("B=32/T=60/F=6/"+name, func(b *testing.B) {
			w, d := benchWindows(b), gputest.Device(b)
			for i := range w.opts {
				w.opts[i].Augment = a
			}
			v := w.upload(b, d, true)
			run(b, d, v.maskKernel...)
			bench(b, d, 0, float64(4*w.R*w.T*(2*w.F+1)), v.gatherKernel...)
		})
	}
}
