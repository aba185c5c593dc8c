package kernel_test

import (
	"math"
	"slices"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
	"vklstm/shaders/words"
)

// networks are what gradient_norm and the updates are tested on; padding is what P has more.
var networks = []struct {
	name string
	K    int
	spec model.Spec
	padd int
}{
	{"one of each", 1, model.Classifier(2, 1, 1, 0, 1), 0},
	{"primes, three models", 3, model.Classifier(2, 3, 7, 0, 5), 3},
	{"production shape", 1, production, 15},
	{"three models of the production shape", 3, production, 15},
	{"two layers, both directions, two models", 2, model.Stack(2, 3, []int{5, 7}, true, 0, 5), 6},
	{"as many layers as there may be", 1, model.Stack(2, 3, slices.Repeat([]int{2}, model.MaxLSTMs), true, 0, 5), 1},
}

// production is the network that the original trains.
var production = model.Classifier(60, 6, 64, 0, 32)

// startsOf are where a layout's variables begin, with words.Matrix, and the end of the last.
func startsOf(l model.Layout) []uint32 {
	var out []uint32
	for _, v := range l.Variables {
		at := uint32(v.Offset)
		if len(v.Shape) == 2 {
			at |= words.Matrix
		}
		out = append(out, at)
	}
	return append(out, uint32(l.Size))
}

// padded are n random values for each of k models, with zeros up to p.
func padded(values func(n int) []float32, k, n, p int) []float32 {
	var out []float32
	for range k {
		out = append(append(out, values(n)...), make([]float32, p-n)...)
	}
	return out
}

// penalisedGradient is the gradient with 2·L2·p added in every matrix, and what the device's rounding of each may be: two of the
// product, one of the sum.
func penalisedGradient(l model.Layout, grads, params []float32, l2 float64) (g, off []float64) {
	g, off = wide(grads), make([]float64, len(grads))
	for _, v := range l.Variables {
		for j := v.Offset; l2 > 0 && len(v.Shape) == 2 && j < v.Offset+v.Size(); j++ {
			add := 2 * l2 * float64(params[j])
			g[j] += add
			off[j] = 2*u*math.Abs(add) + u*math.Abs(g[j])
		}
	}
	return g, off
}

func TestGradientNorm(t *testing.T) {
	for _, s := range networks {
		t.Run(s.name, func(t *testing.T) {
			devices(t, func(t *testing.T, d *gpu.Device) {
				rng, l := source(t), s.spec.Layout()
				P := l.Size + s.padd
				grads := padded(func(n int) []float32 { return randoms(rng, n, 1) }, s.K, l.Size, P)
				params := padded(func(n int) []float32 { return randoms(rng, n, 1) }, s.K, l.Size, P)
				for i := range grads {
					if i%P >= l.Size {
						grads[i] = 3 // nobody's
					}
				}
				var want, tol []float64
				var options []uint32
				for k := range s.K {
					l2 := []float64{0, 0.4, 3}[(k+s.K-1)%3] // none alone, the largest beside another, all three of three
					options = append(options, optionsOf(model.Options{Optimizer: model.Optimizer{L2: l2}}, 0, 0)...)
					g, off := penalisedGradient(l, grads[k*P:][:l.Size], params[k*P:][:l.Size], l2)
					squares := reference.GradientNorm(l, g)
					for i, v := range squares {
						// A thread squares and adds every 128th element; then 7 halvings.
						n := (l.Variables[i].Size() + 127) / 128
						sum := float64(n+8) * u * v
						for j := l.Variables[i].Offset; j < l.Variables[i].Offset+l.Variables[i].Size(); j++ {
							sum += 2*math.Abs(g[j])*off[j] + off[j]*off[j]
						}
						tol = append(tol, sum)
					}
					want = append(want, squares...)
				}
				V := len(l.Variables)
				out := blank[float32](t, d, "squares", s.K*V)
				run(t, d, kernel.GradientNorm{Grads: put(t, d, "grads", grads), Params: put(t, d, "params", params),
					Starts: put(t, d, "starts", startsOf(l)), Options: put(t, d, "options", options), Squares: out, K: s.K, P: P, Variables: V})
				nearEach(t, "squares[K][V]", get(t, out), want, tol, s.K, V)
			})
		})
	}
}

func BenchmarkGradientNorm(b *testing.B) {
	b.Run("H=64", func(b *testing.B) {
		d, l := gputest.Device(b), production.Layout()
		bench(b, d, 4*float64(l.Size), 8*float64(l.Size), kernel.GradientNorm{
			Grads: put(b, d, "grads", make([]float32, l.Size)), Params: put(b, d, "params", make([]float32, l.Size)),
			Options: put(b, d, "options", make([]uint32, 32)), Starts: put(b, d, "starts", startsOf(l)), Squares: blank[float32](b, d, "squares", 7), K: 1, P: l.Size, Variables: 7,
		})
	})
}
