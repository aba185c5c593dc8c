package reference

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vklstm/model"
)

// problem is a network with parameters and rows, all drawn from one seed.
type problem struct {
	Network
	params []float64
	batch  Batch
	draw   Draw
}

// newProblem draws weights about as wide as Glorot's, and rows with some steps masked: row b's by b % 5 right, left,
// in the middle, all, none.
func newProblem(t testing.TB, B, T, F, H, D int, rate float64, seed uint64) problem {
	t.Helper()
	return problemOf(t, model.Classifier(T, F, H, rate, D), B, seed)
}

func problemOf(t testing.TB, spec model.Spec, B int, seed uint64) problem {
	t.Helper()
	n, err := NewNetwork(spec)
	if err != nil {
		t.Fatal(err)
	}
	T, F, H := n.T, n.F, n.LSTMs[0].Units
	rng := rand.New(rand.NewPCG(seed, 1))
	p := problem{Network: n, draw: Draw{Train: true, Time: 3, Key: [2]uint32{uint32(seed), 5}}}
	for range n.Layout.Size {
		p.params = append(p.params, rng.NormFloat64()/math.Sqrt(float64(H)))
	}
	for b := range B {
		p.batch.Y = append(p.batch.Y, float64(rng.IntN(2)))
		p.batch.Weight = append(p.batch.Weight, 0.5+rng.Float64())
		for step := range T {
			masked := []bool{step >= T-2, step < T/2, step == T/2, true, false}[b%5]
			p.batch.Mask = append(p.batch.Mask, !masked)
			for range F {
				v := rng.NormFloat64()
				if masked {
					v = 0
				}
				p.batch.X = append(p.batch.X, v)
			}
		}
	}
	return p
}

var losses = []model.Loss{{Kind: model.BinaryCrossentropy}, model.Focal(), {Kind: model.BinaryFocal, Alpha: 0.6, Gamma: 0.5}}

// A central difference with step h of a function whose third derivative is of the order of its gradient errs by about
// h²/6 relative, and by 2⁻⁵³/h of the function's size: 1e-7 of the gradient's largest value holds both at h = 1e-5
// with room for curvature.
const (
	differenceStep      = 1e-5
	differenceTolerance = 1e-7
)

func TestGradientByDifferences(t *testing.T) {
	for _, tc := range []struct {
		B, T, F, H, D int
		rate          float64
	}{{1, 1, 1, 1, 1, 0}, {5, 6, 3, 5, 4, 0}, {5, 7, 2, 6, 3, 0.4}} {
		for _, loss := range losses {
			t.Run(fmt.Sprintf("%v/%v", tc, loss), func(t *testing.T) {
				byDifferences(t, newProblem(t, tc.B, tc.T, tc.F, tc.H, tc.D, tc.rate, 11), loss)
			})
		}
	}
	for name, spec := range stacks() {
		t.Run(name, func(t *testing.T) { byDifferences(t, problemOf(t, spec, 5, 13), losses[1]) })
	}
}

// stacks are networks of several layers and directions.
func stacks() map[string]model.Spec {
	mixed := model.Stack(6, 3, []int{3, 4, 2}, true, 0.3, 4)
	mixed.Layers[2].Bidirectional = false
	return map[string]model.Spec{
		"stacked":               model.Stack(6, 3, []int{4, 5}, false, 0, 4),
		"bidirectional":         model.Stack(6, 3, []int{4}, true, 0.3, 4),
		"stacked bidirectional": model.Stack(6, 3, []int{3, 4}, true, 0, 4),
		"mixed":                 mixed,
	}
}

func byDifferences(t *testing.T, p problem, loss model.Loss) {
	t.Helper()
	r := p.Gradient(p.params, loss, p.batch, p.draw)
	for i, d := range denseBeforeRelu(p, r.Pass) {
		if math.Abs(d) < 1e-3 {
			t.Fatalf("unit %d is %v, at the kink of relu, where no difference is a derivative; take another seed", i, d)
		}
	}
	differences(t, "d/params", r.Grad, p.params, func() float64 { return p.Gradient(p.params, loss, p.batch, p.draw).Mean })
	differences(t, "d/x", r.DX, p.batch.X, func() float64 { return p.Gradient(p.params, loss, p.batch, p.draw).Mean })
}

// denseBeforeRelu returns what relu was applied to.
func denseBeforeRelu(p problem, pass *Pass) []float64 {
	return DenseForward(model.Linear, pass.Head[1].In, p.variable(p.params, p.FirstOfHead()), p.variable(p.params, p.FirstOfHead()+1))
}

