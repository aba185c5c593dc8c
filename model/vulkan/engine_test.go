package vulkan

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
	"vklstm/model/judge"
)

// TestGolden compares the engine with Keras's numbers on the small set, on each path and in mixed precision; `vklstm
// selftest --golden` runs others.
func TestGolden(t *testing.T) {
	dev := gputest.Device(t)
	for _, way := range []struct {
		name    string
		check   func(*judge.Case, judge.Factory) []judge.Row
		setting Setting
	}{
		{"best path", (*judge.Case).CheckEngine, Path(PathAuto)},
		{"general path", (*judge.Case).CheckEngine, Path(PathGeneral)},
		{"mixed precision", (*judge.Case).CheckEngineMixed, Mixed()},
	} {
		for _, c := range judge.Embedded().Cases {
			t.Run(way.name+"/"+c.Name, func(t *testing.T) {
				rows := way.check(c, func(spec model.Spec, o []model.Options) (model.Engine, error) { return New(dev, spec, o, way.setting) })
				if len(rows) == 0 {
					t.Error("nothing was compared")
				}
				for _, r := range rows {
					if r.Failed() {
						t.Error(r)
					}
				}
			})
		}
	}
}

// small is a problem that every part of the engine takes part in.
type small struct {
	spec model.Spec
	opts []model.Options
	win  model.Windows
	init []*model.State
}

// newSmall makes k models on n windows of 7 × 3, with masks of every kind, missing values, scaling, dropout and
// augmentation.
func newSmall(n, k int) small {
	const T, F = 7, 3
	r := rand.New(rand.NewPCG(5, 6))
	s := small{spec: model.Classifier(T, F, 9, 0.3, 5)}
	for i := range n {
		s.win.Y = append(s.win.Y, float32(i%3/2))
		for t := range T {
			for range F {
				v := float32(r.NormFloat64())
				switch {
				case i%5 == 1 && t < 3, i%5 == 2 && t > 4, i%5 == 3 && t%2 == 1, i%11 == 4:
					v = 0
				case r.IntN(20) == 0:
					v = nan
				}
				s.win.X = append(s.win.X, v)
			}
		}
	}
	for i := range k {
		s.opts = append(s.opts, model.Options{
			Loss: model.Focal(), Optimizer: model.DefaultAdam(), Seed: uint64(i + 1),
			Scaling: model.Scaling{Offset: []float32{0.1, -0.2, float32(i)}, Factor: []float32{1.5, 0.5, 1}},
			Augment: model.Augment{Prob: 0.5, Warp: 0.1 * float64(i+1), Noise: 0.05, Drop: 0.1},
		})
		if i == 1 {
			s.opts[i].Loss = model.Loss{Kind: model.BinaryCrossentropy}
			s.opts[i].Optimizer.GlobalClipNorm = 0.5
		}
		s.init = append(s.init, s.spec.Init(uint64(40+i)))
	}
	return s
}

// stacked is s with layers of both directions in place of its LSTM; the windows keep their shape.
func (s small) stacked(units ...int) small {
	c, err := s.spec.Chain()
	if err != nil {
		panic(err)
	}
	s.spec = model.Stack(c.T, c.F, units, true, s.spec.Rate(), c.D())
	s.init = nil
	for i := range s.opts {
		s.init = append(s.init, s.spec.Init(uint64(40+i)))
	}
	return s
}

// plan trains on n windows in an order of its own, then evaluates all of them.
func (s small) plan(k, epoch, batch int) model.Plan {
	r := rand.New(rand.NewPCG(uint64(k), uint64(epoch)))
	n := len(s.win.Y)
	p := model.Plan{Epoch: epoch, Batch: batch}
	for i, w := range r.Perm(n) {
		if i%(k+2) == k {
			continue // models may differ in their windows
		}
		p.Train, p.Weight = append(p.Train, int32(w)), append(p.Weight, 0.5+r.Float32())
	}
	for i := range n {
		p.Eval = append(p.Eval, int32(i))
	}
	for range p.Steps() {
		p.LearningRate = append(p.LearningRate, 0.01)
	}
	return p
}

