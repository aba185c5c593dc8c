package enginetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/judge"
)

// network is a Spec of layers as the command line has them.
type network struct {
	layers  string
	masking *model.Layer // nil: none
	classes int          // 2: one output with sigmoid
}

var masking = &model.Layer{Kind: model.Masking}

func maskingOf(value float64) *model.Layer {
	return &model.Layer{Kind: model.Masking, MaskValue: value}
}

// spec returns the network for windows of t × f.
func (n network) spec(tb testing.TB, t, f int) model.Spec {
	tb.Helper()
	layers, err := model.ParseLayers(n.layers)
	if err != nil {
		tb.Fatal(err)
	}
	return model.Network(t, f, n.masking, layers, n.classes)
}

func (n network) String() string {
	mask := "no masking"
	if n.masking != nil {
		mask = fmt.Sprintf("masking %v", n.masking.MaskValue)
	}
	return fmt.Sprintf("%s, %s, %d classes", mask, n.layers, n.classes)
}

// loss returns one that the network may have.
func (n network) loss() model.Loss {
	if n.classes > 2 {
		return model.Loss{Kind: model.CategoricalCrossentropy}
	}
	return model.Loss{Kind: model.BinaryCrossentropy}
}

// networks are of every kind that a layer may be of, and of where it may stand.
var networks = []network{
	{"lstm 9, dropout 0.3, dense 5 relu", nil, 2},
	{"lstm 9, dropout 0.3, dense 5 relu", maskingOf(-1), 2},
	{"lstm 9, dropout 0.3, dense 5 relu", maskingOf(0.5), 4},
	{"lstm 9", nil, 2},
	{"lstm 9", masking, 3},
	{"lstm 18 relu", nil, 3},
	{"lstm 18 relu", masking, 2},
	{"lstm 7 relu, lstm 17 relu, lstm 5 relu, dense 6 relu, dense 4 relu", nil, 3},
	{"lstm 7, dropout 0.3, lstm 5, dropout 0.4, dense 6 tanh, dropout 0.2, dense 4 sigmoid, dropout 0.1, dense 3", nil, 3},
	{"lstm 7, dropout 0.3, lstm 5, dropout 0.4, dense 6 tanh, dropout 0.2, dense 17 sigmoid, dropout 0.1, dense 3", masking, 2},
	{"bidirectional 6, dropout 0.5, bidirectional 5, dropout 0.3, dense 4 relu", masking, 3},
	{"bidirectional 6 sum, bidirectional 5 sum", masking, 3},
	{"bidirectional 6 ave, bidirectional 5 ave", nil, 3},
	{"bidirectional 6 mul, bidirectional 5 mul", masking, 3},
	{"bidirectional 6 relu mul, lstm 5 relu, dense 4 relu", masking, 2},
	{"lstm 6 backwards", masking, 3},
	{"lstm 6 backwards, lstm 5", nil, 3},
	{"lstm 6 backwards, lstm 5", masking, 3},
	{"lstm 6 backwards, dropout 0.3, lstm 5 backwards, bidirectional 4, dense 5 relu", masking, 3},
	{"lstm 6, batchnorm, dense 5 relu, batchnorm 0.9 1e-5, dense 4", nil, 3},
	{"lstm 6, batchnorm, dense 5 relu, batchnorm 0.9 1e-5, dense 4", masking, 2},
	{"lstm 6, batchnorm, lstm 5, batchnorm", nil, 3},
	{"lstm 6, batchnorm 0.8, dropout 0.2, lstm 5, dropout 0.2, batchnorm", masking, 3},
	{"bidirectional 6, batchnorm, bidirectional 5 mul, batchnorm, batchnorm, dense 17 relu", masking, 3},
	{"lstm 6 backwards, batchnorm, lstm 5", masking, 3},
	{"lstm 16, dense 33 relu, dense 16 sigmoid, dense 1 relu, dense 15 relu", nil, 17},
}

