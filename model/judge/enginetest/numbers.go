package enginetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/model"
	"vklstm/model/judge"
)

// with returns a scenario that is changed.
func with(c scenario, change func(c *scenario)) scenario {
	change(&c)
	return c
}

// shape compares gradient, outcome and one optimizer step of a network, with every kind of mask and with weights; the last of
// the batches may be short.
func (s suite) shape(t *testing.T, spec model.Spec, batch, rows int, rng *rand.Rand) {
	t.Helper()
	w := windows(rng, rows+5, spec.Timesteps, spec.Features, spec.Timesteps > 1)
	p := plan(shuffled(rng, rows), batch, 1e-2)
	p.Weight, p.Eval = weights(rng, rows), judge.Between(rows, rows+5)
	s.compare(t, one(spec, adam(), w, p))
}

// one returns a scenario of one model and one epoch. The engine evaluates windows that it is not trained on.
func one(spec model.Spec, o model.Options, w model.Windows, p model.Plan) scenario {
	return scenario{Spec: spec, Options: []model.Options{o}, Moments: true, Windows: w, Start: []*model.State{start(spec, 5)}, Epochs: [][]model.Plan{{p}}}
}

// shapes compares gradient, outcome and one optimizer step, with every kind of mask, at sizes that are no multiple of
// anything, and with a last batch that is short.
func (s suite) shapes(t *testing.T) {
	for _, tc := range []struct {
		name                string
		B, T, F, H, D, rows int
		rate                float64
		long                bool
	}{
		{"one of everything", 1, 1, 1, 1, 1, 1, 0, false},
		{"two rows of one step", 2, 1, 1, 1, 1, 2, 0.5, false},
		{"ragged", 3, 7, 5, 21, 13, 8, 0.3, false},
		{"many rows", 37, 4, 2, 9, 3, 50, 0.3, false},
		{"wide", 5, 6, 51, 40, 70, 5, 0.3, false},
		{"many units", 3, 3, 2, 133, 33, 3, 0.3, false},
		{"7 units", 4, 5, 4, 7, 4, 6, 0.3, false},
		{"65 units", 4, 3, 3, 65, 8, 5, 0.3, false},
		{"129 units of many rows", 150, 2, 3, 129, 5, 150, 0.3, false},
		{"256 units", 5, 3, 8, 256, 16, 5, 0.3, false},
		{"production", 32, 60, 6, 64, 32, 32, 0.3, true},
	} {
		t.Run(fmt.Sprintf("%s B=%d T=%d F=%d H=%d D=%d", tc.name, tc.B, tc.T, tc.F, tc.H, tc.D), func(t *testing.T) {
			if tc.long && testing.Short() {
				t.Skip("float64 reference of the production shape; left out by -short")
			}
			s.shape(t, model.Classifier(tc.T, tc.F, tc.H, tc.rate, tc.D), tc.B, tc.rows, rand.New(rand.NewPCG(1, 2)))
		})
	}
}

// Size is a shape that an engine may treat in a way of its own.
type Size struct {
	B, T, F, H, D int
	Rows          int   // windows trained on; 0: B
	Then          []int // units of further LSTM layers
	Both          bool  // all LSTM layers have both directions
}

// Sizes compares gradient, outcome and one optimizer step with the reference's at each size, with every kind of mask:
// for the sizes at which an engine goes another way, and their neighbours.
func Sizes(t *testing.T, new New, tol Tolerances, sizes ...Size) {
	s := suite{new: new, tol: tol}
	for _, z := range sizes {
		if z.Rows == 0 {
			z.Rows = z.B
		}
		units := append([]int{z.H}, z.Then...)
		t.Run(fmt.Sprintf("B=%d/T=%d/F=%d/H=%v/both=%v/D=%d/rows=%d", z.B, z.T, z.F, units, z.Both, z.D, z.Rows), func(t *testing.T) {
			s.shape(t, model.Stack(z.T, z.F, units, z.Both, 0.3, z.D), z.B, z.Rows, rand.New(rand.NewPCG(uint64(z.H), uint64(z.B))))
		})
	}
}

