package enginetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"vklstm/model"
)

// pool returns three models that differ in all that models side by side may differ in, with plans of different
// lengths; the batch size is the same, and so is the optimizer's kind.
func pool(kind model.OptimizerKind) scenario {
	return poolOf(kind, model.Classifier(9, 4, 18, 0.3, 6))
}

func poolOf(kind model.OptimizerKind, spec model.Spec) scenario {
	const T, F, n = 9, 4, 33
	rng := rand.New(rand.NewPCG(23, 24))
	c := scenario{Spec: spec, Moments: true, Windows: windows(rng, n, T, F, true)}
	lr := 0.2
	for k := range 3 {
		o := model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Seed: uint64(100 + k)}
		if kind == model.SGD {
			o.Optimizer = model.Optimizer{Kind: model.SGD}
		} else {
			lr = 2e-3
		}
		switch k {
		case 0:
			o.Augment = model.Augment{Prob: 0.6, Warp: 0.1, Noise: 0.05, Drop: 0.1}
		case 1:
			o.Loss = model.Loss{Kind: model.BinaryCrossentropy}
			o.Optimizer.GlobalClipNorm = 0.3
			o.Scaling = model.Scaling{Offset: []float32{0.1, 0.2, 0.3, 0.4}, Factor: []float32{1, 2, 0.5, 1}}
			o.Augment = model.Augment{MoveProb: 0.8, Shift: 0.3, Magnitude: 0.3, Rotate: 90, Triplets: 1}
		case 2:
			o.Augment = model.Augment{Prob: 1, Warp: 0.4, Noise: 0.2, MoveProb: 0.5, Rotate: 30, Triplets: 1}
			o.Optimizer.WeightDecay = 0.01
		}
		c.Options = append(c.Options, o)
		c.Start = append(c.Start, start(c.Spec, uint64(30+k)))
	}
	c.Start[1].Step = 7
	for e := range 2 {
		var plans []model.Plan
		for k, size := range []int{33, 20, 9} {
			p := plan(shuffled(rng, n)[:size], 8, lr/float64(k+1))
			p.Epoch, p.Eval = e+k, count(5+k)
			if k != 1 {
				p.Weight = weights(rng, size)
			}
			plans = append(plans, p)
		}
		c.Epochs = append(c.Epochs, plans)
	}
	return c
}

var kinds = []model.OptimizerKind{model.SGD, model.Adam}

// sideBySide trains three models at once and each alone: the same bits.
func (s suite) sideBySide(t *testing.T, pool func(model.OptimizerKind) scenario) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			c := pool(kind)
			e := s.engine(t, c)
			var together [][]model.Outcome
			for _, plans := range c.Epochs {
				together = append(together, epoch(t, e, plans))
			}
			for k := range c.Options {
				alone := s.engine(t, with(c, func(c *scenario) { c.Options, c.Start = c.Options[k:k+1], c.Start[k:k+1] }))
				for i, plans := range c.Epochs {
					sameOutcome(t, "outcome", together[i][k], only(t, alone, plans[k]))
				}
				sameState(t, "state", state(t, e, k), state(t, alone, 0))
				got, err := e.Predict(t.Context(), k, c.Windows.X)
				if err != nil {
					t.Fatal(err)
				}
				want, err := alone.Predict(t.Context(), 0, c.Windows.X)
				if err != nil {
					t.Fatal(err)
				}
				sameBits(t, "predicted", got, want)
			}

			// A plan without windows leaves its model alone.
			before := state(t, e, 1)
			plans := append([]model.Plan(nil), c.Epochs[0]...)
			plans[1] = model.Plan{}
			out := epoch(t, e, plans)
			sameState(t, "model without a plan", state(t, e, 1), before)
			if o := out[1]; o.Steps != 0 || len(o.Probability)+len(o.Loss)+len(o.EvalProbability)+len(o.EvalLoss) != 0 {
				t.Errorf("model without a plan has outcome %+v", o)
			}
		})
	}
	t.Run("reference", func(t *testing.T) { s.compare(t, pool(model.SGD)) })
}

// repeated trains twice: the same bits.
func (s suite) repeated(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			c := pool(kind)
			a, b := s.engine(t, c), s.engine(t, c)
			for i := range c.Epochs {
				oa, ob := epoch(t, a, c.Epochs[i]), epoch(t, b, c.Epochs[i])
				for k := range oa {
					sameOutcome(t, "outcome", ob[k], oa[k])
				}
			}
			for k := range c.Options {
				sameState(t, "state", state(t, b, k), state(t, a, k))
			}
		})
	}
}

