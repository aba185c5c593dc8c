//go:build cgo

package cpu

import (
	"math"
	"slices"
	"testing"

	"vklstm/model"
	"vklstm/model/judge/enginetest"
)

func testEngine(tb testing.TB, spec model.Spec, opts []model.Options, threads int, settings ...Setting) *Engine {
	tb.Helper()
	e, err := newEngine(spec, opts, threads, settings...)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// judged are the instruction sets that are compared with the reference: under the race detector one, since it sees what Go
// does around the kernels, which is the same for each.
func judged() []string {
	if raced {
		return InstructionSets()[:1]
	}
	return InstructionSets()
}

func TestEngine(t *testing.T) {
	for _, isa := range judged() {
		enginetest.Run(t, isa, func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
			return testEngine(t, spec, opts, 2, InstructionSet(isa))
		}, enginetest.Tolerances{})
	}
}

func TestStacks(t *testing.T) {
	for _, isa := range judged() {
		enginetest.Stacks(t, isa, func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
			return testEngine(t, spec, opts, 2, InstructionSet(isa))
		}, enginetest.Tolerances{})
	}
}

func TestChains(t *testing.T) {
	for _, isa := range judged() {
		enginetest.Chains(t, isa, func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
			return testEngine(t, spec, opts, 2, InstructionSet(isa))
		}, enginetest.Tolerances{})
	}
}

// Training goes Keras's way, step by step.
func TestSteps(t *testing.T) {
	for _, isa := range judged() {
		enginetest.Steps(t, isa, func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
			return testEngine(t, spec, opts, 2, InstructionSet(isa))
		}, enginetest.Tolerances{})
	}
}

// A vector holds 4, 8 or 16 floats, a tile up to 6 rows and 4 vectors, a block 8 rows or 16; a panel is worked on in pieces of
// 96, 192 or 384 rows, and a weight gradient in pieces of 64 row-steps.
func TestSizes(t *testing.T) {
	for _, isa := range judged() {
		t.Run(isa, func(t *testing.T) {
			size := func(B, T, F, H, D int) enginetest.Size { return enginetest.Size{B: B, T: T, F: F, H: H, D: D} }
			stack := func(B, T int, both bool, H, then int) enginetest.Size {
				return enginetest.Size{B: B, T: T, F: 2, H: H, D: 3, Then: []int{then}, Both: both}
			}
			enginetest.Sizes(t, func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
				return testEngine(t, spec, opts, 2, InstructionSet(isa))
			}, enginetest.Tolerances{},
				size(3, 4, 2, 3, 3), size(3, 4, 2, 4, 4), size(3, 4, 2, 5, 5), size(3, 4, 2, 15, 15), size(3, 4, 2, 16, 16), size(3, 4, 2, 17, 17),
				size(3, 4, 2, 31, 1), size(3, 4, 2, 33, 2), size(3, 4, 2, 47, 3), size(3, 4, 2, 49, 3), size(3, 4, 2, 63, 3), size(3, 4, 2, 65, 3),
				size(2, 3, 14, 80, 3), size(2, 3, 15, 80, 3), size(2, 3, 16, 80, 3), // 95, 96, 97 rows of a panel
				size(2, 3, 1, 190, 3), size(2, 3, 2, 190, 3), // 192, 193 when padded to 4 or 8
				size(2, 2, 70, 321, 3),
				size(19, 2, 2, 362, 3), size(19, 2, 2, 363, 3), // blocks of 8 and 16 rows
				size(4, 3, 3, 8, 4), size(5, 3, 3, 8, 4), size(6, 3, 3, 8, 4), size(7, 3, 3, 8, 4), size(8, 3, 3, 8, 4), size(9, 3, 3, 8, 4), size(13, 3, 3, 8, 4),
				size(7, 9, 3, 8, 4), size(8, 8, 3, 8, 4), size(8, 9, 3, 8, 4), // 63 or fewer, 64, 72 row-steps of a block
				size(513, 2, 2, 5, 3), size(1031, 2, 2, 5, 3), // more blocks than lanes
				stack(3, 4, false, 15, 16), stack(3, 4, false, 16, 17), stack(3, 4, true, 16, 15), stack(3, 4, true, 17, 32), stack(3, 4, true, 33, 3),
				stack(3, 3, false, 47, 48), stack(3, 3, true, 24, 47), // 97 rows of a panel after
				stack(3, 3, false, 95, 96), stack(3, 3, false, 96, 97), stack(3, 3, true, 48, 96), // 193, 201 or 209
				stack(2, 2, true, 97, 190),                                                  // 385 and more
				stack(8, 8, true, 5, 6), stack(8, 9, true, 5, 6), stack(16, 17, true, 5, 6), // row-steps
				stack(19, 2, true, 128, 257), // blocks of 16 rows, for what comes in
			)
		})
	}
}