// differences compares the gradient got with central differences of f by each element of x.
func differences(t *testing.T, what string, got, x []float64, f func() float64) {
	t.Helper()
	largest := 1e-3
	for _, g := range got {
		largest = math.Max(largest, math.Abs(g))
	}
	for i, old := range x {
		x[i] = old + differenceStep
		up := f()
		x[i] = old - differenceStep
		down := f()
		x[i] = old
		if want := (up - down) / (2 * differenceStep); math.Abs(got[i]-want) > differenceTolerance*largest {
			t.Errorf("%s[%d] = %.12g, central difference %.12g, off by %.1e of the largest", what, i, got[i], want, math.Abs(got[i]-want)/largest)
		}
	}
}

func TestLossDerivative(t *testing.T) {
	for _, loss := range losses {
		for _, y := range []float64{0, 1} {
			for z := -45.0; z <= 45; z += 1.25 {
				_, _, dl := Loss(loss, z, y)
				_, up, _ := Loss(loss, z+1e-4, y)
				_, down, _ := Loss(loss, z-1e-4, y)
				// (1e-4)²/6 of the third derivative, at most some hundredths of the largest first derivative, 1; and
				// 2⁻⁵³·45/1e-4 of rounding.
				if want := (up - down) / 2e-4; math.Abs(dl-want) > 1e-9 {
					t.Errorf("%v, y %v, logit %v: derivative %v, difference %v", loss, y, z, dl, want)
				}
			}
		}
	}
}

// Far from 0 the losses are known: a confidently wrong row loses |z| and keeps its gradient, a right one e^−|z|.
func TestLossFarOut(t *testing.T) {
	for _, tc := range []struct {
		loss      model.Loss
		z, y      float64
		l, dl, of float64 // expected, and relative tolerance
	}{
		{losses[0], 40, 0, 40, 1, 1e-15},
		{losses[0], -40, 1, 40, -1, 1e-15},
		{losses[0], -800, 1, 800, -1, 1e-15},
		{losses[0], 40, 1, math.Exp(-40), -math.Exp(-40), 1e-14},
		{losses[0], -700, 0, math.Exp(-700), math.Exp(-700), 1e-12},
		{losses[1], 40, 0, 30, 0.75, 1e-14}, // α_t·|z|, ±α_t
		{losses[1], -40, 1, 10, -0.25, 1e-14},
		{losses[1], 30, 1, 0.25 * math.Exp(-90), -0.75 * math.Exp(-90), 1e-11}, // α q²·q, −3α q³
	} {
		if _, l, dl := Loss(tc.loss, tc.z, tc.y); math.Abs(l/tc.l-1) > tc.of || math.Abs(dl/tc.dl-1) > tc.of {
			t.Errorf("%v, logit %v, y %v: loss %v, derivative %v; want %v, %v", tc.loss, tc.z, tc.y, l, dl, tc.l, tc.dl)
		}
	}
}

func TestAppendedPaddingChangesNothing(t *testing.T) {
	specs := stacks()
	specs["one layer"] = model.Classifier(6, 3, 4, 0, 3)
	for name, spec := range specs {
		longer := spec
		longer.Timesteps += 3
		p, q := problemOf(t, spec, 5, 21), problemOf(t, longer, 5, 21)
		for _, front := range []bool{false, true} {
			padded := Batch{Y: p.batch.Y, Weight: p.batch.Weight}
			for b := range 5 {
				x, mask := slices.Clone(p.batch.X[b*18:(b+1)*18]), slices.Clone(p.batch.Mask[b*6:(b+1)*6])
				if front {
					x, mask = append(make([]float64, 9), x...), append(make([]bool, 3), mask...)
				} else {
					x, mask = append(x, make([]float64, 9)...), append(mask, make([]bool, 3)...)
				}
				padded.X, padded.Mask = append(padded.X, x...), append(padded.Mask, mask...)
			}
			a, b := p.Gradient(p.params, losses[1], p.batch, Draw{}), q.Gradient(p.params, losses[1], padded, Draw{})
			equal(t, fmt.Sprintf("%s: probability, padding in front %v", name, front), b.Pass.Probability, a.Pass.Probability, 0)
			// The same terms are summed in blocks that begin elsewhere.
			equal(t, fmt.Sprintf("%s: gradient, padding in front %v", name, front), b.Grad, a.Grad, 1e-15)
		}
	}
}

