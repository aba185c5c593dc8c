package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
	"vklstm/shaders/words"
)

// updateCase is one optimizer step of K models that differ in options, step and learning rate.
type updateCase struct {
	K, P             int
	l                model.Layout
	params, grads    []float32
	m, v, squares    []float32
	options          []uint32
	schedule         []uint32
	opts             []model.Optimizer
	lr               []float64
	steps            []int // optimizer steps before this one
	idle             int   // the model that takes no step; none: −1
	S, step, padding int
}

// newUpdate makes a case; model k has opts[k mod len(opts)].
func newUpdate(rng *rand.Rand, K int, spec model.Spec, padding int, opts []model.Optimizer) updateCase {
	c := updateCase{K: K, l: spec.Layout(), idle: -1, S: 2, step: 1, padding: padding}
	c.P = c.l.Size + padding
	c.params = padded(func(n int) []float32 { return randoms(rng, n, 1) }, K, c.l.Size, c.P)
	c.grads = padded(func(n int) []float32 {
		g := randoms(rng, n, 1)
		for i := range g { // from 1e-10 to 1
			g[i] *= float32(math.Exp(-23 * rng.Float64()))
		}
		return g
	}, K, c.l.Size, c.P)
	c.m = padded(func(n int) []float32 { return randoms(rng, n, 0.1) }, K, c.l.Size, c.P)
	c.v = padded(func(n int) []float32 {
		v := randoms(rng, n, 0.1)
		for i := range v {
			v[i] *= v[i]
		}
		return v
	}, K, c.l.Size, c.P)
	c.schedule = make([]uint32, c.S*K*words.Schedule)
	for k := range K {
		o, lr, steps := opts[k%len(opts)], 1e-3*float64(k+1), []int{0, 7, 1000}[k%3]
		c.opts, c.lr, c.steps = append(c.opts, o), append(c.lr, lr), append(c.steps, steps)
		c.options = append(c.options, optionsOf(model.Options{Optimizer: o}, 0, 0)...)
		w := c.schedule[(c.step*K+k)*words.Schedule:]
		w[words.Alpha], w[words.Decay] = math.Float32bits(float32(o.Alpha(lr, steps+1))), math.Float32bits(float32(o.Decay(lr)))
		w[words.InverseBatch], w[words.Time] = math.Float32bits(1/float32(32)), uint32(steps)
		g, _ := c.gradient(k)
		for _, s := range reference.GradientNorm(c.l, g) {
			c.squares = append(c.squares, float32(s))
		}
	}
	return c
}

// gradient is model k's, with the L2 penalty's, and by how much the device's may be off for that.
func (c *updateCase) gradient(k int) (g, off []float64) {
	return penalisedGradient(c.l, c.grads[k*c.P:][:c.l.Size], c.params[k*c.P:][:c.l.Size], c.opts[k].L2)
}

// state is model k's State in float64.
func (c *updateCase) state(k int) *reference.State {
	n := c.l.Size
	return &reference.State{Params: wide(c.params[k*c.P:][:n]), M: wide(c.m[k*c.P:][:n]), V: wide(c.v[k*c.P:][:n]), Step: c.steps[k]}
}

// expect lays K states out with padding.
func (c *updateCase) expect(states []*reference.State, of func(*reference.State) []float64) []float64 {
	var out []float64
	for _, s := range states {
		out = append(append(out, of(s)...), make([]float64, c.padding)...)
	}
	return out
}

// optimizers are the kinds of update, with clipping that bites and clipping that does not.
func optimizers(kind model.OptimizerKind) map[string]model.Optimizer {
	o := model.DefaultAdam()
	o.Kind = kind
	with := func(f func(*model.Optimizer)) model.Optimizer { c := o; f(&c); return c }
	return map[string]model.Optimizer{
		"plain":              o,
		"weight decay":       with(func(o *model.Optimizer) { o.WeightDecay = 0.1 }),
		"clipnorm":           with(func(o *model.Optimizer) { o.ClipNorm = 0.1 }),
		"clipnorm too large": with(func(o *model.Optimizer) { o.ClipNorm = 1e6 }),
		"global clipnorm":    with(func(o *model.Optimizer) { o.GlobalClipNorm = 0.5; o.WeightDecay = 0.01 }),
		"global too large":   with(func(o *model.Optimizer) { o.GlobalClipNorm = 1e6 }),
		"other betas and ε":  with(func(o *model.Optimizer) { o.Beta1, o.Beta2, o.Epsilon = 0.5, 0.9, 1e-3 }),
		"l2":                 with(func(o *model.Optimizer) { o.L2 = 0.3 }),
		"l2 and clipnorm":    with(func(o *model.Optimizer) { o.L2, o.ClipNorm = 0.05, 0.1 }),
		"l2, global, decay":  with(func(o *model.Optimizer) { o.L2, o.GlobalClipNorm, o.WeightDecay = 1, 0.5, 0.1 }),
		"no momentum":        with(func(o *model.Optimizer) { o.Beta1, o.Beta2 = 0, 0.5 }),
	}
}

// gradTol is the relative error of a clipped gradient: root 9 units of u, division 5, squares and their sum 8, product 1.
const gradTol = 24 * u

func TestAdamUpdate(t *testing.T) {
	for _, s := range networks {
		for name, o := range optimizers(model.Adam) {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				devices(t, func(t *testing.T, d *gpu.Device) {
					c := newUpdate(source(t), s.K, s.spec, s.padd, []model.Optimizer{o})
					if s.K > 1 {
						c.idle = 1
						c.schedule[(c.step*c.K+1)*words.Schedule+words.InverseBatch] = 0
					}
					c.checkAdam(t, d)
				})
			})
		}
	}
}

