package enginetest

import (
	"context"
	"testing"

	"vklstm/model"
	"vklstm/model/reference"
)

// narrow is the reference with states in float32, as other engines have them: it rounds its own behind each step.
// Otherwise a training that goes on from a State would not be bit for bit the one that was not interrupted.
type narrow struct {
	*reference.Engine
	count *model.StepCount
}

// Progress implements model.Engine.
func (e narrow) Progress() (done, of int) { return e.count.Progress() }

// Epoch implements model.Engine.
func (e narrow) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	steps, outcomes, last := 0, make([]model.Outcome, len(plans)), make([]model.Plan, len(plans))
	if len(plans) != e.Models() {
		panic("a plan for each model")
	}
	for k, p := range plans {
		p.Check(1 << 20) // the reference checks the numbers of windows
		steps = max(steps, p.Steps())
		last[k] = model.Plan{Epoch: p.Epoch, Eval: p.Eval}
	}
	e.count.Begin(steps)
	for s := range steps {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		now := make([]model.Plan, len(plans))
		for k, p := range plans {
			if s < p.Steps() {
				now[k] = first(rest(p, s), 1)
			}
		}
		out, err := e.Engine.Epoch(context.Background(), now)
		if err != nil {
			return outcomes, err
		}
		for k, o := range out {
			outcomes[k].Probability = append(outcomes[k].Probability, o.Probability...)
			outcomes[k].Loss = append(outcomes[k].Loss, o.Loss...)
			outcomes[k].Steps += o.Steps
			st, err := e.State(k)
			if err == nil {
				err = e.SetState(k, st)
			}
			if err != nil {
				return outcomes, err
			}
		}
		e.count.Add(1)
	}
	if err := ctx.Err(); err != nil {
		return outcomes, err
	}
	out, err := e.Engine.Epoch(context.Background(), last)
	for k := range out {
		outcomes[k].EvalProbability, outcomes[k].EvalLoss = out[k].EvalProbability, out[k].EvalLoss
	}
	return outcomes, err
}

// The definition passes its own suite, so the suite asks for nothing else.
func TestReference(t *testing.T) {
	new := func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		e, err := reference.New(spec, opts)
		if err != nil {
			t.Fatal(err)
		}
		return narrow{e, new(model.StepCount)}
	}
	Run(t, "reference", new, Tolerances{})
	Stacks(t, "reference, stacks", new, Tolerances{})
}