func TestBatchPermutation(t *testing.T) {
	p := newProblem(t, 7, 5, 3, 4, 3, 0, 22)
	order := []int{3, 0, 6, 5, 1, 4, 2}
	var q Batch
	for _, b := range order {
		q.X, q.Mask = append(q.X, p.batch.X[b*15:(b+1)*15]...), append(q.Mask, p.batch.Mask[b*5:(b+1)*5]...)
		q.Y, q.Weight = append(q.Y, p.batch.Y[b]), append(q.Weight, p.batch.Weight[b])
	}
	a, b := p.Gradient(p.params, losses[0], p.batch, Draw{}), p.Gradient(p.params, losses[0], q, Draw{})
	for i, from := range order {
		equal(t, "probability", b.Pass.Probability[i:i+1], a.Pass.Probability[from:from+1], 0)
		equal(t, "dx", b.DX[i*15:(i+1)*15], a.DX[from*15:(from+1)*15], 0)
	}
	equal(t, "gradient", b.Grad, a.Grad, 1e-14) // summed in another order
}

// One layer of two directions is two networks of one, the second of which sees the valid steps in reverse: their last
// states side by side go into the head.
func TestBidirectionalIsTwoWalks(t *testing.T) {
	const T, F, H, D = 6, 3, 4, 3
	p := problemOf(t, model.Stack(T, F, []int{H}, true, 0, D), 5, 25)
	both := p.Forward(p.params, p.batch.X, p.batch.Mask, Draw{})
	one := newProblem(t, 5, T, F, H, D, 0, 25)
	for d := range 2 {
		x, mask := p.batch.X, p.batch.Mask
		if d == 1 {
			x, mask = nil, nil
			for b := range 5 {
				for s := T - 1; s >= 0; s-- {
					x = append(x, p.batch.X[(b*T+s)*F:(b*T+s+1)*F]...)
					mask = append(mask, p.batch.Mask[b*T+s])
				}
			}
		}
		for i := range 3 {
			copy(one.variable(one.params, i), p.variable(p.params, 3*d+i))
		}
		alone := one.Forward(one.params, x, mask, Draw{})
		equal(t, fmt.Sprintf("direction %d", d), columns(p.HLast(both), 5, 2*H, d*H, H), p.HLast(alone), 0)
	}
	equal(t, "what the head sees", both.Head[0].Out, p.HLast(both), 0)
}

// A second layer is a network of one whose input is what the first one put out in the steps that are valid.
func TestStackedIsOneBehindTheOther(t *testing.T) {
	p := problemOf(t, model.Stack(6, 3, []int{4, 5}, true, 0, 3), 5, 26)
	whole := p.Forward(p.params, p.batch.X, p.batch.Mask, Draw{})
	lower := problemOf(t, model.Stack(6, 3, []int{4}, true, 0, 3), 5, 26)
	copy(lower.params, p.params[:p.Layout.Variables[6].Offset])
	upper := problemOf(t, model.Stack(6, 8, []int{5}, true, 0, 3), 5, 26)
	copy(upper.params, p.params[p.Layout.Variables[6].Offset:])
	between := lower.Sequence(lower.Forward(lower.params, p.batch.X, p.batch.Mask, Draw{}))
	got := upper.Forward(upper.params, between, p.batch.Mask, Draw{})
	equal(t, "logit", got.Logit, whole.Logit, 0)
}

func TestFullyMaskedRow(t *testing.T) {
	p := newProblem(t, 5, 4, 3, 4, 3, 0, 23)
	r := p.Gradient(p.params, losses[1], p.batch, Draw{})
	equal(t, "h of the fully masked row", p.HLast(r.Pass)[3*4:4*4], make([]float64, 4), 0)
	equal(t, "c of the fully masked row", p.CLast(r.Pass)[3*4:4*4], make([]float64, 4), 0)
	equal(t, "dx of the fully masked row", r.DX[3*12:4*12], make([]float64, 12), 0)
	for i, g := range r.Grad {
		if math.IsNaN(g) || math.IsInf(g, 0) {
			t.Fatalf("gradient[%d] = %v", i, g)
		}
	}
	if r.Loss[3] <= 0 {
		t.Errorf("a fully masked row has loss %v; it counts", r.Loss[3])
	}
	// With biases 0, as at the start, only the last bias learns from such a row.
	clear(p.variable(p.params, model.DenseBias))
	clear(p.variable(p.params, model.OutputBias))
	row := Batch{X: make([]float64, 12), Mask: make([]bool, 4), Y: []float64{1}}
	g := p.Gradient(p.params, losses[0], row, Draw{}).Grad
	equal(t, "gradient but for the last bias", g[:len(g)-1], make([]float64, len(g)-1), 0)
	equal(t, "gradient of the last bias", g[len(g)-1:], []float64{-0.5}, 0)
}

