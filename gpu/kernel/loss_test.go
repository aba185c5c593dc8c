package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/gpu/kernel"
	"vklstm/model"
	"vklstm/model/reference"
	"vklstm/shaders/words"
)

// lossTol bounds the relative errors of probability, loss and gradient, by TestActivations: for a = |z| a sigmoid errs
// by 12 + 4a units of u, a softplus by 18 + 4a. q^γ = exp(−x), x = γ·softplus, errs by what x errs, x·(19 + 4a), and by
// exp's own 6 + 4x. Weights, α, γ and the sum of two positive terms take fewer than ten roundings more.
func lossTol(l model.Loss, s, z float64) (probability, loss, gradient float64) {
	a, factor := math.Abs(z), 0.0
	if l.Kind == model.BinaryFocal {
		x := l.Gamma * reference.Softplus(s*z)
		factor = 6 + 4*x + x*(19+4*a)
	}
	return (12 + 4*a) * u, (18 + 4*a + factor + 10) * u, (18 + 4*a + factor + 10) * u
}

// lossCase is a pass over R rows of a step of B places.
type lossCase struct {
	K, R, B, S, row0, step int
	logit, weight, label   []float32
	order, schedule        []uint32
	options                []model.Options
}

func newLossCase(rng *rand.Rand, K, R, B, row0 int, loss []model.Loss, scale float64) lossCase {
	c := lossCase{K: K, R: R, B: B, S: 3, row0: row0, step: 2}
	c.logit, c.weight, c.label = randoms(rng, K*R, scale), randoms(rng, c.S*K*B, 2), make([]float32, 50)
	for i := range c.label {
		c.label[i] = float32(rng.IntN(2))
	}
	for i := range c.S * K * B {
		w := rng.Uint32N(50)
		c.weight[i] = float32(math.Abs(float64(c.weight[i])))
		if rng.IntN(6) == 0 {
			w, c.weight[i] = words.NoWindow, 0
		}
		c.order = append(c.order, w)
	}
	for i := range c.S * K * 4 {
		w := rng.Uint32()
		if i%4 == 2 {
			w = math.Float32bits(1 / float32(1+rng.IntN(B)))
		}
		c.schedule = append(c.schedule, w)
	}
	for k := range K {
		c.options = append(c.options, model.Options{Loss: loss[k%len(loss)]})
	}
	return c
}

func (c *lossCase) check(t *testing.T, d *gpu.Device) {
	t.Helper()
	var options []uint32
	for _, o := range c.options {
		options = append(options, optionsOf(o, 0, 0)...)
	}
	places := c.S * c.K * c.B
	k := kernel.Loss{
		Logit: put(t, d, "logit", c.logit), OrderWindow: put(t, d, "order", c.order), OrderWeight: put(t, d, "weight", c.weight),
		Label: put(t, d, "label", c.label), Options: put(t, d, "options", options), Schedule: put(t, d, "schedule", c.schedule),
		Cursor: put(t, d, "cursor", []uint32{uint32(c.step)}), Probability: blank[float32](t, d, "probability", places),
		Loss: blank[float32](t, d, "loss", places), DLogit: blank[float32](t, d, "dlogit", c.K*c.R),
		K: c.K, R: c.R, B: c.B, S: c.S, Row0: c.row0,
	}
	run(t, d, k)
	// Places of other steps and passes keep the canary.
	p, l, dl := make([]float64, places), make([]float64, places), make([]float64, c.K*c.R)
	tp, tl, tdl := make([]float64, places), make([]float64, places), make([]float64, c.K*c.R)
	for i := range p {
		p[i], l[i], tp[i], tl[i] = float64(canary[float32]()), float64(canary[float32]()), tiny, tiny
	}
	for m := range c.K {
		for r := range c.R {
			at, i := (c.step*c.K+m)*c.B+c.row0+r, m*c.R+r
			tdl[i], p[at], l[at] = tiny, 0, 0
			if c.order[at] == words.NoWindow {
				continue
			}
			kind, z, y, w := c.options[m].Loss, float64(c.logit[i]), float64(c.label[c.order[at]]), float64(c.weight[at])
			kind.Alpha, kind.Gamma = float64(float32(kind.Alpha)), float64(float32(kind.Gamma))
			inverse := float64(math.Float32frombits(c.schedule[(c.step*c.K+m)*words.Schedule+words.InverseBatch]))
			p[at], l[at], dl[i] = reference.Loss(kind, z, y)
			tp[at], tl[at], tdl[i] = lossTol(kind, 2*y-1, z)
			l[at], dl[i] = l[at]*w, dl[i]*w*inverse
			tp[at], tl[at], tdl[i] = tp[at]*p[at]+tiny, tl[at]*l[at]+tiny, tdl[i]*math.Abs(dl[i])+tiny
		}
	}
	nearEach(t, "probability[S][K][B]", get(t, k.Probability), p, tp, c.S, c.K, c.B)
	nearEach(t, "loss[S][K][B]", get(t, k.Loss), l, tl, c.S, c.K, c.B)
	nearEach(t, "dlogit[K][R]", get(t, k.DLogit), dl, tdl, c.K, c.R)
}

