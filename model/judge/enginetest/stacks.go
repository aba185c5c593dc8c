package enginetest

import (
	"math/rand/v2"
	"testing"

	"vklstm/model"
)

// mixed returns a stack of which the layers in list are of one direction.
func mixed(spec model.Spec, list ...int) model.Spec {
	for _, i := range list {
		spec.Layers[1+i].Bidirectional = false
	}
	return spec
}

// Stacks runs the tests of networks with several LSTM layers and both directions on the engines that new makes, as
// subtest name.
func Stacks(t *testing.T, name string, new New, tol Tolerances) {
	if tol.Rounding == 0 {
		tol.Rounding = 4
	}
	s := suite{new: new, tol: tol}
	t.Run(name, func(t *testing.T) {
		t.Run("shapes", s.stackShapes)
		t.Run("masked steps", s.stackMasks)
		t.Run("fully masked", s.stackFullyMasked)
		t.Run("models side by side", func(t *testing.T) {
			s.sideBySideOf(t, func(kind model.OptimizerKind) scenario {
				return groupOf(kind, model.Stack(9, 4, []int{10, 7}, true, 0.3, 6))
			})
		})
		t.Run("predict", s.stackPredict)
		t.Run("first steps", s.stackTrajectory)
		t.Run("penalty", func(t *testing.T) { s.penaltyOf(t, model.Stack(6, 3, []int{7, 5}, true, 0, 4)) })
	})
}

// stackShapes compares gradient, outcome and one optimizer step of networks of every form, with every kind of mask, at
// sizes that are no multiple of anything.
func (s suite) stackShapes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		B, rows int
		spec    model.Spec
	}{
		{"one of everything, both directions", 1, 1, model.Stack(1, 1, []int{1}, true, 0, 1)},
		{"one of everything, two layers", 1, 1, model.Stack(1, 1, []int{1, 1}, false, 0, 1)},
		{"one step", 3, 3, model.Stack(1, 2, []int{5, 3}, true, 0.3, 4)},
		{"both directions", 3, 8, model.Stack(7, 5, []int{21}, true, 0.3, 13)},
		{"two layers, narrower", 3, 8, model.Stack(7, 5, []int{21, 9}, false, 0.3, 13)},
		{"two layers, wider", 4, 9, model.Stack(6, 3, []int{3, 33}, false, 0.3, 5)},
		{"two layers of both directions", 5, 12, model.Stack(7, 4, []int{17, 11}, true, 0.3, 9)},
		{"three layers", 4, 6, model.Stack(5, 3, []int{8, 16, 4}, false, 0, 7)},
		{"both directions, then one", 4, 6, mixed(model.Stack(6, 3, []int{9, 10}, true, 0.3, 7), 1)},
		{"one direction, then both", 4, 6, mixed(model.Stack(6, 3, []int{9, 10}, true, 0.3, 7), 0)},
		{"65 units", 4, 5, model.Stack(3, 3, []int{65, 65}, true, 0.3, 8)},
		{"many units", 3, 3, model.Stack(3, 2, []int{133, 70}, true, 0.3, 33)},
		{"many rows", 37, 50, model.Stack(4, 2, []int{9, 6}, true, 0.3, 3)},
		{"usual", 32, 32, model.Stack(20, 6, []int{64, 32}, false, 0.3, 32)},
		{"usual, both directions", 32, 32, model.Stack(20, 6, []int{64}, true, 0.3, 32)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(41, 42))
			T, F := tc.spec.Timesteps, tc.spec.Features
			w := windows(rng, tc.rows+6, T, F, T > 1)
			p := plan(shuffled(rng, tc.rows), tc.B, 1e-2)
			p.Weight, p.Eval = weights(rng, tc.rows), between(tc.rows, tc.rows+6)
			s.compare(t, one(tc.spec, adam(), w, p))
		})
	}
}

// stackMasks trains on the same windows without masked steps and with them in every place: nothing may change.
func (s suite) stackMasks(t *testing.T) {
	const T, F, n = 5, 3, 7
	w := windows(rand.New(rand.NewPCG(43, 44)), n, T, F, false)
	p := plan(count(n), n, 0.3)
	p.Eval = count(n)
	spec := func(T int) model.Spec { return model.Stack(T, F, []int{11, 6}, true, 0.3, 6) }
	bare := one(spec(T), sgd(), w, p)
	right := s.judge(t, bare)
	want := only(t, s.engine(t, bare.spec, bare.opts, w, bare.start), p)
	for _, tc := range []struct {
		name  string
		T     int
		place []int
		fill  float32
	}{
		{"left padding", 9, []int{4, 5, 6, 7, 8}, 0},
		{"appended padding", 9, []int{0, 1, 2, 3, 4}, 0},
		{"holes and both paddings", 13, []int{1, 3, 4, 8, 9}, 0},
		{"missing", 11, []int{1, 2, 5, 6, 9}, nan},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := bare
			c.spec, c.windows = spec(tc.T), padded(w, T, F, tc.T, tc.place, tc.fill)
			right.check(t, c.engine(t, s))
			got := only(t, s.engine(t, c.spec, c.opts, c.windows, c.start), p)
			s.equal(t, "probability", got.Probability, want.Probability)
		})
	}
}