// Chains runs the tests of networks of every chain of layers, and of more classes than two, on the engines that new makes, as
// subtest name.
func Chains(t *testing.T, name string, new New, tol Tolerances) {
	s := suite{new: new, tol: tol}
	t.Run(name, func(t *testing.T) {
		t.Run("steps", s.chainSteps)
		t.Run("losses", s.categoricalLosses)
		t.Run("sure", s.sureOfAClass)
		t.Run("augmented", s.chainAugmented)
		t.Run("short last batch", s.shortLastBatch)
		t.Run("fully masked", func(t *testing.T) {
			s.fullyMasked(t, network{"bidirectional 9 ave, lstm 5 relu backwards, dense 4 relu", masking, 2}.spec(t, 6, 3))
		})
		t.Run("models side by side", func(t *testing.T) {
			for _, n := range []network{
				{"lstm 9 relu, dropout 0.3, lstm 5, dense 4 relu", nil, 2},
				{"bidirectional 6, batchnorm, lstm 5, dropout 0.3, batchnorm, dense 4 relu", masking, 2},
			} {
				t.Run(n.layers, func(t *testing.T) {
					s.sideBySide(t, func(kind model.OptimizerKind) scenario { return poolOf(kind, n.spec(t, 9, 4)) })
				})
			}
		})
	})
}

// labelled returns windows as the network masks them, with a class for each and some values missing.
func labelled(rng *rand.Rand, n network, rows, t, f int) model.Windows {
	w := windows(rng, rows, t, f, n.masking != nil)
	for i := range w.X {
		switch {
		case w.X[i] == 0 && n.masking != nil:
			w.X[i] = float32(n.masking.MaskValue)
		case rng.IntN(9) == 0:
			w.X[i] = nan
		case rng.IntN(9) == 0:
			w.X[i] = 0
		}
	}
	for i := range w.Y {
		w.Y[i] = float32(rng.IntN(n.classes))
	}
	return w
}

// chainSteps compares gradient, outcome and two steps of each network, with scaling and weights.
func (s suite) chainSteps(t *testing.T) {
	for i, n := range networks {
		t.Run(strings.ReplaceAll(n.String(), ", ", ","), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 3))
			T, F, rows := 5+i%4, 1+i%5, 12+5*(i%3)
			w := labelled(rng, n, rows+5, T, F)
			p := plan(shuffled(rng, rows), (rows+1)/2, 0.1)
			p.Weight, p.Eval = weights(rng, rows), judge.Between(rows, rows+5)
			o := sgd()
			o.Loss = n.loss()
			for f := range F {
				o.Scaling.Offset, o.Scaling.Factor = append(o.Scaling.Offset, 0.25*float32(f)), append(o.Scaling.Factor, 1.5)
			}
			s.compare(t, one(n.spec(t, T, F), o, w, p))
		})
	}
}

// categoricalLosses compares the losses of several classes, and label smoothing, with weights.
func (s suite) categoricalLosses(t *testing.T) {
	for _, loss := range []model.Loss{
		{Kind: model.CategoricalCrossentropy}, {Kind: model.CategoricalCrossentropy, LabelSmoothing: 0.2},
		{Kind: model.CategoricalFocal, Alpha: 0.25, Gamma: 2}, {Kind: model.CategoricalFocal, ClassAlpha: []float64{0.1, 0.9, 0.4}, Gamma: 1.5},
		{Kind: model.CategoricalFocal, Alpha: 0.6, Gamma: 2, LabelSmoothing: 0.1}, {Kind: model.CategoricalFocal, Alpha: 0.6},
		{Kind: model.CategoricalFocal, ClassAlpha: []float64{0.1, 0.9, 0.4}, Gamma: 1.5, LabelSmoothing: 0.1},
		{Kind: model.BinaryCrossentropy, LabelSmoothing: 0.2},
	} {
		t.Run(fmt.Sprintf("%s α=%v%v γ=%v smoothing=%v", loss.Kind, loss.Alpha, loss.ClassAlpha, loss.Gamma, loss.LabelSmoothing), func(t *testing.T) {
			n := network{"lstm 10, dense 6 relu", masking, 3}
			if !loss.Categorical() {
				n.classes = 2
			}
			rng := rand.New(rand.NewPCG(3, 4))
			o := sgd()
			o.Loss = loss
			p := plan(count(9), 5, 0.5)
			p.Weight, p.Eval = weights(rng, 9), judge.Between(6, 12)
			s.compare(t, one(n.spec(t, 5, 3), o, labelled(rng, n, 12, 5, 3), p))
		})
	}
}

