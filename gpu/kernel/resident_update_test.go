package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
	"vklstm/shaders/words"
)

// residentUpdate makes the kernel on an updateCase and random parts of a gradient, which it returns by model.
func residentUpdate(tb testing.TB, d *gpu.Device, c updateCase, parts, update int) (kernel.ResidentUpdate, [][]float64) {
	rng := source(tb)
	all, wides := []float32(nil), make([][]float64, c.K)
	for k := range c.K {
		for range parts {
			p := randoms(rng, c.l.Size, 1)
			all, wides[k] = append(append(all, p...), make([]float32, c.padding)...), append(wides[k], wide(p)...)
		}
	}
	return kernel.ResidentUpdate{
		Parts: put(tb, d, "parts", all), Options: put(tb, d, "options", c.options), Schedule: put(tb, d, "schedule", c.schedule),
		Taken: put(tb, d, "taken", []uint32{uint32(c.step)}), Grads: blank[float32](tb, d, "grads", c.K*c.P), Params: put(tb, d, "params", c.params),
		M: put(tb, d, "m", c.m), V: put(tb, d, "v", c.v), Cursor: blank[uint32](tb, d, "cursor", 1),
		K: c.K, P: c.P, S: c.S, Size: c.l.Size, Count: parts, Update: update,
	}, wides
}

func TestResidentUpdate(t *testing.T) {
	for _, s := range networks {
		for _, parts := range []int{1, 5, 64} {
			t.Run(fmt.Sprintf("%s/%d parts", s.name, parts), func(t *testing.T) {
				devices(t, func(t *testing.T, d *gpu.Device) {
					c := newUpdate(source(t), s.K, s.spec, s.padd, []model.Optimizer{model.DefaultAdam()})
					k, wides := residentUpdate(t, d, c, parts, kernel.GradientOnly)
					run(t, d, k)
					var want, tol []float64
					for m := range c.K {
						g := reference.ResidentUpdate(model.Optimizer{}, c.l, nil, wides[m], 0)
						size := make([]float64, c.l.Size)
						for i, v := range wides[m] {
							size[i%c.l.Size] += math.Abs(v) * float64(parts) * u
						}
						for i := range size {
							size[i] += tiny
						}
						want, tol = append(want, g...), append(tol, size...)
						for range c.padding {
							want, tol = append(want, float64(canary[float32]())), append(tol, tiny)
						}
					}
					nearEach(t, "grads[K][P]", get(t, k.Grads), want, tol, c.K, c.P)
					equal(t, "params", get(t, k.Params), c.params)
					equal(t, "cursor", get(t, k.Cursor), []uint32{canary[uint32]()})
				})
			})
		}
	}
}

// TestResidentUpdateStep: the step after the sum is that of adam_update and sgd_update on the same gradient, bit for bit, and the
// model without a batch stays.
func TestResidentUpdateStep(t *testing.T) {
	for _, kind := range []model.OptimizerKind{model.Adam, model.SGD} {
		t.Run(string(kind), func(t *testing.T) {
			devices(t, func(t *testing.T, d *gpu.Device) {
				o := optimizers(kind)["weight decay"]
				c := newUpdate(source(t), 3, model.Classifier(2, 3, 17, 0, 6), 5, []model.Optimizer{o})
				c.schedule[(c.step*c.K+1)*words.Schedule+words.InverseBatch] = 0
				sum, _ := residentUpdate(t, d, c, 9, kernel.GradientOnly)
				run(t, d, sum)
				update := kernel.WithAdam
				if kind == model.SGD {
					update = kernel.WithSGD
				}
				k, _ := residentUpdate(t, d, c, 9, update)
				run(t, d, k)
				apart := c.update(t, d)
				apart.Grads = sum.Grads
				params, m, v := apart.Params, put(t, d, "m", c.m), put(t, d, "v", c.v)
				if kind == model.SGD {
					run(t, d, kernel.SGDUpdate{Update: apart})
				} else {
					run(t, d, kernel.AdamUpdate{Update: apart, M: m, V: v})
				}
				for i := range c.K { // the padding is nobody's, and adam_update's are NaN or not
					at := i * c.P
					equal(t, "params", get(t, k.Params)[at:at+c.l.Size], get(t, params)[at:at+c.l.Size])
					equal(t, "m", get(t, k.M)[at:at+c.l.Size], get(t, m)[at:at+c.l.Size])
					equal(t, "v", get(t, k.V)[at:at+c.l.Size], get(t, v)[at:at+c.l.Size])
				}
				equal(t, "params of the model without a batch", get(t, k.Params)[c.P:c.P+c.l.Size], c.params[c.P:c.P+c.l.Size])
				equal(t, "cursor", get(t, k.Cursor), []uint32{uint32(c.step) + 1})
			})
		})
	}
}

func BenchmarkResidentUpdate(b *testing.B) {
	for _, parts := range []int{32, 64} {
		b.Run(fmt.Sprintf("H=64/parts=%d", parts), func(b *testing.B) {
			d := gputest.Device(b)
			c := newUpdate(source(b), 1, production, 0, []model.Optimizer{model.DefaultAdam()})
			k, _ := residentUpdate(b, d, c, parts, kernel.WithAdam)
			bench(b, d, 0, 4*float64(c.P*(parts+6)), k)
		})
	}
}
