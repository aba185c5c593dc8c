package golden

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"vklstm/model"
	"vklstm/model/reference"
)

// own is the Kind of a case whose truth is package reference.
const own = "own"

// ownCase trains models side by side for a few epochs: what Keras has no numbers for, because its random numbers are
// others.
type ownCase struct {
	spec    model.Spec
	options []model.Options
	windows model.Windows
	start   []*model.State
	epochs  [][]model.Plan // [epoch][model]
}

// Own returns cases for dropout, augmentation in both its kinds, scaling, missing values and models side by side. Their truth is package
// reference, so they judge engines alone. They use SGD, because Adam magnifies rounding.
func Own() []*Case { return ownCases() }

var ownCases = sync.OnceValue(func() []*Case {
	return []*Case{
		newOwn("own_dropout", "dropout, a short last batch, weights", 1, 0.3, model.Augment{}, false),
		newOwn("own_scaling", "scaled values, missing values, masked steps", 1, 0, model.Augment{}, true),
		newOwn("own_augment", "time warp, noise, feature dropout, bounds", 1, 0, model.Augment{Prob: 0.7, Warp: 0.15, Noise: 0.07, Drop: 0.1}, true),
		newOwn("own_move", "shift, magnitude, rotation of a triplet", 1, 0,
			model.Augment{MoveProb: 0.8, Shift: 0.3, Magnitude: 0.3, Rotate: 90, Triplets: 1}, true),
		newOwn("own_side_by_side", "three models with seeds, losses and plans of their own", 3, 0.4,
			model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}, true),
		newOwn("own_stack", "the same of stacked networks, of one direction, then both", 3, 0.4,
			model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}, true, 9, 6),
	}
})

// newOwn returns a case of one LSTM of 21 units, or with units of one of these in one direction and the others in both.
func newOwn(name, about string, models int, rate float64, a model.Augment, scaled bool, units ...int) *Case {
	const T, F, H, D, N, val, epochs, batch = 11, 5, 21, 6, 23, 4, 3, 8
	o := &ownCase{spec: model.Classifier(T, F, H, rate, D)}
	if len(units) > 0 {
		o.spec = model.Stack(T, F, units, true, rate, D)
		o.spec.Layers[1].Bidirectional, o.spec.Layers[1].Name = false, "lstm"
	}
	rng := rand.New(rand.NewPCG(uint64(len(name)), 0x6f776e))
	for n := range N + val {
		y := float32(n % 3 / 2)
		o.windows.Y = append(o.windows.Y, y)
		for t := range T {
			for range F {
				v := float32(rng.NormFloat64())*0.2 + 0.4 + 0.2*y
				switch {
				case t >= T-n%4 || n == 5: // right padding; window 5 is masked whole
					v = 0
				case rng.IntN(12) == 0:
					v = float32(math.NaN())
				}
				o.windows.X = append(o.windows.X, v)
			}
		}
	}
	for k := range models {
		opt := model.Options{Loss: model.Focal(), Optimizer: model.Optimizer{Kind: model.SGD}, Augment: a, Seed: uint64(1000 + k)}
		if k == 1 {
			opt.Loss = model.Loss{Kind: model.BinaryCrossentropy}
			opt.Optimizer.GlobalClipNorm = 0.3
		}
		if k == 2 {
			opt.Augment = model.Augment{}
			opt.Optimizer.WeightDecay = 0.01
		}
		for f := range F {
			if scaled {
				opt.Scaling.Offset = append(opt.Scaling.Offset, 0.1*float32(f))
				opt.Scaling.Factor = append(opt.Scaling.Factor, 1+0.3*float32(f))
				opt.Scaling.Low = append(opt.Scaling.Low, -0.4)
				opt.Scaling.High = append(opt.Scaling.High, 1.2)
			}
		}
		o.options = append(o.options, opt)
		o.start = append(o.start, o.spec.Init(uint64(k+7)))
	}
	for e := range epochs {
		var plans []model.Plan
		for k := range models {
			p := model.Plan{Epoch: e, Batch: batch, Eval: windows(N, N+val)}
			for _, i := range rng.Perm(N)[:N-3*k] {
				p.Train = append(p.Train, int32(i))
				p.Weight = append(p.Weight, 0.6+2.1*o.windows.Y[i])
			}
			for s := range p.Steps() {
				p.LearningRate = append(p.LearningRate, 0.2/float64(s+1))
			}
			plans = append(plans, p)
		}
		o.epochs = append(o.epochs, plans)
	}
	return &Case{Name: name, Kind: own, About: about, own: o,
		Shape: map[string]int{"B": batch, "T": T, "F": F, "H": o.spec.Layers[1].Units, "D": D}}
}

