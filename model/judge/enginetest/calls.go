package enginetest

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/model"
	"vklstm/model/judge"
)

// gradientTakesNoStep asks for gradients in the middle of a training: they leave no trace, know no clipping, and are
// those of the step that follows.
func (s suite) gradientTakesNoStep(t *testing.T) {
	c := pool(model.SGD)
	for k := range c.Options {
		c.Options[k].Optimizer = model.Optimizer{Kind: model.SGD}
	}
	e := s.engine(t, c)
	p := c.Epochs[0][1]
	before := state(t, e, 1)
	g, o := gradient(t, e, 1, p)
	sameState(t, "state", state(t, e, 1), before)
	if o.Steps != 1 || len(o.Probability) != p.Batch || len(o.Loss) != p.Batch || len(o.EvalProbability) != 0 {
		t.Errorf("outcome of a gradient: %d steps, %d probabilities, %d losses, %d evaluated; want 1, %d, %d, 0",
			o.Steps, len(o.Probability), len(o.Loss), len(o.EvalProbability), p.Batch, p.Batch)
	}
	again, _ := gradient(t, e, 1, p)
	sameBits(t, "gradient asked for again", again, g)

	plans := make([]model.Plan, 3)
	plans[1] = first(p, 1)
	taken := epoch(t, e, plans)[1]
	sameOutcome(t, "the step's outcome", taken, o)
	after, lr := state(t, e, 1), float64(float32(p.LearningRate[0]))
	for i, old := range judge.Wide(before.Params) {
		step := lr * float64(g[i]) // the engine rounds it, or not, and then the difference
		if got := float64(after.Params[i]); !(math.Abs(got-(old-step)) <= 0x1p-24*(math.Abs(step)+math.Abs(old-step))) {
			t.Fatalf("parameter %d went from %v to %v by gradient %v at rate %v", i, old, got, g[i], lr)
		}
	}

	clipped := append([]model.Options(nil), c.Options...)
	clipped[1].Optimizer.ClipNorm = 1e-3
	h, _ := gradient(t, s.engine(t, with(c, func(c *scenario) { c.Options = clipped })), 1, p)
	sameBits(t, "gradient under clipping", h, g)

	none, o := gradient(t, e, 0, model.Plan{})
	if len(none) != len(g) || o.Steps != 0 {
		t.Errorf("an empty plan has %d elements of gradient and %d steps, want %d and 0", len(none), o.Steps, len(g))
	}
}

// evaluation evaluates after training: with the parameters then reached, and without weights, dropout and augmentation.
func (s suite) evaluation(t *testing.T) {
	c := pool(model.SGD)
	c.Options, c.Start = c.Options[:1], c.Start[:1]
	e := s.engine(t, c)
	p := c.Epochs[0][0]
	p.Eval = []int32{4, 4, 0, 32, 1}
	out := only(t, e, p)
	still := model.Plan{Eval: p.Eval, Epoch: 77}
	for range 2 {
		again := only(t, e, still)
		sameBits(t, "evaluation probability", again.EvalProbability, out.EvalProbability)
		sameBits(t, "evaluation loss", again.EvalLoss, out.EvalLoss)
	}
	sameBits(t, "a window evaluated twice", out.EvalProbability[:1], out.EvalProbability[1:2])
	// At rate 0 nothing moves, whatever the weights.
	q := plan(p.Train, p.Batch, 0)
	q.Weight, q.Eval = p.Weight, p.Eval
	weighted := only(t, e, q)
	sameBits(t, "evaluation probability beside weights", weighted.EvalProbability, out.EvalProbability)
	sameBits(t, "evaluation loss beside weights", weighted.EvalLoss, out.EvalLoss)
	q.Weight = nil
	bare := only(t, e, q)
	sameBits(t, "evaluation loss without weights", bare.EvalLoss, out.EvalLoss)
}