// losses compares the losses, with and without weights.
func (s suite) losses(t *testing.T) {
	for _, loss := range []model.Loss{
		{Kind: model.BinaryCrossentropy}, model.Focal(), {Kind: model.BinaryFocal, Alpha: 0.6, Gamma: 0},
		{Kind: model.BinaryFocal, Alpha: 1, Gamma: 3.5},
	} {
		for _, weighted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s α=%v γ=%v weighted=%v", loss.Kind, loss.Alpha, loss.Gamma, weighted), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(3, 4))
				w := windows(rng, 12, 5, 3, true)
				p := plan(count(9), 5, 0.5)
				p.Eval = judge.Between(6, 12)
				if weighted {
					p.Weight = weights(rng, 9)
				}
				o := sgd()
				o.Loss = loss
				s.compare(t, one(model.Classifier(5, 3, 10, 0, 6), o, w, p))
			})
		}
	}
}

// largeLogits compares windows of which the model is sure, rightly and wrongly: a wrong one must go on learning.
func (s suite) largeLogits(t *testing.T) {
	spec := model.Classifier(4, 2, 6, 0, 5)
	for _, loss := range []model.Loss{{Kind: model.BinaryCrossentropy}, model.Focal()} {
		for _, logit := range []float32{40, -40, 90, -90, 0} {
			t.Run(fmt.Sprintf("%s logit=%v", loss.Kind, logit), func(t *testing.T) {
				w := windows(rand.New(rand.NewPCG(5, 6)), 4, 4, 2, false)
				w.Y = []float32{0, 1, 1, 0}
				o := sgd()
				o.Loss = loss
				c := one(spec, o, w, plan(count(4), 4, 0.1))
				c.Epochs[0][0].Eval = count(4)
				// The dense layers' kernels are 0, so that the logit is the bias, exactly.
				l := spec.Layout()
				clear(l.Variables[model.OutputKernel].Of(c.Start[0].Params))
				l.Variables[model.OutputBias].Of(c.Start[0].Params)[0] = logit
				s.compare(t, c)

				e := s.engine(t, c)
				g, out := gradient(t, e, 0, c.Epochs[0][0])
				wrong := 0 // a window of the class that the logit is against
				if logit < 0 {
					wrong = 1
				}
				if size := math.Abs(float64(logit)); size > 0 {
					if got := float64(out.Loss[wrong]); got < 0.2*size {
						t.Errorf("loss of a wrong window is %v at logit %v: it has been clipped", got, logit)
					}
					if d := math.Abs(float64(l.Variables[model.OutputBias].Of(g)[0])); d < 0.1 {
						t.Errorf("gradient by the output's bias is %v at logit %v: wrong windows no longer learn", d, logit)
					}
				}
			})
		}
	}
}

// optimizers compares steps of every optimizer's variants.
func (s suite) optimizers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(o *model.Optimizer)
	}{
		{"SGD", func(o *model.Optimizer) { o.Kind = model.SGD }},
		{"SGD with decay and clipnorm", func(o *model.Optimizer) { *o = model.Optimizer{Kind: model.SGD, WeightDecay: 0.5, ClipNorm: 0.02} }},
		{"SGD with global clipnorm", func(o *model.Optimizer) { *o = model.Optimizer{Kind: model.SGD, GlobalClipNorm: 0.05} }},
		{"Adam", func(o *model.Optimizer) {}},
		{"Adam with other constants", func(o *model.Optimizer) { o.Beta1, o.Beta2, o.Epsilon, o.ExactBetas = 0.7, 0.95, 1e-4, true }},
		{"Adam with decay", func(o *model.Optimizer) { o.WeightDecay = 0.3 }},
		{"Adam with clipnorm", func(o *model.Optimizer) { o.ClipNorm = 0.02 }},
		{"Adam with global clipnorm", func(o *model.Optimizer) { o.GlobalClipNorm = 0.05 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := adam()
			tc.change(&o.Optimizer)
			w := windows(rand.New(rand.NewPCG(7, 8)), 12, 6, 3, true)
			s.compare(t, one(model.Classifier(6, 3, 7, 0, 4), o, w, plan(count(12), 4, 0.05)))
		})
	}
}

