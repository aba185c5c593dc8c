package enginetest

import (
	"math"
	"math/rand/v2"

	"vklstm/model"
	"vklstm/model/judge"
)

var nan = float32(math.NaN())

// windows returns n windows of t × f, with zeros in the places that row's kind of mask has them: none, right, left,
// holes, all and last by row % 6 when masked is set. No other value is 0. About a third of the labels is 1.
func windows(rng *rand.Rand, n, t, f int, masked bool) model.Windows {
	var w model.Windows
	for i := range n {
		y := float32(0)
		if i == 0 || rng.Float64() < 0.35 {
			y = 1
		}
		w.Y = append(w.Y, y)
		cut, kind := 1+rng.IntN(max(t-1, 1)), i%6
		for step := range t {
			zero := masked && (kind == 1 && step >= cut || kind == 2 && step < cut || kind == 3 && step%3 == 1 ||
				kind == 4 || kind == 5 && step == t-1)
			for range f {
				v := float32(rng.NormFloat64()) + 0.6*(2*y-1)
				if v == 0 {
					v = 0.5
				}
				if zero {
					v = 0
				}
				w.X = append(w.X, v)
			}
		}
	}
	return w
}

// start returns a State like Init's, with biases that are not 0, so that a missing one shows.
func start(spec model.Spec, seed uint64) *model.State {
	s, l := spec.Init(seed), spec.Layout()
	rng := rand.New(rand.NewPCG(seed, 77))
	for i, v := range l.Variables {
		for j := range v.Of(s.Params) {
			if !v.Matrix() {
				v.Of(s.Params)[j] += 0.3 * float32(rng.NormFloat64())
			}
			if i >= l.Trained { // a variance is not below 0
				v.Of(s.Params)[j] = float32(math.Abs(float64(v.Of(s.Params)[j])))
			}
		}
	}
	return s
}

// sgd and adam are options with the loss and optimizer that most cases use.
func sgd() model.Options {
	return model.Options{Loss: model.Focal(), Optimizer: model.Optimizer{Kind: model.SGD}, Seed: 11}
}

func adam() model.Options {
	return model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Seed: 12}
}

// count returns 0 … n−1.
func count(n int) []int32 { return judge.Between(0, n) }

// plan returns one that trains on the list in batches at rate lr, which falls by a tenth with each step so that a step
// taken with another's rate shows.
func plan(list []int32, batch int, lr float64) model.Plan {
	p := model.Plan{Train: list, Batch: batch}
	for range p.Steps() {
		p.LearningRate = append(p.LearningRate, lr)
		lr *= 0.9
	}
	return p
}

// rest returns what is left of a plan after some steps.
func rest(p model.Plan, steps int) model.Plan {
	n := min(steps*p.Batch, len(p.Train))
	p.Train, p.LearningRate = p.Train[n:], p.LearningRate[steps:]
	if p.Weight != nil {
		p.Weight = p.Weight[n:]
	}
	return p
}

// first returns a plan's first steps, without evaluation.
func first(p model.Plan, steps int) model.Plan {
	n := min(steps*p.Batch, len(p.Train))
	p.Train, p.LearningRate, p.Eval = p.Train[:n], p.LearningRate[:steps], nil
	if p.Weight != nil {
		p.Weight = p.Weight[:n]
	}
	return p
}

// weights returns a weight for each window of the list, of which some are 0.
func weights(rng *rand.Rand, n int) []float32 {
	var w []float32
	for i := range n {
		v := 0.2 + 3*rng.Float32()
		if i%7 == 3 {
			v = 0
		}
		w = append(w, v)
	}
	return w
}

// shuffled returns 0 … n−1 in another order.
func shuffled(rng *rand.Rand, n int) []int32 {
	list := count(n)
	rng.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}