// stackFullyMasked trains on windows without a valid step, alone and beside one that has some: nothing flows back into
// any LSTM from those.
func (s suite) stackFullyMasked(t *testing.T) {
	const T, F = 6, 3
	spec := model.Stack(T, F, []int{9, 5}, true, 0, 5)
	w := model.Windows{X: make([]float32, 5*T*F), Y: []float32{1, 0, 0, 1, 1}}
	for i := range w.X {
		if i%3 == 0 {
			w.X[i] = nan
		}
	}
	p := plan(count(5), 5, 0.1)
	p.Eval = count(5)
	s.compare(t, one(spec, sgd(), w, p))

	g, _ := gradient(t, s.engine(t, spec, []model.Options{sgd()}, w, []*model.State{start(spec, 5)}), 0, p)
	chain, _ := spec.Chain()
	for i, v := range spec.Layout().Variables {
		for j, d := range v.Of(g) {
			if i <= chain.Head() && d != 0 {
				t.Errorf("gradient %s[%d] of windows that are masked whole is %v", v.Name, j, d)
				break
			}
		}
	}
	w.X[F], w.X[2*F] = 0.7, -0.4 // one window with two valid steps
	s.compare(t, one(spec, sgd(), w, p))
}

// stackPredict predicts what evaluation says.
func (s suite) stackPredict(t *testing.T) {
	c := groupOf(model.Adam, mixed(model.Stack(9, 4, []int{13, 8, 6}, true, 0.2, 5), 1))
	e := s.engine(t, c.spec, c.opts, c.windows, c.start)
	plans := make([]model.Plan, len(c.opts))
	for k := range plans {
		plans[k].Eval = count(33)
	}
	for k, o := range epoch(t, e, plans) {
		p, err := e.Predict(t.Context(), k, c.windows.X)
		if err != nil {
			t.Fatal(err)
		}
		s.equal(t, "predicted", p, o.EvalProbability)
	}
}

// stackTrajectory compares the first steps of a training with dropout and augmentation, as trajectory does.
func (s suite) stackTrajectory(t *testing.T) {
	const T, F, n = 11, 5, 37
	rng := rand.New(rand.NewPCG(45, 46))
	w := windows(rng, n+8, T, F, true)
	o := model.Options{Loss: model.Loss{Kind: model.BinaryCrossentropy}, Seed: 0xfedcba9876543210,
		Optimizer: model.Optimizer{Kind: model.SGD, GlobalClipNorm: 2, WeightDecay: 0.01},
		Augment:   model.Augment{Prob: 0.7, Warp: 0.15, Noise: 0.07, Drop: 0.1}}
	c := scenario{spec: model.Stack(T, F, []int{12, 9}, true, 0.4, 9), opts: []model.Options{o}, windows: w}
	c.start = []*model.State{start(c.spec, 21)}
	for e := range 2 {
		p := plan(shuffled(rng, n), 6, 0.3)
		p.Epoch, p.Eval, p.Weight = 3+e, between(n, n+8), weights(rng, n)
		c.epochs = append(c.epochs, []model.Plan{p})
	}
	s.compare(t, c)
}

// Penalty runs the tests of the L2 penalty with a network of one LSTM on the engines that new makes, as subtest name.
func Penalty(t *testing.T, name string, new New, tol Tolerances) {
	if tol.Rounding == 0 {
		tol.Rounding = 4
	}
	t.Run(name, func(t *testing.T) { suite{new: new, tol: tol}.penaltyOf(t, model.Classifier(6, 3, 7, 0, 4)) })
}

// penaltyOf compares steps with the L2 penalty, without clipping and with: its gradient counts in the norms.
func (s suite) penaltyOf(t *testing.T, spec model.Spec) {
	for _, tc := range []struct {
		name string
		o    model.Optimizer
	}{
		{"SGD", model.Optimizer{Kind: model.SGD, L2: 0.3}},
		{"SGD with clipnorm", model.Optimizer{Kind: model.SGD, L2: 0.3, ClipNorm: 0.2}},
		{"SGD with global clipnorm", model.Optimizer{Kind: model.SGD, L2: 0.3, GlobalClipNorm: 0.5}},
		{"Adam", model.Optimizer{Kind: model.Adam, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7, L2: 0.1, WeightDecay: 0.01}},
		{"Adam with global clipnorm", model.Optimizer{Kind: model.Adam, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7, L2: 0.1, GlobalClipNorm: 0.5}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := adam()
			o.Optimizer = tc.o
			w := windows(rand.New(rand.NewPCG(7, 8)), 12, 6, 3, true)
			s.compare(t, one(spec, o, w, plan(count(12), 4, 0.05)))
		})
	}
}