// long returns a training of one model: 20 steps in one epoch, the last of 3 windows.
func long(kind model.OptimizerKind) (scenario, model.Plan) {
	c := pool(kind)
	rng := rand.New(rand.NewPCG(25, 26))
	c.Windows = windows(rng, 79, 9, 4, true)
	c.Options, c.Start = c.Options[:1], c.Start[:1]
	p := plan(shuffled(rng, 79), 4, c.Epochs[0][0].LearningRate[0])
	p.Weight, p.Eval, p.Epoch = weights(rng, 79), count(10), 4
	return c, p
}

// continued takes ten steps, puts the State into a fresh engine, and takes ten more: as twenty, bit for bit.
func (s suite) continued(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			c, p := long(kind)
			whole := s.engine(t, c)
			want := only(t, whole, p)
			half := s.engine(t, c)
			one := only(t, half, first(p, 10))
			if one.Steps != 10 {
				t.Errorf("%d steps, want 10", one.Steps)
			}
			fresh := s.engine(t, with(c, func(c *scenario) { c.Start = []*model.State{state(t, half, 0)} }))
			got := only(t, fresh, rest(p, 10))
			sameState(t, "state", state(t, fresh, 0), state(t, whole, 0))
			got.Steps += one.Steps
			got.Probability, got.Loss = append(one.Probability, got.Probability...), append(one.Loss, got.Loss...)
			sameOutcome(t, "outcome", got, want)

			// The State is a copy: the engine does not see what becomes of it.
			mine := state(t, fresh, 0)
			for i := range mine.Params {
				mine.Params[i], mine.M[i], mine.V[i] = 9, 9, 9
			}
			mine.Step = 9
			sameState(t, "state after a copy", state(t, fresh, 0), state(t, whole, 0))
			given := state(t, whole, 0)
			if err := fresh.SetState(0, given); err != nil {
				t.Fatal(err)
			}
			given.Params[0] = 9
			sameState(t, "state after what was given", state(t, fresh, 0), state(t, whole, 0))
		})
	}
}

// stopping is a context that ends after it has been looked at some times.
type stopping struct {
	context.Context
	mu   sync.Mutex
	left int
	done chan struct{}
}

func newStopping(ctx context.Context, looks int) *stopping {
	return &stopping{Context: ctx, left: looks, done: make(chan struct{})}
}

func (c *stopping) look() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		close(c.done)
	}
	c.left--
	return c.left < 0
}

// Err implements context.Context.
func (c *stopping) Err() error {
	if c.look() {
		return context.Canceled
	}
	return nil
}

// Done implements context.Context.
func (c *stopping) Done() <-chan struct{} {
	c.look()
	return c.done
}

// cancelled ends an epoch early, at whatever step, and goes on with what is left of the plans: as if nothing had
// happened, bit for bit.
func (s suite) cancelled(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			c := pool(kind)
			whole := s.engine(t, c)
			plans := c.Epochs[0]
			want := epoch(t, whole, plans)
			steps := 0
			for _, p := range plans {
				steps = max(steps, p.Steps())
			}
			if done, of := whole.Progress(); done != steps || of != steps {
				t.Errorf("progress of a whole epoch is %d of %d steps, want all %d", done, of, steps)
			}
			middle := false
			for looks := range 4 {
				e := s.engine(t, c)
				out, err := e.Epoch(newStopping(t.Context(), looks), plans)
				if err == nil && looks > 1 {
					break // an engine that submits many steps at once looks seldom
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("a cancelled epoch returned %v", err)
				}
				taken := 0
				for _, o := range out {
					taken = max(taken, o.Steps)
				}
				if done, of := e.Progress(); done != taken || of != steps {
					t.Errorf("progress is %d of %d steps after %d of %d", done, of, taken, steps)
				}
				var left []model.Plan
				for k, o := range out {
					if o.Steps > 0 && o.Steps < plans[k].Steps() {
						middle = true
					}
					if n := min(o.Steps*plans[k].Batch, len(plans[k].Train)); len(o.Probability) != n || len(o.Loss) != n {
						t.Fatalf("%d probabilities, %d losses after %d steps, want %d", len(o.Probability), len(o.Loss), o.Steps, n)
					}
					if len(o.EvalProbability)+len(o.EvalLoss) != 0 {
						t.Error("a cancelled epoch has evaluated")
					}
					left = append(left, rest(plans[k], o.Steps))
				}
				for k, o := range epoch(t, e, left) {
					o.Steps += out[k].Steps
					o.Probability, o.Loss = append(out[k].Probability, o.Probability...), append(out[k].Loss, o.Loss...)
					sameOutcome(t, "outcome", o, want[k])
					sameState(t, "state", state(t, e, k), state(t, whole, k))
				}
			}
			if !middle {
				t.Error("no epoch was cancelled between its steps: nothing was tested")
			}
		})
	}
	t.Run("predict", func(t *testing.T) {
		c := pool(model.SGD)
		e := s.engine(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.Predict(ctx, 0, c.Windows.X); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled Predict returned %v", err)
		}
	})
}
