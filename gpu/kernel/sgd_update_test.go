package kernel_test

import (
	"math"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
	"vklstm/shaders/words"
)

func TestSGDUpdate(t *testing.T) {
	for _, s := range networks {
		for name, o := range optimizers(model.SGD) {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				devices(t, func(t *testing.T, d *gpu.Device) {
					c := newUpdate(source(t), s.K, s.spec, s.padd, []model.Optimizer{o})
					if s.K > 1 {
						c.idle = 1
						c.schedule[(c.step*c.K+1)*words.Schedule+words.InverseBatch] = 0
					}
					k := kernel.SGDUpdate{Update: c.update(t, d)}
					run(t, d, k)
					var states []*reference.State
					tol := make([]float64, c.K*c.P)
					for m := range c.K {
						state, before := c.state(m), c.state(m)
						states = append(states, state)
						grad := wide(c.grads[m*c.P:][:c.l.Size])
						with, off := c.gradient(m)
						if m != c.idle {
							reference.SGDUpdate(o, c.l, state, grad, c.lr[m])
						}
						for j, p := range before.Params { // p, its share and two sums; the step errs as its gradient and two products
							tol[m*c.P+j] = 4*u*math.Abs(p) + c.lr[m]*((gradTol+4*u)*math.Abs(with[j])+2*off[j])
						}
					}
					for i := range tol {
						tol[i] += tiny
					}
					nearEach(t, "params[K][P]", get(t, k.Params), c.expect(states, func(s *reference.State) []float64 { return s.Params }), tol, c.K, c.P)
				})
			})
		}
	}
}

func BenchmarkSGDUpdate(b *testing.B) {
	b.Run("H=64", func(b *testing.B) {
		d := gputest.Device(b)
		c := newUpdate(source(b), 1, production, 0, []model.Optimizer{optimizers(model.SGD)["plain"]})
		bench(b, d, 0, 4*3*float64(c.P), kernel.SGDUpdate{Update: c.update(b, d)})
	})
}