var losses = []model.Loss{
	model.Focal(), {Kind: model.BinaryCrossentropy}, {Kind: model.BinaryFocal, Alpha: 0.9, Gamma: 0},
	{Kind: model.BinaryFocal, Alpha: 0, Gamma: 0.5}, {Kind: model.BinaryFocal, Alpha: 1, Gamma: 5},
}

func TestLoss(t *testing.T) {
	for _, tc := range []struct {
		name          string
		K, R, B, row0 int
		first         int // loss of the first model
		scale         float64
	}{
		{"one row", 1, 1, 1, 0, 0, 3},
		{"ragged, second pass, all losses", 5, 7, 17, 9, 0, 4},
		{"production shape, focal", 1, 32, 32, 0, 0, 3},
		{"production shape, crossentropy", 1, 32, 32, 0, 1, 3},
		{"confident, all losses", 5, 131, 131, 0, 0, 90},
	} {
		t.Run(tc.name, func(t *testing.T) {
			devices(t, func(t *testing.T, d *gpu.Device) {
				c := newLossCase(source(t), tc.K, tc.R, tc.B, tc.row0, losses[tc.first:], tc.scale)
				c.check(t, d)
			})
		})
	}
}

// Logits at the ends of the range: the losses stay finite and keep their gradient, since nothing is clipped.
func TestLossExtremes(t *testing.T) {
	for _, loss := range losses {
		c := newLossCase(source(t), 1, 20, 20, 0, []model.Loss{loss}, 1)
		copy(c.logit, []float32{0, 1e-7, -1e-7, 0.5, -0.5, 17, -17, 40, -40, 88, -88, 100, -100, 1000, -1000, 1e30, -1e30, 3e38, -3e38, 1})
		for i := range c.order {
			c.order[i], c.weight[i] = uint32(i%2), 1
		}
		c.label[0], c.label[1] = 0, 1
		c.check(t, gputest.Device(t))
		for i := range c.order { // the other class
			c.order[i] = uint32(1 - i%2)
		}
		c.check(t, gputest.Device(t))
	}
}

// Rows without a window give 0, even from a logit that is not a number.
func TestLossNoWindow(t *testing.T) {
	d := gputest.Device(t)
	c := newLossCase(source(t), 1, 3, 3, 0, losses, 1)
	for i := range c.order {
		c.order[i], c.weight[i] = words.NoWindow, 1
	}
	c.logit = []float32{float32(math.NaN()), float32(math.Inf(1)), 1}
	c.check(t, d)
}

func BenchmarkLoss(b *testing.B) {
	b.Run("B=32", func(b *testing.B) {
		d := gputest.Device(b)
		c := newLossCase(source(b), 1, 32, 32, 0, losses, 1)
		bench(b, d, 0, 4*32*7, kernel.Loss{
			Logit: put(b, d, "logit", c.logit), OrderWindow: put(b, d, "order", c.order), OrderWeight: put(b, d, "weight", c.weight),
			Label: put(b, d, "label", c.label), Options: put(b, d, "options", optionsOf(c.options[0], 0, 0)),
			Schedule: put(b, d, "schedule", c.schedule), Cursor: put(b, d, "cursor", []uint32{0}),
			Probability: blank[float32](b, d, "probability", 96), Loss: blank[float32](b, d, "loss", 96), DLogit: blank[float32](b, d, "dlogit", 32),
			K: 1, R: 32, B: 32, S: 3,
		})
	})
}