// sureOfAClass compares windows of which the model is sure, rightly and wrongly.
func (s suite) sureOfAClass(t *testing.T) {
	n := network{"lstm 6", nil, 3}
	spec := n.spec(t, 4, 2)
	l := spec.Layout()
	for _, loss := range []model.Loss{{Kind: model.CategoricalCrossentropy}, {Kind: model.CategoricalFocal, Alpha: 0.25, Gamma: 2}} {
		for _, logit := range []float32{40, -40, 90, 1000} {
			t.Run(fmt.Sprintf("%s logit=%v", loss.Kind, logit), func(t *testing.T) {
				o := sgd()
				o.Loss = loss
				w := windows(rand.New(rand.NewPCG(5, 6)), 3, 4, 2, false)
				w.Y = []float32{0, 1, 2}
				c := one(spec, o, w, plan(count(3), 3, 0.1))
				c.Epochs[0][0].Eval = count(3)
				clear(l.Variables[3].Of(c.Start[0].Params))
				copy(l.Variables[4].Of(c.Start[0].Params), []float32{logit, 0, -1})
				s.compare(t, c)
			})
		}
	}
}

// chainAugmented trains on windows that are moved and varied, with a mask value that scaling moves, and without a mask.
func (s suite) chainAugmented(t *testing.T) {
	for _, n := range []network{
		{"lstm 8, dropout 0.3, lstm 5 relu, batchnorm", maskingOf(-1), 3},
		{"bidirectional 8 sum, dropout 0.3, dense 5 tanh", nil, 2},
	} {
		t.Run(n.String(), func(t *testing.T) {
			const T, F, rows = 10, 4, 26
			rng := rand.New(rand.NewPCG(13, 14))
			w := labelled(rng, n, rows+6, T, F)
			o := model.Options{Loss: n.loss(), Optimizer: model.Optimizer{Kind: model.SGD}, Seed: 77, Augment: model.Augment{Prob: 0.6, Warp: 0.15,
				Noise: 0.07, Drop: 0.2, MoveProb: 0.5, Shift: 0.3, Magnitude: 0.2, Rotate: 40, Triplets: 1}}
			for range F {
				o.Scaling.Offset, o.Scaling.Factor = append(o.Scaling.Offset, -1), append(o.Scaling.Factor, 0.5)
			}
			c := scenario{Spec: n.spec(t, T, F), Options: []model.Options{o}, Windows: w, Start: []*model.State{start(n.spec(t, T, F), 21)}}
			c.Start[0].Step = 1000
			for e := range 2 {
				p := plan(shuffled(rng, rows), 6, 0.1)
				p.Epoch, p.Eval = 3+e, judge.Between(rows, rows+6)
				c.Epochs = append(c.Epochs, []model.Plan{p})
			}
			s.compare(t, c)
		})
	}
}

// shortLastBatch trains a network that normalizes on batches of which the last has one window: moments are of that one alone.
func (s suite) shortLastBatch(t *testing.T) {
	n := network{"lstm 7, batchnorm 0.7, lstm 6, dense 5 relu, batchnorm 0.6", masking, 3}
	for _, rows := range []int{10, 21, 33} {
		rng := rand.New(rand.NewPCG(uint64(rows), 14))
		o := sgd()
		o.Loss = n.loss()
		p := plan(shuffled(rng, rows), 16, 0.05)
		if rows == 10 {
			p = plan(shuffled(rng, rows), 9, 0.05)
		}
		p.Eval = count(rows)
		s.compare(t, one(n.spec(t, 6, 3), o, labelled(rng, n, rows, 6, 3), p))
	}
}
