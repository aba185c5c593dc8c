package enginetest

import (
	"testing"

	"vklstm/model"
)

// New makes an engine for one model of spec per element of opts, all parameters 0. It ends the test when it cannot.
type New = func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine

// Tolerances say how far an engine may go. The zero value is the strictest.
type Tolerances struct {
	// Rounding is how many times as far from the reference as the worst of the imitations of float32 an element may
	// be; 0 means 4 (see tolerance).
	Rounding float64
	// Half says that the engine takes products of float16 as reference.NewHalfRounding imitates it.
	Half bool
	// Equal is how far two ways to the same probability may differ (predicted and evaluated, with padding and
	// without, in another order of rows), in units of 2⁻²⁴. 0: bit for bit.
	Equal float64
}

// Run runs the suite on the engines that new makes, as subtest name.
func Run(t *testing.T, name string, new New, tol Tolerances) {
	if tol.Rounding == 0 {
		tol.Rounding = 4
	}
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
			{"first 20 steps", suite.trajectory},
			{"masked steps", suite.maskedSteps},
			{"fully masked", suite.fullyMasked},
			{"order of rows", suite.orderOfRows},
			{"models side by side", suite.sideBySide},
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

// engine makes an engine with windows and start in it; it is closed when the test ends. It has k models, each starting
// from its element of start.
func (s suite) engine(t *testing.T, spec model.Spec, opts []model.Options, w model.Windows, start []*model.State) model.Engine {
	t.Helper()
	e := s.new(t, spec, opts)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if e.Models() != len(opts) || e.String() == "" {
		t.Fatalf("engine %q has %d models, want %d and a description", e, e.Models(), len(opts))
	}
	if err := e.Load(w); err != nil {
		t.Fatal(err)
	}
	for k, st := range start {
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
