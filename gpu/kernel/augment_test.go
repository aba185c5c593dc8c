package kernel_test

import (
	"slices"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/shaders/words"
)

func TestAugment(t *testing.T) {
	for _, train := range []bool{false, true} {
		t.Run(map[bool]string{false: "evaluation", true: "training"}[train], func(t *testing.T) {
			forWindows(t, func(t *testing.T, d *gpu.Device, w windows) {
				v := w.upload(t, d, train)
				if err := v.x.Write(w.gathered(train)); err != nil {
					t.Fatal(err)
				}
				run(t, d, v.varied...)
				x, mask := w.input(train, func(a *model.Augment) { a.Warp = 0 })
				equal(t, "x[K][T][R][F]", get(t, v.x), x, w.K, w.T, w.R, w.F)
				equal(t, "mask[K][T][R]", get(t, v.mask), mask, w.K, w.T, w.R)
				present := make([]uint32, w.K*w.R)
				for i := range present {
					if w.at(i/w.R, i%w.R) != words.NoWindow {
						present[i] = 1
					}
				}
				equal(t, "present[K][R]", get(t, v.present), present, w.K, w.R)

				// Without a mask all steps of a window count.
				all := v.varied[0].(kernel.Augment)
				all.Masked = false
				if err := v.x.Write(w.gathered(train)); err != nil {
					t.Fatal(err)
				}
				run(t, d, all)
				for i := range mask {
					mask[i] = present[i/w.R/w.T*w.R+i%w.R]
				}
				equal(t, "mask[K][T][R]", get(t, v.mask), mask, w.K, w.T, w.R)
			})
		})
	}
}

// The whole way from measured windows to the network's input, with nothing between the kernels but the recording.
func TestInput(t *testing.T) {
	forWindows(t, func(t *testing.T, d *gpu.Device, w windows) {
		v := w.upload(t, d, true)
		last := v.varied[0].(kernel.Augment)
		last.X = v.warped
		run(t, d, slices.Concat(v.maskKernel, v.gatherKernel, v.warpKernel, []recorder{last})...)
		x, mask := w.input(true, nil)
		equal(t, "x[K][T][R][F]", get(t, v.warped), x, w.K, w.T, w.R, w.F)
		equal(t, "mask[K][T][R]", get(t, v.mask), mask, w.K, w.T, w.R)
	})
}

func BenchmarkAugment(b *testing.B) {
	b.Run("B=32/T=60/F=6", func(b *testing.B) {
		w, d := benchWindows(b), gputest.Device(b)
		v := w.upload(b, d, true)
		if err := v.x.Write(w.gathered(true)); err != nil {
			b.Fatal(err)
		}
		bench(b, d, 0, float64(4*w.R*w.T*(2*w.F+1)), v.varied...)
	})
}
