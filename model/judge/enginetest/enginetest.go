package enginetest

import (
	"testing"

	"vklstm/model"
)

// New makes an engine for one model of spec per element of opts, all parameters 0. It ends the test when it cannot.
type New = func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine

// Tolerances say how far an engine may go. The zero value is the strictest.
type Tolerances struct {
	// Half says that the engine takes products of float16 as reference.NewHalfRounding imitates it.
	Half bool
	// Equal is how far two ways to the same probability may differ (predicted and evaluated, with padding and
	// without, in another order of rows), in units of 2⁻²⁴. 0: bit for bit.
	Equal float64
}

// Run runs the suite on the engines that new makes, as subtest name.
func Run(t *testing.T, name string, new New, tol Tolerances) {
	s := suite{new: new, tol: tol}
	t.Run(name, func(t *testing.T) {
		for _, part := range []struct {
			name string
			run  func(s suite, t *testing.T)
		}{
			{"shapes", suite.shapes},
			{"losses", suite.losses},
			{"large logits", suite.largeLogits},
			{"optimizers", suite.optimizers},
			{"scaling and missing values", suite.scaling},
			{"first 20 steps", func(s suite, t *testing.T) {
				s.trajectory(t, model.Classifier(15, 5, 19, 0.4, 9), model.Optimizer{Kind: model.SGD}, model.DefaultAdam())
			}},
			{"masked steps", func(s suite, t *testing.T) {
				s.maskedSteps(t, func(T int) model.Spec { return model.Classifier(T, 3, 11, 0.3, 6) })
			}},
			{"fully masked", func(s suite, t *testing.T) { s.fullyMasked(t, model.Classifier(6, 3, 9, 0, 5)) }},
			{"order of rows", suite.orderOfRows},
			{"models side by side", func(s suite, t *testing.T) { s.sideBySide(t, pool) }},
			{"repeated", suite.repeated},
			{"continued from a State", suite.continued},
			{"cancelled", suite.cancelled},
			{"gradient takes no step", suite.gradientTakesNoStep},
			{"evaluation", suite.evaluation},
			{"predict", suite.predict},
			{"loaded again", suite.loadedAgain},
			{"bad input", suite.badInput},
		} {
			t.Run(part.name, func(t *testing.T) { part.run(s, t) })
		}
	})
}

type suite struct {
	new New
	tol Tolerances
}

// engine makes an engine with a scenario's windows and start in it; it is closed when the test ends.
func (s suite) engine(t *testing.T, c scenario) model.Engine {
	t.Helper()
	e := s.new(t, c.Spec, c.Options)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if e.Models() != len(c.Options) || e.String() == "" {
		t.Fatalf("engine %q has %d models, want %d and a description", e, e.Models(), len(c.Options))
	}
	if err := e.Load(c.Windows); err != nil {
		t.Fatal(err)
	}
	for k, st := range c.Start {
		if err := e.SetState(k, st); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// only returns the one outcome of an epoch of one model.
func only(t *testing.T, e model.Engine, p model.Plan) model.Outcome {
	t.Helper()
	return epoch(t, e, []model.Plan{p})[0]
}

// epoch runs the plans, and ends the test when that fails.
func epoch(t *testing.T, e model.Engine, plans []model.Plan) []model.Outcome {
	t.Helper()
	out, err := e.Epoch(t.Context(), plans)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// state returns a model's state.
func state(t *testing.T, e model.Engine, k int) *model.State {
	t.Helper()
	s, err := e.State(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gradient returns the first gradient of the plan.
func gradient(t *testing.T, e model.Engine, k int, p model.Plan) ([]float32, model.Outcome) {
	t.Helper()
	g, o, err := e.Gradient(k, p)
	if err != nil {
		t.Fatal(err)
	}
	return g, o
}
