package kernel_test

import (
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
)

// networks are the sizes that gradient_norm and the updates are tested on: T does not matter, padding is what P has more.
var networks = []struct {
	name             string
	K, F, H, D, padd int
}{
	{"one of each", 1, 1, 1, 1, 0},
	{"primes, three models", 3, 3, 7, 5, 3},
	{"production shape", 1, 6, 64, 32, 15},
	{"three models of the production shape", 3, 6, 64, 32, 15},
}

// offsetsOf are where a layout's variables start.
func offsetsOf(l model.Layout) (o [kernel.Variables]int) {
	for i, v := range l.Variables {
		o[i] = v.Offset
	}
	return o
}

// padded are n random values for each of k models, with zeros up to p.
func padded(values func(n int) []float32, k, n, p int) []float32 {
	var out []float32
	for range k {
		out = append(append(out, values(n)...), make([]float32, p-n)...)
	}
	return out
}

func TestVariables(t *testing.T) {
	if kernel.Variables != model.NumVariables {
		t.Fatalf("kernel.Variables is %d, a model has %d", kernel.Variables, model.NumVariables)
	}
}

func TestGradientNorm(t *testing.T) {
	for _, s := range networks {
		t.Run(s.name, func(t *testing.T) {
			devices(t, func(t *testing.T, d *gpu.Device) {
				rng, l := source(t), model.Classifier(2, s.F, s.H, 0, s.D).Layout()
				P := l.Size + s.padd
				grads := padded(func(n int) []float32 { return randoms(rng, n, 1) }, s.K, l.Size, P)
				var want, tol []float64
				for k := range s.K {
					squares := reference.GradientNorm(l, wide(grads[k*P:][:l.Size]))
					for i, v := range squares {
						// A thread squares and adds every 128th element; then 7 halvings.
						n := (l.Variables[i].Size() + s.padd + 127) / 128
						tol = append(tol, float64(n+8)*u*v)
					}
					want = append(want, squares...)
				}
				out := blank[float32](t, d, "squares", s.K*7)
				run(t, d, kernel.GradientNorm{Grads: put(t, d, "grads", grads), Squares: out, K: s.K, P: P, Offsets: offsetsOf(l)})
				nearEach(t, "squares[K][7]", get(t, out), want, tol, s.K, 7)
			})
		})
	}
}

func BenchmarkGradientNorm(b *testing.B) {
	b.Run("H=64", func(b *testing.B) {
		d, l := gputest.Device(b), model.Classifier(60, 6, 64, 0, 32).Layout()
		bench(b, d, 2*float64(l.Size), 4*float64(l.Size), kernel.GradientNorm{
			Grads: put(b, d, "grads", make([]float32, l.Size)), Squares: blank[float32](b, d, "squares", 7), K: 1, P: l.Size, Offsets: offsetsOf(l),
		})
	})
}
