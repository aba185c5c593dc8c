package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
)

func TestTimeWarp(t *testing.T) {
	forWindows(t, func(t *testing.T, d *gpu.Device, w windows) {
		v := w.upload(t, d, true)
		x := w.gathered(true)
		if err := v.x.Write(x); err != nil {
			t.Fatal(err)
		}
		run(t, d, v.warpKernel...)
		got := get(t, v.warped)
		for i, b := range got {
			switch missing := x[i] == 0x7fc00000; {
			case missing != (b == 0x7fc00000):
				t.Fatalf("cell %s was %#x and became %#x: what is missing must stay so, and nothing else go missing", index(i, []int{w.K, w.T, w.R, w.F}), x[i], b)
			case missing:
				got[i] = 0 // as package augment has it at the end
			}
		}
		want, _ := w.input(true, func(a *model.Augment) { a.Noise, a.Drop = 0, 0 })
		equal(t, "out[K][T][R][F]", got, want, w.K, w.T, w.R, w.F)
	})
}

func BenchmarkTimeWarp(b *testing.B) {
	b.Run("B=32/T=60/F=6", func(b *testing.B) {
		w, d := benchWindows(b), gputest.Device(b)
		v := w.upload(b, d, true)
		if err := v.x.Write(w.gathered(true)); err != nil {
			b.Fatal(err)
		}
		bench(b, d, 0, float64(4*w.R*w.T*2*w.F), v.warpKernel...)
	})
}
