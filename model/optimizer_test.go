package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/model"
	"vklstm/model/reference"
)

var small = model.Classifier(4, 3, 5, 0, 4)

// One step in float32 against the same in float64. Where nothing cancels, a step makes ten roundings of 2⁻²⁴ relative
// to the change, and two relative to the parameter; m is a difference, so its error is relative to what is subtracted.
func TestStepAgainstReference(t *testing.T) {
	l := small.Layout()
	adam := model.DefaultAdam()
	with := func(change func(*model.Optimizer)) model.Optimizer {
		o := adam
		change(&o)
		return o
	}
	for _, o := range []model.Optimizer{
		adam,
		with(func(o *model.Optimizer) { o.ClipNorm = 0.5 }),
		with(func(o *model.Optimizer) { o.ClipNorm = 1e6 }),
		with(func(o *model.Optimizer) { o.GlobalClipNorm = 0.5 }),
		with(func(o *model.Optimizer) { o.WeightDecay = 0.05 }),
		with(func(o *model.Optimizer) { o.Beta1, o.Beta2, o.Epsilon = 0.8, 0.95, 1e-3 }),
		{Kind: model.SGD},
		{Kind: model.SGD, GlobalClipNorm: 0.5, WeightDecay: 0.01},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			s, want := model.NewState(l.Size), reference.NewState(l.Size)
			for i := range l.Size {
				s.Params[i] = float32(rng.NormFloat64())
				want.Params[i] = float64(s.Params[i])
			}
			for step := range 20 {
				grad, wide := make([]float32, l.Size), make([]float64, l.Size)
				for i := range grad {
					grad[i] = float32(rng.NormFloat64())
					wide[i] = float64(grad[i])
				}
				lr := 0.01 / float64(step+1)
				before := want.Clone()
				o.Step(l, s, grad, lr)
				if o.Kind == model.SGD {
					reference.SGDUpdate(o, l, want, wide, lr)
				} else {
					reference.AdamUpdate(o, l, want, wide, lr)
				}
				const u = 0x1p-24
				for i := range want.Params {
					near(t, "m", i, s.M[i], want.M[i], u*(4*math.Abs(before.M[i])+8*math.Abs(wide[i])))
					near(t, "v", i, s.V[i], want.V[i], u*10*want.V[i])
					// m's error relative to m, times the change that m makes.
					change := math.Abs(want.Params[i] - before.Params[i])
					cancelled := 0.0
					if want.M[i] != 0 {
						cancelled = (4*math.Abs(before.M[i]) + 8*math.Abs(wide[i])) / math.Abs(want.M[i])
					}
					near(t, "p", i, s.Params[i], want.Params[i], u*(2*math.Abs(want.Params[i])+change*(10+cancelled)))
				}
				if t.Failed() {
					t.Fatalf("in step %d", step+1)
				}
				// Each step is judged by itself: the next begins from the same numbers.
				for i := range want.Params {
					want.Params[i], want.M[i], want.V[i] = float64(s.Params[i]), float64(s.M[i]), float64(s.V[i])
				}
			}
			if s.Step != 20 {
				t.Errorf("step %d, want 20", s.Step)
			}
		})
	}
}

func near(t *testing.T, what string, i int, got float32, want, tolerance float64) {
	t.Helper()
	if e := math.Abs(float64(got) - want); !(e <= tolerance) {
		t.Errorf("%s[%d] = %v, want %v: off by %.2e, tolerance %.2e", what, i, got, want, e, tolerance)
	}
}

// The bias correction uses β rounded to float32, unless the β are exact.
func TestAlpha(t *testing.T) {
	o := model.DefaultAdam()
	for _, step := range []int{1, 2, 10, 1000, 100000} {
		b1, b2 := float64(float32(0.9)), 0.9990000128746033
		want := 2e-3 * math.Sqrt(1-math.Pow(b2, float64(step))) / (1 - math.Pow(b1, float64(step)))
		if got := o.Alpha(2e-3, step); math.Abs(got/want-1) > 1e-14 {
			t.Errorf("step %d: α %v, want %v", step, got, want)
		}
	}
	exact := o
	exact.ExactBetas = true
	if ratio := o.Alpha(1, 1) / exact.Alpha(1, 1); math.Abs(ratio-1+6.7e-6) > 1e-7 {
		t.Errorf("rounded β change α by %v; Keras's by −6.7e-6", ratio-1)
	}
	if a := (model.Optimizer{Kind: model.SGD}).Alpha(0.3, 7); a != 0.3 {
		t.Errorf("SGD's α is %v, want the learning rate", a)
	}
}

func TestClipFactors(t *testing.T) {
	squares := []float64{9, 0.0025, 16, 0}
	for _, tc := range []struct {
		o    model.Optimizer
		want []float64
	}{
		{model.Optimizer{}, []float64{1, 1, 1, 1}},
		{model.Optimizer{ClipNorm: 1.5}, []float64{0.5, 1, 0.375, 1}},
		{model.Optimizer{GlobalClipNorm: 2.5}, []float64{2.5 / math.Sqrt(25.0025), 2.5 / math.Sqrt(25.0025), 2.5 / math.Sqrt(25.0025), 2.5 / math.Sqrt(25.0025)}},
		{model.Optimizer{GlobalClipNorm: 10}, []float64{1, 1, 1, 1}},
	} {
		for i, got := range tc.o.ClipFactors(squares) {
			if math.Abs(got-tc.want[i]) > 1e-15 {
				t.Errorf("%+v: factor %d is %v, want %v", tc.o, i, got, tc.want[i])
			}
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		for i, got := range (model.Optimizer{GlobalClipNorm: 1}).ClipFactors([]float64{1, bad}) {
			if got == got {
				t.Errorf("a square of %v: factor %d is %v, want NaN", bad, i, got)
			}
		}
	}
	if got := (model.Optimizer{GlobalClipNorm: 1}).ClipFactors([]float64{0, 0}); got[0] != 1 {
		t.Errorf("a gradient of zeros: factor %v, want 1", got[0])
	}
}

func TestOptimizerCheck(t *testing.T) {
	for _, change := range []func(*model.Optimizer){
		func(o *model.Optimizer) { o.Kind = "lion" },
		func(o *model.Optimizer) { o.Beta1 = 1 },
		func(o *model.Optimizer) { o.Beta2 = math.NaN() },
		func(o *model.Optimizer) { o.Epsilon = 0 },
		func(o *model.Optimizer) { o.ClipNorm = -1 },
		func(o *model.Optimizer) { o.GlobalClipNorm = math.Inf(1) },
		func(o *model.Optimizer) { o.WeightDecay = math.NaN() },
		func(o *model.Optimizer) { o.ClipNorm, o.GlobalClipNorm = 1, 1 },
	} {
		o := model.DefaultAdam()
		if err := o.Check(); err != nil {
			t.Fatal(err)
		}
		if change(&o); o.Check() == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if err := (model.Optimizer{Kind: model.SGD}).Check(); err != nil {
		t.Error(err)
	}
}