// scaling compares data that is scaled, with missing values: masks follow from measured values, not from scaled ones.
func (s suite) scaling(t *testing.T) {
	const T, F = 6, 3
	rng := rand.New(rand.NewPCG(9, 10))
	w := windows(rng, 14, T, F, true)
	o := sgd()
	for f := range F {
		o.Scaling.Offset = append(o.Scaling.Offset, 0.25*float32(f+1))
		o.Scaling.Factor = append(o.Scaling.Factor, 0.5+float32(f))
		o.Scaling.Low = append(o.Scaling.Low, -0.1)
		o.Scaling.High = append(o.Scaling.High, 0.1) // without noise, values beyond the bounds stay
	}
	for t := range T { // a window that scaling makes all zero, and yet no step of it is masked
		copy(w.X[t*F:], o.Scaling.Offset)
	}
	for i := range w.X { // missing values, alone and in whole steps
		if rng.IntN(5) == 0 || i/F%11 == 3 {
			w.X[i] = nan
		}
	}
	c := one(model.Classifier(T, F, 9, 0.2, 5), o, w, plan(count(10), 4, 0.2))
	c.Epochs[0][0].Eval = judge.Between(8, 14)
	t.Run("scaled", func(t *testing.T) { s.compare(t, c) })

	t.Run("missing is 0", func(t *testing.T) {
		bare := model.Windows{X: append([]float32(nil), w.X...), Y: w.Y}
		for i, v := range bare.X {
			if v != v {
				bare.X[i] = 0
				if i%2 == 0 {
					bare.X[i] = float32(math.Copysign(0, -1))
				}
			}
		}
		c.Options = []model.Options{sgd()}
		got := only(t, s.engine(t, c), c.Epochs[0][0])
		want := only(t, s.engine(t, with(c, func(c *scenario) { c.Windows = bare })), c.Epochs[0][0])
		sameOutcome(t, "NaN against 0", got, want)
		for _, p := range got.EvalProbability {
			if !(p > 0 && p < 1) {
				t.Errorf("probability %v of a window with missing values", p)
			}
		}
	})
}

// trajectory compares the first steps of trainings with dropout and augmentation: were one draw different, or one
// window warped otherwise, the numbers would be far apart. The second epoch draws anew, and Adam's moments and step
// go on.
func (s suite) trajectory(t *testing.T, spec model.Spec, optimizers ...model.Optimizer) {
	for _, optimizer := range optimizers {
		t.Run(string(optimizer.Kind), func(t *testing.T) {
			const n = 55
			T, F := spec.Timesteps, spec.Features
			rng := rand.New(rand.NewPCG(13, 14))
			w := windows(rng, n+10, T, F, true)
			for i := range w.X { // augmentation clips to [0, 1]
				if w.X[i] != 0 {
					w.X[i] = 0.5 + 0.2*w.X[i]
				}
				if i%17 == 0 {
					w.X[i] = nan
				}
			}
			o := model.Options{Loss: model.Focal(), Optimizer: optimizer, Seed: 0x123456789abcdef0,
				Augment: model.Augment{Prob: 0.7, Warp: 0.15, Noise: 0.07, Drop: 0.1}}
			lr := 0.3
			if optimizer.Kind == model.Adam {
				lr = 1e-3
			}
			for range F {
				o.Scaling.Low, o.Scaling.High = append(o.Scaling.Low, 0), append(o.Scaling.High, 1)
			}
			c := scenario{Spec: spec, Options: []model.Options{o}, Moments: true, Windows: w}
			c.Start = []*model.State{start(c.Spec, 21)}
			c.Start[0].Step = 1000 // draws are of this time
			for e := range 2 {
				p := plan(shuffled(rng, n), 6, lr) // 10 steps, the last of one window
				p.Epoch, p.Eval, p.Weight = 3+e, judge.Between(n, n+10), weights(rng, n)
				c.Epochs = append(c.Epochs, []model.Plan{p})
			}
			s.compare(t, c)
		})
	}
}