// open makes an engine on dev with the data loaded and the states set.
func (s small) open(t *testing.T, dev *gpu.Device, settings ...Setting) *Engine {
	t.Helper()
	e, err := New(dev, s.spec, s.opts, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if err := e.Load(s.win); err != nil {
		t.Fatal(err)
	}
	for k := range s.opts {
		if err := e.SetState(k, s.init[k]); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// train runs epochs and returns the outcomes of the last and the states.
func (s small) train(t *testing.T, e *Engine, epochs, batch int) ([]model.Outcome, []*model.State) {
	t.Helper()
	var out []model.Outcome
	for epoch := range epochs {
		var plans []model.Plan
		for k := range s.opts {
			plans = append(plans, s.plan(k, epoch, batch))
		}
		var err error
		if out, err = e.Epoch(context.Background(), plans); err != nil {
			t.Fatal(err)
		}
	}
	var states []*model.State
	for k := range s.opts {
		st, err := e.State(k)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, st)
	}
	for k := range out {
		out[k].DeviceTime = 0
	}
	return out, states
}

// TestSmallDevice trains on a device whose limits force several chunks of windows and folded dispatches, and
// several passes per step. Chunks and folding change nothing, bit for bit; passes only the order of sums.
func TestSmallDevice(t *testing.T) {
	s := newSmall(50, 2)
	t.Run("one layer", func(t *testing.T) { s.onSmallDevice(t) })
	t.Run("stacked", func(t *testing.T) { s.stacked(9, 6).onSmallDevice(t) })
}

func (s small) onSmallDevice(t *testing.T) {
	dev := gputest.Device(t)
	want, wantStates := s.train(t, s.open(t, dev), 2, 8)

	t.Run("chunks and folds", func(t *testing.T) {
		lowered := lower(t, dev, func(l *gpu.Limits) {
			l.StorageRange = 4 * quantiles // the largest table still fits; the windows are loaded in chunks below
			l.MaxWorkgroupCount = [3]uint32{3, 65535, 1}
		})
		e := s.open(t, lowered)
		e.chunkLimit = 11
		if err := e.Load(s.win); err != nil {
			t.Fatal(err)
		}
		if len(e.chunks) != 5 {
			t.Fatalf("%d chunks, want 5", len(e.chunks))
		}
		got, states := s.train(t, e, 2, 8)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(states, wantStates) {
			t.Error("other numbers than on a large device")
		}
	})
	t.Run("passes", func(t *testing.T) {
		e := s.open(t, dev)
		e.rowLimit = 3
		got, states := s.train(t, e, 2, 8)
		if passes := e.train.B / e.train.R; passes != 3 {
			t.Fatalf("%d passes, want 3", passes)
		}
		// The gradients of the passes are added to each other instead of in one sum: a relative difference of some
		// 2⁻²⁴ of a gradient, which Adam can turn into a full step where a gradient is rounding alone. So the bound is
		// on the probabilities, which such parameters hardly move.
		for k := range got {
			near(t, "probability", got[k].EvalProbability, want[k].EvalProbability, 1e-5)
			near(t, "m", states[k].M, wantStates[k].M, 1e-5)
		}
	})
}

// TestHostAdam takes the same steps with model.Optimizer.Step in Go.
func TestHostAdam(t *testing.T) {
	dev := gputest.Device(t)
	s := newSmall(20, 2)
	s.opts[0].Optimizer.WeightDecay = 0.01
	s.opts[0].Optimizer.ClipNorm = 0.1
	a, as := s.train(t, s.open(t, dev), 1, 20)
	b, bs := s.train(t, s.open(t, dev, HostAdam()), 1, 20)
	for k := range a {
		near(t, "probability", a[k].Probability, b[k].Probability, 0)
		// One step of equal gradients: the quotient and the root are within 3 and 2.5 units of 2⁻²⁴, the step is 0.01.
		near(t, "parameters", as[k].Params, bs[k].Params, 0.01*8*0x1p-24+0x1p-24)
		near(t, "m", as[k].M, bs[k].M, 0x1p-24)
		near(t, "v", as[k].V, bs[k].V, 0x1p-24)
		if as[k].Step != 1 || bs[k].Step != 1 {
			t.Errorf("steps %d and %d, want 1", as[k].Step, bs[k].Step)
		}
	}
	// Over many steps they part by rounding alone.
	a, _ = s.train(t, s.open(t, dev), 3, 4)
	b, _ = s.train(t, s.open(t, dev, HostAdam()), 3, 4)
	for k := range a {
		near(t, "probability after three epochs", a[k].EvalProbability, b[k].EvalProbability, 1e-4)
	}
}

// TestMixed: rounding to float16 moves the numbers, and not far; a run says that it does it.
func TestMixed(t *testing.T) {
	dev := gputest.Device(t)
	s := newSmall(20, 2)
	a, _ := s.train(t, s.open(t, dev), 2, 8)
	e := s.open(t, dev, Mixed())
	b, _ := s.train(t, e, 2, 8)
	for k := range a {
		if reflect.DeepEqual(a[k].EvalProbability, b[k].EvalProbability) {
			t.Errorf("model %d: mixed precision gives the same bits as float32", k)
		}
		// Each of some 6 steps and 7 time steps rounds by 2⁻¹¹; Adam's step of 0.01 may turn where a gradient is near 0.
		near(t, "probability", b[k].EvalProbability, a[k].EvalProbability, 0.02)
	}
	if !strings.Contains(e.String(), "mixed") {
		t.Errorf("the engine calls itself %q", e)
	}
	p, err := e.Predict(t.Context(), 0, s.win.X)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "predicted and evaluated", p, b[0].EvalProbability, 0)
}

// near compares two engines' numbers.
func near(t *testing.T, name string, got, want []float32, tol float64) {
	t.Helper()
	wide := make([]float64, len(want))
	for i, v := range want {
		wide[i] = float64(v)
	}
	gputest.Near(t, name, got, wide, tol)
}

// lower opens the test's device again with lower limits.
func lower(t *testing.T, dev *gpu.Device, f func(*gpu.Limits)) *gpu.Device {
	t.Helper()
	d, err := gpu.Open(dev.Info().Name, gpu.WithLimits(f), gpu.WithValidation(func(msg string) { t.Errorf("validation: %s", msg) }))
	if errors.Is(err, gpu.ErrNoLayer) {
		d, err = gpu.Open(dev.Info().Name, gpu.WithLimits(f))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestPlan checks how a batch is divided into passes.
func TestPlan(t *testing.T) {
	d := oneLayer(60, 6, 64, 32)
	for _, tc := range []struct {
		name      string
		batch     int
		limit     uint64
		rows, all int
	}{
		{"all rows fit", 32, 128 << 20, 32, 32},
		{"the range allows 21 rows", 32, 21 * 61 * 256 * 4, 16, 32},
		{"the range allows one row", 5, 61 * 256 * 4, 1, 5},
		{"ragged passes are filled up", 10, 4 * 61 * 256 * 4, 4, 12},
	} {
		s, err := layersOn(d, gpu.Info{Limits: gpu.Limits{StorageRange: tc.limit}}).plan(1, tc.batch)
		if err != nil || s.R != tc.rows || s.B != tc.all {
			t.Errorf("%s: R %d, B %d, %v; want %d, %d", tc.name, s.R, s.B, err, tc.rows, tc.all)
		}
	}
	if _, err := layersOn(d, gpu.Info{Limits: gpu.Limits{StorageRange: 1000}}).plan(1, 1); err == nil {
		t.Error("a window that fits no binding was accepted")
	}
	// The largest buffer is that of the widest layer; all layers and directions share the memory.
	stack, err := model.Stack(60, 6, []int{32, 64}, true, 0, 32).Chain()
	if err != nil {
		t.Fatal(err)
	}
	resident := layersOn(stack, gpu.Info{
		Limits: gpu.Limits{StorageRange: 1 << 40},
		Memory: 4 * 32 * 4 * (2*(60*(128+32+64+32)+61*32+64) + 2*(60*(256+128)+61*64+128) + 60*14 + 3*128 + 32 + 1),
	})
	resident.pairs = true
	if s, err := resident.plan(1, 32); err != nil || s.R != 32 {
		t.Errorf("stacked, resident: R %d, %v; want 32", s.R, err)
	}
	const row = 4 * (2*(60*128+61*64+64+60*32) + 2*(60*256+61*128+128) + 60*14 + 3*128 + 32 + 1)
	for _, tc := range []struct {
		name          string
		limit, memory uint64
		rows          int
	}{
		{"the range allows 21 rows", 21 * 61 * 256 * 4, 0, 16},
		// A row: gates, h and c, dh and dc, and what flows of the first layer alone; x twice, mask and order; the head.
		{"the memory allows all rows", 1 << 40, 4 * 32 * row, 32},
		{"and a word less one row less", 1 << 40, 4*32*row - 4, 16},
	} {
		if s, err := layersOn(stack, gpu.Info{Limits: gpu.Limits{StorageRange: tc.limit}, Memory: tc.memory}).plan(1, 32); err != nil || s.R != tc.rows {
			t.Errorf("stacked, %s: R %d, %v; want %d", tc.name, s.R, err, tc.rows)
		}
	}
}

// layersOn is what general and layered plan with for a network on a device.
func layersOn(c model.Chain, info gpu.Info) *layerwise {
	return &layerwise{site: site{info: info, chain: c, stride: 20352}}
}

const quantiles = 1 << 15

var nan = float32(math.NaN())

func TestEpochBeforeLoad(t *testing.T) {
	s := newSmall(3, 1)
	e, err := New(gputest.Device(t), s.spec, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Epoch(context.Background(), []model.Plan{s.plan(0, 0, 2)}); err == nil {
		t.Error("an epoch without windows was accepted")
	}
	if _, _, err := e.Gradient(0, s.plan(0, 0, 2)); err == nil {
		t.Error("a gradient without windows was accepted")
	}
}
