package judge

import (
	"context"
	"fmt"

	"vklstm/model"
	"vklstm/model/reference"
)

// Scenario is a training of models side by side that both an engine and the reference can do.
type Scenario struct {
	Spec    model.Spec
	Options []model.Options
	Windows model.Windows
	Start   []*model.State
	Epochs  [][]model.Plan // [epoch][model]
	// Moments has the numbers of steps and both moments compared too.
	Moments bool
}

// trainer is what a Scenario asks of an engine, in float64.
type trainer struct {
	gradient func(k int, plan model.Plan) ([]float64, error)
	epoch    func(plans []model.Plan) ([]reference.Outcome, error)
	state    func(k int) (*reference.State, error)
}

// train takes first the gradient of each model's first step, and then trains.
func (s *Scenario) train(t trainer) (*Numbers, error) {
	var out Numbers
	layout := s.Spec.Layout()
	for k := range s.Options {
		g, err := t.gradient(k, s.Epochs[0][k])
		if err != nil {
			return nil, err
		}
		out.Flat(s.name(k, Gradient), layout, g)
	}
	for _, plans := range s.Epochs {
		outcomes, err := t.epoch(plans)
		if err != nil {
			return nil, err
		}
		for k, q := range outcomes {
			if s.Moments {
				out.Put(s.name(k, "steps"), float64(q.Steps))
			}
			out.Put(s.name(k, "probability"), q.Probability...)
			out.Put(s.name(k, "loss"), q.Loss...)
			out.Put(s.name(k, "val_probability"), q.EvalProbability...)
			out.Put(s.name(k, "val_loss"), q.EvalLoss...)
		}
	}
	for k := range s.Options {
		state, err := t.state(k)
		if err != nil {
			return nil, err
		}
		out.Flat(s.name(k, "final parameters"), layout, state.Params)
		if s.Moments {
			out.Put(s.name(k, "step"), float64(state.Step))
			out.Flat(s.name(k, "m"), layout, state.M)
			out.Flat(s.name(k, "v"), layout, state.V)
		}
	}
	return &out, nil
}

// Gradient is what the gradient of a Scenario's only model is called.
const Gradient = "gradient"

// name returns what a quantity of model k is called.
func (s *Scenario) name(k int, what string) string {
	if len(s.Options) == 1 {
		return what
	}
	return fmt.Sprintf("model %d %s", k, what)
}

// load puts the windows and the start into an engine.
func (s *Scenario) load(e model.Engine) error {
	if err := e.Load(s.Windows); err != nil {
		return err
	}
	for k, start := range s.Start {
		if err := e.SetState(k, start); err != nil {
			return err
		}
	}
	return nil
}

// runReference trains in float64; with r it imitates an engine's rounding.
func (s *Scenario) runReference(r *reference.Rounding) (*Numbers, error) {
	e, err := reference.New(s.Spec, s.Options)
	if err != nil {
		return nil, err
	}
	e.SetRounding(r)
	if err := s.load(e); err != nil {
		return nil, err
	}
	return s.train(trainer{
		gradient: func(k int, plan model.Plan) ([]float64, error) {
			g, _, err := e.Gradient64(k, plan)
			return g, err
		},
		epoch: func(plans []model.Plan) ([]reference.Outcome, error) { return e.Epoch64(context.Background(), plans) },
		state: func(k int) (*reference.State, error) { return e.State64(k), nil },
	})
}

// runEngine trains on the engine that f makes.
func (s *Scenario) runEngine(f Factory) (*Numbers, error) {
	e, err := f(s.Spec, s.Options)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return s.Run(e)
}

// Run trains on an engine of the Scenario's network and options.
func (s *Scenario) Run(e model.Engine) (*Numbers, error) {
	if err := s.load(e); err != nil {
		return nil, err
	}
	return s.train(trainer{
		gradient: func(k int, plan model.Plan) ([]float64, error) {
			g, _, err := e.Gradient(k, plan)
			return Wide(g), err
		},
		epoch: func(plans []model.Plan) ([]reference.Outcome, error) {
			outcomes, err := e.Epoch(context.Background(), plans)
			wide := make([]reference.Outcome, len(outcomes))
			for k, q := range outcomes {
				wide[k] = reference.Outcome{Probability: Wide(q.Probability), Loss: Wide(q.Loss),
					EvalProbability: Wide(q.EvalProbability), EvalLoss: Wide(q.EvalLoss), Steps: q.Steps}
			}
			return wide, err
		},
		state: func(k int) (*reference.State, error) {
			s, err := e.State(k)
			if err != nil {
				return nil, err
			}
			return wideState(s), nil
		},
	})
}

// wanted returns the exact numbers, and shapes to call their elements by.
func (s *Scenario) wanted() (*Numbers, map[string][]int, error) {
	out, err := s.runReference(nil)
	if err != nil {
		return nil, nil, err
	}
	shapes := map[string][]int{}
	for name, values := range out.values {
		if shapes[name] = []int{len(values)}; len(values)%len(s.Epochs) == 0 {
			shapes[name] = []int{len(s.Epochs), len(values) / len(s.Epochs)}
		}
	}
	return out, shapes, nil
}

// Truth is what an engine is held to: numbers, and how far it may be from each.
type Truth struct {
	numbers   *Numbers
	shapes    map[string][]int
	tolerance map[string][]float64
}

// Truth runs the reference, exactly and with an engine's rounding imitated: float32's, or with half also that of products of
// float16.
func (s *Scenario) Truth(half bool) (Truth, error) {
	var t Truth
	var err error
	if t.numbers, t.shapes, err = s.wanted(); err != nil {
		return t, err
	}
	t.tolerance, err = tolerances(s, rounding(half))
	return t, err
}

// Compare returns a row for each of the quantities that got has.
func (t Truth) Compare(name string, got *Numbers) []Row {
	return compare(name, got, t.numbers, t.shapes, t.tolerance, false)
}
