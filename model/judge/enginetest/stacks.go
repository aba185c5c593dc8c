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
	s := suite{new: new, tol: tol}
	t.Run(name, func(t *testing.T) {
		t.Run("shapes", s.stackShapes)
		t.Run("masked steps", func(t *testing.T) {
			s.maskedSteps(t, func(T int) model.Spec { return model.Stack(T, 3, []int{11, 6}, true, 0.3, 6) })
		})
		t.Run("fully masked", func(t *testing.T) { s.fullyMasked(t, model.Stack(6, 3, []int{9, 5}, true, 0, 5)) })
		t.Run("models side by side", func(t *testing.T) {
			s.sideBySide(t, func(kind model.OptimizerKind) scenario {
				return poolOf(kind, model.Stack(9, 4, []int{10, 7}, true, 0.3, 6))
			})
		})
		t.Run("predict", s.stackPredict)
		t.Run("first steps", func(t *testing.T) {
			s.trajectory(t, model.Stack(11, 5, []int{12, 9}, true, 0.4, 9), model.Optimizer{Kind: model.SGD, GlobalClipNorm: 2, WeightDecay: 0.01})
		})
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
			s.shape(t, tc.spec, tc.B, tc.rows, rand.New(rand.NewPCG(41, 42)))
		})
	}
}

// stackPredict predicts what evaluation says.
func (s suite) stackPredict(t *testing.T) {
	c := poolOf(model.Adam, mixed(model.Stack(9, 4, []int{13, 8, 6}, true, 0.2, 5), 1))
	e := s.engine(t, c)
	plans := make([]model.Plan, len(c.Options))
	for k := range plans {
		plans[k].Eval = count(33)
	}
	for k, o := range epoch(t, e, plans) {
		p, err := e.Predict(t.Context(), k, c.Windows.X)
		if err != nil {
			t.Fatal(err)
		}
		s.equal(t, "predicted", p, o.EvalProbability)
	}
}

// Penalty runs the tests of the L2 penalty with a network of one LSTM on the engines that new makes, as subtest name.
func Penalty(t *testing.T, name string, new New, tol Tolerances) {
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