// trainer is what a case of Own asks of an engine, in float64.
type trainer struct {
	gradient func(k int, plan model.Plan) ([]float64, error)
	epoch    func(plans []model.Plan) ([]reference.Outcome, error)
	params   func(k int) ([]float64, error)
}

// train runs the epochs: first the gradient of each model's first step, then the training.
func (o *ownCase) train(t trainer) (*outputs, error) {
	var out outputs
	layout := o.spec.Layout()
	for k := range o.options {
		g, err := t.gradient(k, o.epochs[0][k])
		if err != nil {
			return nil, err
		}
		out.flat(o.name(k, "gradient"), layout, g)
	}
	for _, plans := range o.epochs {
		outcomes, err := t.epoch(plans)
		if err != nil {
			return nil, err
		}
		for k, q := range outcomes {
			out.put(o.name(k, "probability"), q.Probability...)
			out.put(o.name(k, "loss"), q.Loss...)
			out.put(o.name(k, "val_probability"), q.EvalProbability...)
			out.put(o.name(k, "val_loss"), q.EvalLoss...)
		}
	}
	for k := range o.options {
		p, err := t.params(k)
		if err != nil {
			return nil, err
		}
		out.flat(o.name(k, "final parameters"), layout, p)
	}
	return &out, nil
}

// name returns what a quantity of model k is called.
func (o *ownCase) name(k int, what string) string {
	if len(o.options) == 1 {
		return what
	}
	return fmt.Sprintf("model %d %s", k, what)
}

// wanted implements program.
func (o *ownCase) wanted() (*outputs, map[string][]int) {
	out, err := o.runReference(nil)
	if err != nil {
		panic(err) // the case is the program's own, and a test runs it
	}
	shapes := map[string][]int{}
	for name, values := range out.values {
		shapes[name] = []int{len(o.epochs), len(values) / len(o.epochs)}
	}
	return out, shapes
}

// runReference implements program.
func (o *ownCase) runReference(r *reference.Rounding) (*outputs, error) {
	e, err := reference.New(o.spec, o.options)
	if err != nil {
		return nil, err
	}
	e.SetRounding(r)
	if err := o.load(e); err != nil {
		return nil, err
	}
	return o.train(trainer{
		gradient: func(k int, plan model.Plan) ([]float64, error) {
			g, _, err := e.Gradient64(k, plan)
			return g, err
		},
		epoch:  func(plans []model.Plan) ([]reference.Outcome, error) { return e.Epoch64(context.Background(), plans) },
		params: func(k int) ([]float64, error) { return e.State64(k).Params, nil },
	})
}

// runEngine implements program.
func (o *ownCase) runEngine(f Factory) (*outputs, error) {
	e, err := f(o.spec, o.options)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := o.load(e); err != nil {
		return nil, err
	}
	return o.train(trainer{
		gradient: func(k int, plan model.Plan) ([]float64, error) {
			g, _, err := e.Gradient(k, plan)
			return widen(g), err
		},
		epoch: func(plans []model.Plan) ([]reference.Outcome, error) {
			outcomes, err := e.Epoch(context.Background(), plans)
			wide := make([]reference.Outcome, len(outcomes))
			for k, q := range outcomes {
				wide[k] = reference.Outcome{Probability: widen(q.Probability), Loss: widen(q.Loss),
					EvalProbability: widen(q.EvalProbability), EvalLoss: widen(q.EvalLoss), Steps: q.Steps}
			}
			return wide, err
		},
		params: func(k int) ([]float64, error) {
			s, err := e.State(k)
			if err != nil {
				return nil, err
			}
			return widen(s.Params), nil
		},
	})
}

// load puts the windows and the start into an engine.
func (o *ownCase) load(e model.Engine) error {
	if err := e.Load(o.windows); err != nil {
		return err
	}
	for k, s := range o.start {
		if err := e.SetState(k, s); err != nil {
			return err
		}
	}
	return nil
}
