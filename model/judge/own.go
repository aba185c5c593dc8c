package judge

import (
	"math"
	"math/rand/v2"
	"sync"

	"vklstm/model"
)

// own is the Kind of a case whose truth is package reference.
const own = "own"

// Own returns cases for dropout, augmentation in both its kinds, scaling, missing values and models side by side. Their truth is package
// reference, so they judge engines alone; its engine has augmentation from package augment, as the CPU engine has, which
// reference.Window judges in that package's tests. They use SGD, because Adam magnifies rounding.
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
	o := &Scenario{Spec: model.Classifier(T, F, H, rate, D)}
	if len(units) > 0 {
		o.Spec = model.Stack(T, F, units, true, rate, D)
		o.Spec.Layers[1].Bidirectional, o.Spec.Layers[1].Name = false, "lstm"
	}
	rng := rand.New(rand.NewPCG(uint64(len(name)), 0x6f776e))
	for n := range N + val {
		y := float32(n % 3 / 2)
		o.Windows.Y = append(o.Windows.Y, y)
		for t := range T {
			for range F {
				v := float32(rng.NormFloat64())*0.2 + 0.4 + 0.2*y
				switch {
				case t >= T-n%4 || n == 5: // right padding; window 5 is masked whole
					v = 0
				case rng.IntN(12) == 0:
					v = float32(math.NaN())
				}
				o.Windows.X = append(o.Windows.X, v)
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
		o.Options = append(o.Options, opt)
		o.Start = append(o.Start, o.Spec.Init(uint64(k+7)))
	}
	for e := range epochs {
		var plans []model.Plan
		for k := range models {
			p := model.Plan{Epoch: e, Batch: batch, Eval: Between(N, N+val)}
			for _, i := range rng.Perm(N)[:N-3*k] {
				p.Train = append(p.Train, int32(i))
				p.Weight = append(p.Weight, 0.6+2.1*o.Windows.Y[i])
			}
			for s := range p.Steps() {
				p.LearningRate = append(p.LearningRate, 0.2/float64(s+1))
			}
			plans = append(plans, p)
		}
		o.Epochs = append(o.Epochs, plans)
	}
	return &Case{Name: name, Kind: own, About: about, own: o,
		Shape: map[string]int{"B": batch, "T": T, "F": F, "H": o.Spec.Layers[1].Units, "D": D}}
}