// What lies in masked steps must not matter, and holes are the sequence without them.
func TestMaskedStepsTakeNoPart(t *testing.T) {
	p := newProblem(t, 5, 6, 3, 4, 3, 0, 24)
	want := p.Gradient(p.params, losses[0], p.batch, Draw{})
	for i := range p.batch.X {
		if !p.batch.Mask[i/3] {
			p.batch.X[i] = math.Inf(1)
		}
	}
	got := p.Gradient(p.params, losses[0], p.batch, Draw{})
	equal(t, "gradient", got.Grad, want.Grad, 0)
	equal(t, "dx", got.DX, want.DX, 0)
	for i, d := range got.DX {
		if !p.batch.Mask[i/3] && d != 0 {
			t.Fatalf("dx[%d] = %v in a masked step", i, d)
		}
	}
	q := newProblem(t, 1, 5, 3, 4, 3, 0, 24)
	row := p.batch.X[2*18 : 3*18] // masked in step 3
	hole := q.Forward(p.params, append(slices.Clone(row[:9]), row[12:]...), slices.Repeat([]bool{true}, 5), Draw{})
	equal(t, "row without its hole", hole.Probability, got.Pass.Probability[2:3], 0)
}

// equal compares within tolerance times the largest wanted value.
func equal(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	largest := 0.0
	for _, w := range want {
		largest = math.Max(largest, math.Abs(w))
	}
	if len(got) != len(want) {
		t.Fatalf("%s has %d elements, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tolerance*largest) {
			t.Errorf("%s[%d] = %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}

// TestChainsByDifferences holds the gradients of every kind of layer to central differences: relu cells, merge modes, layers that go
// backwards, normalization by a batch's moments between LSTMs and in the head, with masked steps and without, dropout anywhere, and several
// classes. No relu of these seeds is at its kink.
func TestChainsByDifferences(t *testing.T) {
	masking, value := &model.Layer{Kind: model.Masking}, &model.Layer{Kind: model.Masking, MaskValue: 0.25}
	crossentropy := model.Loss{Kind: model.CategoricalCrossentropy}
	for _, tc := range []struct {
		layers  string
		masking *model.Layer
		classes int
		loss    model.Loss
	}{
		{"lstm 4 relu", nil, 3, crossentropy},
		{"lstm 4 relu, lstm 3 relu, dense 4 relu", masking, 2, model.Loss{Kind: model.BinaryCrossentropy, LabelSmoothing: 0.2}},
		{"lstm 3, dropout 0.4, lstm 4, dropout 0.3, dense 4 tanh, dropout 0.2, dense 3 sigmoid, dense 2", nil, 3, crossentropy},
		{"bidirectional 3 sum, bidirectional 3 sum", masking, 3, model.Loss{Kind: model.CategoricalCrossentropy, LabelSmoothing: 0.3}},
		{"bidirectional 3 ave, bidirectional 3 ave", nil, 3, crossentropy},
		{"bidirectional 3 mul, bidirectional 3 mul", masking, 3, model.Loss{Kind: model.CategoricalFocal, Alpha: 0.25, Gamma: 2}},
		{"lstm 3 backwards, lstm 4", masking, 4, model.Loss{Kind: model.CategoricalFocal, ClassAlpha: []float64{0.1, 0.9, 0.4, 0.6}, Gamma: 1.5, LabelSmoothing: 0.1}},
		{"lstm 3 backwards, dropout 0.3, lstm 4 backwards", value, 2, model.Focal()},
		{"lstm 3, batchnorm, lstm 4, batchnorm", nil, 3, crossentropy},
		{"lstm 3, batchnorm, lstm 4, batchnorm, dense 4 tanh, batchnorm", masking, 2, model.Focal()},
		{"bidirectional 3, batchnorm, dropout 0.3, lstm 3 backwards, batchnorm, dropout 0.2", value, 3, crossentropy},
	} {
		t.Run(tc.layers, func(t *testing.T) {
			layers, err := model.ParseLayers(tc.layers)
			if err != nil {
				t.Fatal(err)
			}
			p := problemOf(t, model.Network(6, 3, tc.masking, layers, tc.classes), 5, 17)
			r := p.Gradient(p.params, tc.loss, p.batch, p.draw)
			f := func() float64 { return p.Gradient(p.params, tc.loss, p.batch, p.draw).Mean }
			differences(t, "d/params", r.Grad, p.params, f)
			differences(t, "d/x", r.DX, p.batch.X, f)
		})
	}
}