// Models side by side each have their own constants.
func TestAdamUpdateModels(t *testing.T) {
	var opts []model.Optimizer
	all := optimizers(model.Adam)
	for _, name := range []string{"plain", "clipnorm", "global clipnorm", "weight decay", "l2 and clipnorm", "other betas and ε", "l2"} {
		opts = append(opts, all[name])
	}
	c := newUpdate(source(t), 7, model.Classifier(2, 3, 9, 0, 4), 6, opts)
	c.checkAdam(t, gputest.Device(t))
}

func (c *updateCase) checkAdam(t *testing.T, d *gpu.Device) {
	t.Helper()
	k := kernel.AdamUpdate{Update: c.update(t, d), M: put(t, d, "m", c.m), V: put(t, d, "v", c.v)}
	run(t, d, k)
	var states []*reference.State
	tolP, tolM, tolV := make([]float64, c.K*c.P), make([]float64, c.K*c.P), make([]float64, c.K*c.P)
	for i := range tolP {
		tolP[i], tolM[i], tolV[i] = tiny, tiny, tiny
	}
	for m := range c.K {
		s, before := c.state(m), c.state(m)
		states = append(states, s)
		if m == c.idle {
			continue
		}
		o := c.opts[m]
		reference.AdamUpdate(o, c.l, s, wide(c.grads[m*c.P:][:c.l.Size]), c.lr[m])
		alpha := o.Alpha(c.lr[m], c.steps[m]+1)
		grad, off := c.gradient(m)
		clip := o.ClipFactors(reference.GradientNorm(c.l, grad))
		for i, v := range c.l.Variables {
			for j := v.Offset; j < v.Offset+v.Size(); j++ {
				g, add, at := clip[i]*grad[j], clip[i]*off[j], m*c.P+j
				// m and v: the new share errs by the gradient's error and three roundings, the sum by one.
				b1, b2 := 1-o.Beta1, 1-o.Beta2
				tolM[at] += b1*(gradTol+4*u)*(math.Abs(g)+math.Abs(before.M[j])) + b1*add + 2*u*math.Max(math.Abs(before.M[j]), math.Abs(s.M[j]))
				tolV[at] += b2*(2*gradTol+5*u)*(g*g+before.V[j]) + b2*(2*math.Abs(g)+add)*add + 2*u*math.Max(before.V[j], s.V[j])
				// p: two roundings of p; the change α·m/(√v + ε) errs by m's and v's errors, and by 9 for the root, 5 for the
				// division, α and ε 1 each, sum and product 1 each.
				root := math.Sqrt(s.V[j])
				change := alpha * tolM[at] / (root + o.Epsilon)
				change += alpha * math.Abs(s.M[j]) / (root + o.Epsilon) * (20*u + tolV[at]/(2*s.V[j]+1e-300)*root/(root+o.Epsilon))
				tolP[at] += 3*u*math.Abs(before.Params[j]) + change + u*math.Abs(s.Params[j])
			}
		}
	}
	nearEach(t, "params[K][P]", get(t, k.Params), c.expect(states, func(s *reference.State) []float64 { return s.Params }), tolP, c.K, c.P)
	nearEach(t, "m[K][P]", get(t, k.M), c.expect(states, func(s *reference.State) []float64 { return s.M }), tolM, c.K, c.P)
	nearEach(t, "v[K][P]", get(t, k.V), c.expect(states, func(s *reference.State) []float64 { return s.V }), tolV, c.K, c.P)
}

// A gradient norm that is not finite makes every parameter NaN under the global norm, as in Keras. The bits say so:
// comparisons on the device may not.
func TestAdamUpdateNotFinite(t *testing.T) {
	for _, square := range []float32{float32(math.Inf(1)), float32(math.NaN())} {
		c := newUpdate(source(t), 1, model.Classifier(2, 2, 3, 0, 2), 0, []model.Optimizer{optimizers(model.Adam)["global clipnorm"]})
		c.squares[3] = square
		d := gputest.Device(t)
		k := kernel.AdamUpdate{Update: c.update(t, d), M: put(t, d, "m", c.m), V: put(t, d, "v", c.v)}
		run(t, d, k)
		for i, p := range get(t, k.Params) {
			if p == p {
				t.Errorf("square %v: parameter %d is %v, want NaN", square, i, p)
				break
			}
		}
	}
}

// update makes what both updates share.
func (c *updateCase) update(tb testing.TB, d *gpu.Device) kernel.Update {
	return kernel.Update{
		Params: put(tb, d, "params", c.params), Grads: put(tb, d, "grads", c.grads),
		Squares: put(tb, d, "squares", c.squares), Starts: put(tb, d, "starts", startsOf(c.l)), Options: put(tb, d, "options", c.options), Schedule: put(tb, d, "schedule", c.schedule),
		Cursor: put(tb, d, "cursor", []uint32{uint32(c.step)}), K: c.K, P: c.P, S: c.S, Variables: len(c.l.Variables),
	}
}

func BenchmarkAdamUpdate(b *testing.B) {
	for _, models := range []int{1, 8} {
		b.Run(fmt.Sprintf("H=64/K=%d", models), func(b *testing.B) {
			d := gputest.Device(b)
			c := newUpdate(source(b), models, production, 0, []model.Optimizer{model.DefaultAdam()})
			bench(b, d, 0, 4*7*float64(models*c.P), kernel.AdamUpdate{Update: c.update(b, d), M: put(b, d, "m", c.m), V: put(b, d, "v", c.v)})
		})
	}
}