// predict compares with what evaluation says of the same windows, for any number of them, loaded or not.
func (s suite) predict(t *testing.T) {
	c := pool(model.SGD)
	for _, loaded := range []bool{false, true} {
		e := s.new(t, c.Spec, c.Options)
		t.Cleanup(func() { _ = e.Close() })
		if loaded {
			if err := e.Load(c.Windows); err != nil {
				t.Fatal(err)
			}
		}
		for k, st := range c.Start {
			if err := e.SetState(k, st); err != nil {
				t.Fatal(err)
			}
		}
		var plans []model.Plan
		for range c.Options {
			plans = append(plans, model.Plan{Eval: count(len(c.Windows.Y))})
		}
		want := epoch(t, s.engine(t, c), plans)
		for k := range c.Options {
			for _, n := range []int{len(c.Windows.Y), 1, 2, 7, 8, 9, 17, 0} {
				got, err := e.Predict(t.Context(), k, c.Windows.X[:n*c.Spec.Timesteps*c.Spec.Features])
				if err != nil {
					t.Fatal(err)
				}
				s.equal(t, "predicted", got, want[k].EvalProbability[:n])
			}
		}
		// A new state, after a prediction, is what counts.
		if err := e.SetState(1, c.Start[0]); err != nil {
			t.Fatal(err)
		}
		got, err := e.Predict(t.Context(), 1, c.Windows.X)
		if err != nil {
			t.Fatal(err)
		}
		other := only(t, s.engine(t, with(c, func(c *scenario) { c.Options, c.Start = c.Options[1:2], c.Start[:1] })), plans[0])
		s.equal(t, "predicted by a new state", got, other.EvalProbability)
	}
}

// loadedAgain replaces the windows by others, more and fewer.
func (s suite) loadedAgain(t *testing.T) {
	c := pool(model.SGD)
	c.Options, c.Start = c.Options[:1], c.Start[:1]
	e := s.engine(t, c)
	only(t, e, c.Epochs[0][0])
	for _, n := range []int{50, 11, 33} {
		w := windows(rand.New(rand.NewPCG(uint64(n), 28)), n, 9, 4, true)
		p := plan(count(n), 8, 0.1)
		p.Eval = count(n)
		if err := e.Load(w); err != nil {
			t.Fatal(err)
		}
		if err := e.SetState(0, c.Start[0]); err != nil {
			t.Fatal(err)
		}
		got := only(t, e, p)
		fresh := s.engine(t, with(c, func(c *scenario) { c.Windows = w }))
		sameOutcome(t, "outcome", got, only(t, fresh, p))
		sameState(t, "state", state(t, e, 0), state(t, fresh, 0))
	}
}

// badInput hands over what does not fit: an error that wraps model.ErrShape for data, a panic for a plan.
func (s suite) badInput(t *testing.T) {
	c := pool(model.SGD)
	e := s.engine(t, c)
	before := state(t, e, 0)
	for name, err := range map[string]error{
		"Load": e.Load(model.Windows{X: make([]float32, 37), Y: make([]float32, 1)}),
		"SetState": e.SetState(0, &model.State{
			Params: make([]float32, len(before.Params)), M: make([]float32, len(before.M)), V: make([]float32, len(before.V)-1)}),
		"SetState of another network": e.SetState(0, model.NewState(len(before.Params)+1)),
	} {
		if !errors.Is(err, model.ErrShape) {
			t.Errorf("%s of a wrong shape: %v", name, err)
		}
	}
	if _, err := e.Predict(t.Context(), 0, make([]float32, 35)); !errors.Is(err, model.ErrShape) {
		t.Errorf("Predict of a wrong shape: %v", err)
	}
	sameState(t, "state", state(t, e, 0), before)
	if err := e.Load(c.Windows); err != nil {
		t.Fatal(err)
	}
	good := c.Epochs[0]
	for name, change := range map[string]func(p *model.Plan){
		"window beyond the last":      func(p *model.Plan) { p.Train = append([]int32{33}, p.Train[1:]...) },
		"evaluated window below 0":    func(p *model.Plan) { p.Eval = []int32{-1} },
		"a learning rate too few":     func(p *model.Plan) { p.LearningRate = p.LearningRate[1:] },
		"a weight too few":            func(p *model.Plan) { p.Weight = p.Weight[1:] },
		"no batch size":               func(p *model.Plan) { p.Batch = 0 },
		"plans for fewer models":      nil,
		"a weight too many, evaluate": func(p *model.Plan) { p.Weight = append([]float32{1}, p.Weight...) },
	} {
		plans := append([]model.Plan(nil), good...)
		if change == nil {
			plans = plans[:2]
		} else {
			change(&plans[0])
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			_, _ = e.Epoch(t.Context(), plans)
		}()
	}
	sameState(t, "state", state(t, e, 0), before)
}
