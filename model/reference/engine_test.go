package reference

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"vklstm/model"
)

const (
	testN = 22
	testT = 6
	testF = 3
)

var spec = model.Classifier(testT, testF, 5, 0.3, 4)

// options returns options with every random thing in use.
func options(seed uint64, kind model.OptimizerKind) model.Options {
	o := model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Seed: seed,
		Augment: model.Augment{Prob: 0.6, Warp: 0.1, Noise: 0.05, Drop: 0.1}}
	o.Optimizer.Kind = kind
	return o
}

func newEngine(t *testing.T, o ...model.Options) *Engine {
	t.Helper()
	e, err := New(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(8, 8))
	var w model.Windows
	for i := range testN {
		w.Y = append(w.Y, float32(i%2))
		for range testT * testF {
			w.X = append(w.X, float32(rng.NormFloat64())+float32(i%2))
		}
	}
	if err := e.Load(w); err != nil {
		t.Fatal(err)
	}
	for k := range o {
		if err := e.SetState(k, spec.Init(uint64(k))); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// plan returns steps first ≤ s < last of one epoch: the same windows in the same order, 3 in a step.
func plan(epoch, first, last int) model.Plan {
	p := model.Plan{Epoch: epoch, Batch: 3}
	for i := first * 3; i < min(last*3, testN); i++ {
		w := int32(i * 5 % testN)
		p.Train, p.Weight = append(p.Train, w), append(p.Weight, 0.5+float32(w%3))
	}
	for s := range p.Steps() {
		p.LearningRate = append(p.LearningRate, 0.01/float64(1+first+s))
	}
	return p
}

func run(t *testing.T, e *Engine, plans ...model.Plan) []Outcome {
	t.Helper()
	out, err := e.Epoch64(context.Background(), plans)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Ten steps, save, load, ten more equal twenty.
func TestContinuedRun(t *testing.T) {
	for _, kind := range []model.OptimizerKind{model.Adam, model.SGD} {
		whole, first, second := newEngine(t, options(1, kind)), newEngine(t, options(1, kind)), newEngine(t, options(1, kind))
		for epoch := range 4 {
			run(t, whole, plan(epoch, 0, 5))
		}
		for epoch := range 2 {
			run(t, first, plan(epoch, 0, 5))
		}
		if err := second.SetState64(0, first.State64(0)); err != nil {
			t.Fatal(err)
		}
		for epoch := 2; epoch < 4; epoch++ {
			run(t, second, plan(epoch, 0, 5))
		}
		if !reflect.DeepEqual(whole.State64(0), second.State64(0)) {
			t.Errorf("%s: ten steps, save, load, ten more differ from twenty", kind)
		}
		if whole.State64(0).Step != 20 {
			t.Errorf("%s: step %d, want 20", kind, whole.State64(0).Step)
		}
	}
}

// The steps of an epoch may be taken in two calls.
func TestSplitEpoch(t *testing.T) {
	a, b := newEngine(t, options(1, model.Adam)), newEngine(t, options(1, model.Adam))
	out := run(t, a, plan(0, 0, 8))[0]
	one, two := run(t, b, plan(0, 0, 3))[0], run(t, b, plan(0, 3, 8))[0]
	equal(t, "probability", append(one.Probability, two.Probability...), out.Probability, 0)
	equal(t, "params", b.State64(0).Params, a.State64(0).Params, 0)
	if out.Steps != 8 || len(out.Probability) != testN || len(out.Loss) != testN {
		t.Errorf("%d steps, %d probabilities, %d losses", out.Steps, len(out.Probability), len(out.Loss))
	}
}

// A model does not notice the others beside it.
func TestModelsSideBySide(t *testing.T) {
	o := []model.Options{options(1, model.Adam), options(2, model.SGD), options(1, model.Adam)}
	o[2].Loss = model.Loss{Kind: model.BinaryCrossentropy}
	together := newEngine(t, o...)
	plans := []model.Plan{plan(0, 0, 8), plan(3, 0, 2), {}}
	plans[2].Eval = []int32{4, 2}
	out := run(t, together, plans...)
	for k := range o {
		alone := newEngine(t, o[k])
		if err := alone.SetState(0, spec.Init(uint64(k))); err != nil {
			t.Fatal(err)
		}
		if want := run(t, alone, plans[k])[0]; !reflect.DeepEqual(out[k], want) {
			t.Errorf("model %d differs from the same alone", k)
		}
		if !reflect.DeepEqual(together.State64(k), alone.State64(0)) {
			t.Errorf("model %d's state differs from the same alone", k)
		}
	}
	if s := together.State64(2); s.Step != 0 || len(out[2].EvalProbability) != 2 {
		t.Errorf("a plan without windows: step %d, %d evaluated", s.Step, len(out[2].EvalProbability))
	}
}

// Gradient is what Epoch goes down, and takes no step: one step of SGD at rate 1 subtracts it.
func TestGradientIsTheStep(t *testing.T) {
	e := newEngine(t, options(1, model.SGD))
	p := plan(2, 0, 1)
	p.LearningRate = []float64{1}
	before := e.State64(0)
	g, out, err := e.Gradient64(0, p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before, e.State64(0)) {
		t.Error("Gradient changed the state")
	}
	stepped := run(t, e, p)[0]
	equal(t, "probability", out.Probability, stepped.Probability, 0)
	equal(t, "loss", out.Loss, stepped.Loss, 0)
	for i, v := range e.State64(0).Params {
		if want := before.Params[i] - g[i]; v != want {
			t.Fatalf("parameter %d is %v, want %v", i, v, want)
		}
	}
}

// Evaluation and Predict see neither dropout nor augmentation, and agree; weights stay out of EvalLoss.
func TestEvaluation(t *testing.T) {
	e := newEngine(t, options(1, model.Adam))
	p := plan(0, 0, 2)
	p.Eval = []int32{7, 0, 21, 7}
	out := run(t, e, p)[0]
	var x []float32
	for _, w := range p.Eval {
		x = append(x, e.windows.X[int(w)*testT*testF:int(w+1)*testT*testF]...)
	}
	got, err := e.Predict(context.Background(), 0, x)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range out.EvalProbability {
		if got[i] != float32(q) {
			t.Errorf("window %d: evaluated %v, predicted %v", i, q, got[i])
		}
		y := float64(e.windows.Y[p.Eval[i]])
		if _, l, _ := Loss(model.Focal(), math.Log(q/(1-q)), y); math.Abs(l-out.EvalLoss[i]) > 1e-12 {
			t.Errorf("window %d: loss %v, of its probability %v", i, out.EvalLoss[i], l)
		}
	}
	if out.EvalProbability[0] != out.EvalProbability[3] {
		t.Error("the same window evaluated twice differs")
	}
}

// afterSteps is a context that ends when it has been asked n times.
type afterSteps struct {
	context.Context
	n int
}

func (c *afterSteps) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

func TestCancelledEpoch(t *testing.T) {
	e, want := newEngine(t, options(1, model.Adam)), newEngine(t, options(1, model.Adam))
	p := plan(0, 0, 8)
	p.Eval = []int32{1}
	out, err := e.Epoch(&afterSteps{context.Background(), 3}, []model.Plan{p})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	run(t, want, plan(0, 0, 3))
	if q := out[0]; q.Steps != 3 || len(q.Probability) != 9 || len(q.EvalProbability) != 0 {
		t.Errorf("%d steps, %d probabilities, %d evaluated; want 3, 9, 0", q.Steps, len(q.Probability), len(q.EvalProbability))
	}
	equal(t, "params", e.State64(0).Params, want.State64(0).Params, 0)
}

func TestEngineErrors(t *testing.T) {
	if _, err := New(model.Classifier(0, 3, 5, 0, 4), []model.Options{options(1, model.Adam)}); err == nil {
		t.Error("0 timesteps: no error")
	}
	if _, err := New(spec, []model.Options{{}}); err == nil {
		t.Error("no loss: no error")
	}
	if _, err := New(model.Classifier(40000, 1, 1, 0, 1), []model.Options{options(1, model.Adam)}); err == nil {
		t.Error("a warp of 40000 timesteps: no error")
	}
	e := newEngine(t, options(1, model.Adam))
	for what, err := range map[string]error{
		"Load":       e.Load(model.Windows{X: make([]float32, 5), Y: make([]float32, 1)}),
		"SetState":   e.SetState(0, model.NewState(3)),
		"SetState64": e.SetState64(0, NewState(3)),
	} {
		if !errors.Is(err, model.ErrShape) {
			t.Errorf("%s: error %v; want one that wraps ErrShape", what, err)
		}
	}
	if _, err := e.Predict(context.Background(), 0, make([]float32, 5)); !errors.Is(err, model.ErrShape) {
		t.Errorf("Predict: error %v", err)
	}
}

// Rounding must move results, by about what float32 loses; the same run moves them alike.
func TestRounding(t *testing.T) {
	p := newProblem(t, 5, 30, 3, 8, 4, 0, 31)
	want := p.Gradient(p.params, losses[1], p.batch, Draw{})
	for run := range uint64(4) {
		p.Rounding = NewRounding(run)
		got := p.Gradient(p.params, losses[1], p.batch, Draw{})
		p.Rounding = NewRounding(run)
		again := p.Gradient(p.params, losses[1], p.batch, Draw{})
		equal(t, "gradient", got.Grad, want.Grad, 1e-4)
		equal(t, "the same run again", again.Grad, got.Grad, 0)
		moved := 0.0
		for i := range got.Grad {
			moved = math.Max(moved, math.Abs(got.Grad[i]-want.Grad[i]))
		}
		if moved < 1e-9 {
			t.Errorf("run %d moved the gradient by %v at most", run, moved)
		}
	}
}