// Lanes are fewer than blocks when a network is large: one lane's blocks are added up where they are made.
func TestFewLanes(t *testing.T) {
	enginetest.Sizes(t, func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
		e := testEngine(t, spec, opts, 3)
		e.nets[0].c.lanes = 2
		return e
	}, enginetest.Tolerances{}, enginetest.Size{B: 61, T: 3, F: 2, H: 9, D: 4}, enginetest.Size{B: 61, T: 3, F: 2, H: 9, D: 4, Rows: 90})
}

// The norms of clipping read the parameters where there is a penalty: a thread that had moved its part of them before
// another had found the norms made the bits depend on chance.
func TestClippingWithPenaltyOnAnyThreads(t *testing.T) {
	spec := model.Classifier(6, 4, 64, 0, 32)
	const windows, batch = 64, 16
	w := model.Windows{X: make([]float32, windows*6*4), Y: make([]float32, windows)}
	plan := model.Plan{Batch: batch}
	for i := range w.X {
		w.X[i] = float32(i%13) - 6
	}
	for i := range w.Y {
		w.Y[i] = float32(i % 2)
		plan.Train = append(plan.Train, int32(i))
	}
	for range windows / batch {
		plan.LearningRate = append(plan.LearningRate, 1e-2)
	}
	for name, clip := range map[string]model.Optimizer{"each": {ClipNorm: 1e-3}, "all together": {GlobalClipNorm: 1e-3}} {
		t.Run(name, func(t *testing.T) {
			o := options
			o.Optimizer = model.DefaultAdam()
			o.Optimizer.L2, o.Optimizer.ClipNorm, o.Optimizer.GlobalClipNorm = 0.1, clip.ClipNorm, clip.GlobalClipNorm
			train := func(threads int) *model.State {
				e := testEngine(t, spec, []model.Options{o}, threads)
				defer e.Close()
				if err := e.Load(w); err != nil {
					t.Fatal(err)
				}
				if err := e.SetState(0, spec.Init(1)); err != nil {
					t.Fatal(err)
				}
				for range 5 {
					if _, err := e.Epoch(t.Context(), []model.Plan{plan}); err != nil {
						t.Fatal(err)
					}
				}
				s, err := e.State(0)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			want := train(1)
			for range 10 {
				if got := train(2); !slices.Equal(got.Params, want.Params) {
					t.Fatal("two threads leave other parameters than one")
				}
			}
		})
	}
}

// A thread without a share of any step takes no memory.
func TestThreadsWithoutWork(t *testing.T) {
	spec := model.Classifier(5, 2, 4, 0, 3)
	e := testEngine(t, spec, []model.Options{options}, 9)
	if err := e.Load(model.Windows{X: make([]float32, 40*5*2), Y: make([]float32, 40)}); err != nil {
		t.Fatal(err)
	}
	plan := model.Plan{Batch: 24, LearningRate: []float64{1e-3, 1e-3}, Eval: []int32{0}}
	for i := range int32(40) {
		plan.Train = append(plan.Train, i)
	}
	if _, err := e.Epoch(t.Context(), []model.Plan{plan}); err != nil {
		t.Fatal(err)
	}
	for i, w := range e.workers {
		if has := len(w.scratch) > 0; has != (i < 3) { // 24 rows are 3 blocks
			t.Errorf("thread %d has working memory: %v", i, has)
		}
	}
}

// One batch after another whose gradient there is none of: nothing of the first may be left.
func TestMaskedBatchAfterAnother(t *testing.T) {
	spec := model.Classifier(5, 2, 4, 0, 3)
	w := model.Windows{X: make([]float32, 4*5*2), Y: []float32{0, 1, 0, 1}}
	for i := range 2 * 5 * 2 {
		w.X[i] = float32(i%7) + 1
	}
	for _, isa := range InstructionSets() {
		e := testEngine(t, spec, []model.Options{options}, 1, InstructionSet(isa))
		if err := e.Load(w); err != nil {
			t.Fatal(err)
		}
		if err := e.SetState(0, spec.Init(1)); err != nil {
			t.Fatal(err)
		}
		lstm := spec.Layout().Variables[model.DenseKernel].Offset
		for batch, some := range []bool{true, false} {
			plan := model.Plan{Train: []int32{int32(2 * batch), int32(2*batch + 1)}, Batch: 2, LearningRate: []float64{0}}
			g, _, err := e.Gradient(0, plan)
			if err != nil {
				t.Fatal(err)
			}
			if any := slices.ContainsFunc(g[:lstm], func(x float32) bool { return x != 0 }); any != some {
				t.Errorf("%s: batch %d: the LSTM's gradient is zero: %v, want %v", isa, batch, !any, !some)
			}
			if g[len(g)-1] == 0 {
				t.Errorf("%s: batch %d: no gradient of the last bias", isa, batch)
			}
		}
	}
}

// A gradient that is not finite makes every parameter NaN under a global norm, as in model.Optimizer.
func TestNormOfInfinity(t *testing.T) {
	spec := model.Classifier(5, 2, 4, 0, 3)
	w := model.Windows{X: make([]float32, 2*5*2), Y: []float32{0, 1}}
	for i := range w.X {
		w.X[i] = float32(i%7) + 1
	}
	o := options
	o.Augment, o.Optimizer = model.Augment{}, model.Optimizer{Kind: model.SGD, GlobalClipNorm: 1}
	for _, isa := range InstructionSets() {
		e := testEngine(t, spec, []model.Options{o}, 1, InstructionSet(isa))
		if err := e.Load(w); err != nil {
			t.Fatal(err)
		}
		s := spec.Init(1)
		dense := spec.Layout().Variables[model.DenseBias].Of(s.Params)
		dense[1] = -100 // a unit whose gradient is 0
		if err := e.SetState(0, s); err != nil {
			t.Fatal(err)
		}
		plan := model.Plan{Train: []int32{0, 1}, Batch: 2, Weight: []float32{float32(math.Inf(1)), 1}, LearningRate: []float64{1}}
		if _, err := e.Epoch(t.Context(), []model.Plan{plan}); err != nil {
			t.Fatal(err)
		}
		got, err := e.State(0)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range got.Params {
			if p == p {
				t.Fatalf("%s: parameter %d is %v", isa, i, p)
			}
		}
	}
}

// Subnormal numbers are 0 in the kernels, and so would be such an ε: what has no gradient must stay as it is.
func TestSubnormalEpsilon(t *testing.T) {
	spec := model.Classifier(5, 2, 4, 0, 3)
	o := options
	o.Augment, o.Optimizer.Epsilon = model.Augment{}, 1e-40
	for _, isa := range InstructionSets() {
		e := testEngine(t, spec, []model.Options{o}, 1, InstructionSet(isa))
		if err := e.Load(model.Windows{X: make([]float32, 5*2), Y: []float32{1}}); err != nil {
			t.Fatal(err)
		}
		s := spec.Init(1)
		if err := e.SetState(0, s); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Epoch(t.Context(), []model.Plan{{Train: []int32{0}, Batch: 1, LearningRate: []float64{1e-3}}}); err != nil {
			t.Fatal(err)
		}
		got, err := e.State(0)
		if err != nil {
			t.Fatal(err)
		}
		lstm := spec.Layout().Variables[model.DenseKernel].Offset // The only window is masked.
		if !slices.Equal(got.Params[:lstm], s.Params[:lstm]) {
			t.Errorf("%s: the LSTM's parameters moved without a gradient", isa)
		}
	}
}

func benchmarked(b *testing.B, spec model.Spec, opts []model.Options) model.Engine {
	return testEngine(b, spec, opts, 0)
}

// peak is what all cores can do.
var peak = enginetest.AllCores(Peak)

func BenchmarkTrainStep(b *testing.B)  { enginetest.TrainStep(b, benchmarked, peak) }
func BenchmarkTrainEpoch(b *testing.B) { enginetest.TrainEpoch(b, benchmarked, peak) }
func BenchmarkTrainStack(b *testing.B) { enginetest.TrainStack(b, benchmarked, peak) }
func BenchmarkTrainChain(b *testing.B) { enginetest.TrainChain(b, benchmarked, peak) }
func BenchmarkSideBySide(b *testing.B) { enginetest.SideBySide(b, benchmarked) }
func BenchmarkPredict(b *testing.B)    { enginetest.Predict(b, benchmarked, peak) }

var options = enginetest.HostOptions()

func TestAnyNumberOfThreadsGivesTheSameBits(t *testing.T) {
	for _, isa := range InstructionSets() {
		t.Run(isa, func(t *testing.T) {
			enginetest.AnyThreads(t, func(t *testing.T, spec model.Spec, opts []model.Options, threads int) model.Engine {
				return testEngine(t, spec, opts, threads, InstructionSet(isa))
			})
		})
	}
}

func TestNewRefuses(t *testing.T) {
	o := enginetest.HostOptions()
	plain := o
	plain.Augment = model.Augment{}
	enginetest.HostRefuses(t, func(spec model.Spec, opts []model.Options, threads int) (model.Engine, error) {
		e, err := New(spec, opts, threads)
		if e == nil { // an interface that holds a nil engine is not nil
			return nil, err
		}
		return e, err
	}, enginetest.Refusal{Name: "too many threads", Spec: model.Classifier(5, 2, 4, 0.1, 3), Options: []model.Options{o}, Threads: 1025, Says: "1025 threads"},
		enginetest.Refusal{Name: "padded size", Spec: model.Classifier(1, 1<<24, 31, 0, 1), Options: []model.Options{o, plain}, Threads: 1, Says: "padded"})
}

func TestPredictDoesNotGrow(t *testing.T) {
	enginetest.HostPredictDoesNotGrow(t, func(t *testing.T, spec model.Spec, opts []model.Options, threads int) model.Engine {
		return testEngine(t, spec, opts, threads)
	}, 8)
}
