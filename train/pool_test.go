package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vklstm/model"
	"vklstm/model/cpu"
	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/internal/traintest"
)

// fakeGroup is an engine of several models that each follow a script.
type fakeGroup struct {
	models []*fakeEngine
	calls  [][]model.Plan
}

func (f *fakeGroup) factory(spec model.Spec, opts []model.Options) (model.Engine, error) {
	for k, m := range f.models {
		_, _ = m.factory(spec, opts[k:k+1])
	}
	return f, nil
}

func (f *fakeGroup) String() string           { return "devices of paper" }
func (f *fakeGroup) Models() int              { return len(f.models) }
func (f *fakeGroup) Close() error             { return nil }
func (f *fakeGroup) Progress() (done, of int) { return 0, 0 }

func (f *fakeGroup) Load(w model.Windows) error {
	for _, m := range f.models {
		_ = m.Load(w)
	}
	return nil
}

func (f *fakeGroup) State(k int) (*model.State, error)    { return f.models[k].State(0) }
func (f *fakeGroup) SetState(k int, s *model.State) error { return f.models[k].SetState(0, s) }
func (f *fakeGroup) Gradient(int, model.Plan) ([]float32, model.Outcome, error) {
	panic("not asked for")
}

func (f *fakeGroup) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	f.calls = append(f.calls, plans)
	out := make([]model.Outcome, len(plans))
	var first error
	for k, m := range f.models {
		if plans[k].Steps() == 0 {
			continue
		}
		o, err := m.Epoch(ctx, plans[k:k+1])
		if out[k] = o[0]; err != nil && first == nil {
			first = err
		}
	}
	return out, first
}

func (f *fakeGroup) Predict(ctx context.Context, k int, x []float32) ([]float32, error) {
	return f.models[k].Predict(ctx, 0, x)
}

// cpuEngineOf returns an device.Factory of the CPU engine with a number of threads.
func cpuEngineOf(threads int) device.Factory {
	return func(spec model.Spec, opts []model.Options) (model.Engine, error) { return cpu.New(spec, opts, threads) }
}

// differing returns configurations on one data set that share nothing but the network.
func differing(engine device.Factory) []Config {
	d := data.Sample(90, 3)
	var configs []Config
	for k := range 4 {
		c := DefaultConfig()
		c.Dataset, c.Engine, c.Log, c.Out = d, engine, nil, nil
		c.Units, c.DenseUnits, c.Epochs = []int{5}, 3, []int{6, 3, 6, 5}[k]
		c.Seed, c.Batch, c.LearningRate = uint32(k), 8+5*k, []float64{3e-3, 1e-2, 0.2, 1e-3}[k]
		c.Patience = []int{9, 9, 1, 9}[k]
		c.Augment = []string{AugmentNone, AugmentStrong, AugmentModerate, AugmentNone}[k]
		c.Scale = []string{data.ScaleNone, data.ScaleStandard, data.ScaleMinMax, data.ScaleNone}[k]
		c.Focal, c.ClassWeights = k%2 == 0, k < 2
		if k == 0 {
			c.Schedule.Kind, c.Schedule.Patience, c.EarlyStopping = SchedulePlateau, 1, false
		}
		if k == 3 {
			c.Schedule.Kind, c.Schedule.Warmup, c.EarlyStopping, c.TrainOnVal = ScheduleCosine, 1.5, false, true
		}
		configs = append(configs, c)
	}
	return configs
}

// outline is what a run reached, wall time apart.
func outline(r *Run) string {
	h := slices.Clone(r.History)
	for i := range h {
		h[i].Time = 0
	}
	s, _ := r.State()
	return fmt.Sprintf("%s %s %v %v %v %v", r.Stopped, r.Reason, r.Best, h, r.BestState(), s)
}

// TestSideBySide trains differing models together, and each alone: histories, weights, moments and ends are the same,
// bit for bit, on each engine.
func TestSideBySide(t *testing.T) {
	for name, engine := range map[string]device.Factory{"float64": traintest.Float64Engine, "one thread": cpuEngineOf(1), "three threads": cpuEngineOf(3)} {
		t.Run(name, func(t *testing.T) {
			train := func(configs []Config) []string {
				g, err := NewPool(t.Context(), configs)
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close()
				if err := g.Train(t.Context(), math.MaxInt); err != nil {
					t.Fatal(err)
				}
				var all []string
				for k, r := range g.Runs {
					e, err := g.Evaluate(t.Context(), k, r.Parts.Test)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, outline(r)+fmt.Sprint(e.Probability))
				}
				return all
			}
			configs := differing(engine)
			together := train(configs)
			ends := map[string]bool{}
			for k := range configs {
				alone := train(configs[k : k+1])
				if alone[0] != together[k] {
					t.Errorf("model %d\nalone    %.300s\ntogether %.300s", k, alone[0], together[k])
				}
				ends[strings.Fields(alone[0])[0]] = true
			}
			if !ends["early"] || !ends["done"] {
				t.Errorf("ends %v; the test needs both", ends)
			}
		})
	}
}

// TestGoOn trains in parts: some epochs, then more in the same group, or from a snapshot in another group in another
// order. It ends as training in one go does.
func TestGoOn(t *testing.T) {
	configs := differing(cpuEngineOf(2))
	whole, err := NewPool(t.Context(), configs)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	if err := whole.Train(t.Context(), math.MaxInt); err != nil {
		t.Fatal(err)
	}
	parts, err := NewPool(t.Context(), configs)
	if err != nil {
		t.Fatal(err)
	}
	defer parts.Close()
	for _, until := range []int{1, 1, 2} {
		if err := parts.Train(t.Context(), until); err != nil {
			t.Fatal(err)
		}
		for k, r := range parts.Runs {
			if len(r.History) != until && r.Stopped == "" {
				t.Errorf("model %d has %d epochs, want %d", k, len(r.History), until)
			}
		}
	}
	var later []Config
	var number []int
	for k, r := range slices.Backward(parts.Runs) {
		if r.Stopped != "" {
			continue
		}
		c := configs[k]
		if c.From, err = r.Snapshot(); err != nil {
			t.Fatal(err)
		}
		later, number = append(later, c), append(number, k)
	}
	if len(later) < 2 {
		t.Fatalf("%d models go on; the test needs two", len(later))
	}
	if err := parts.Train(t.Context(), math.MaxInt); err != nil {
		t.Fatal(err)
	}
	for k := range configs {
		if got, want := outline(parts.Runs[k]), outline(whole.Runs[k]); got != want {
			t.Errorf("model %d, in parts\n%.300s\nwant\n%.300s", k, got, want)
		}
	}
	elsewhere, err := NewPool(t.Context(), later)
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	if err := elsewhere.Train(t.Context(), math.MaxInt); err != nil {
		t.Fatal(err)
	}
	for i, k := range number {
		if got, want := outline(elsewhere.Runs[i]), outline(whole.Runs[k]); got != want {
			t.Errorf("model %d, from a snapshot\n%.300s\nwant\n%.300s", k, got, want)
		}
	}
}

// TestPatienceGoesOn has a run whose patience began before it was set aside.
func TestPatienceGoesOn(t *testing.T) {
	script := script{hits: []int{1, 5, 3, 4, 2, 1, 3, 4}}
	cfg := QuietConfig((&fakeEngine{script: script}).factory)
	cfg.Patience = 3
	g, err := NewPool(t.Context(), []Config{cfg})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Train(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if cfg.From, err = g.Runs[0].Snapshot(); err != nil {
		t.Fatal(err)
	}
	if g, err = NewPool(t.Context(), []Config{cfg}); err != nil {
		t.Fatal(err)
	}
	if err := g.Train(t.Context(), 99); err != nil {
		t.Fatal(err)
	}
	if r := g.Runs[0]; r.Stopped != StoppedEarly || len(r.History) != 5 || r.Best.Epoch != 1 || r.BestState().Params[0] != 2 {
		t.Errorf("stopped %s after %d epochs, best %d with weights %v", r.Stopped, len(r.History), r.Best.Epoch, r.BestState().Params[0])
	}
	// What has ended trains no more: it stands with its best weights, and its reason.
	reason := g.Runs[0].Reason
	if cfg.From, err = g.Runs[0].Snapshot(); err != nil {
		t.Fatal(err)
	}
	if g, err = NewPool(t.Context(), []Config{cfg}); err != nil {
		t.Fatal(err)
	}
	if err := g.Train(t.Context(), 99); err != nil {
		t.Fatal(err)
	}
	if s, err := g.Runs[0].State(); err != nil || s.Params[0] != 2 || len(g.Runs[0].History) != 5 || g.Runs[0].Stopped != StoppedEarly || g.Runs[0].Reason != reason {
		t.Errorf("a run that had ended: weights %v, %d epochs, stopped %s (%s), %v", s.Params[0], len(g.Runs[0].History), g.Runs[0].Stopped, g.Runs[0].Reason, err)
	}
}

// TestEndsOfAPool lets each model of a group end in another way: none disturbs the others, and one that has ended has
// an empty plan from then on, at the latest after the epoch that was under way.
func TestEndsOfAPool(t *testing.T) {
	f := &fakeGroup{models: []*fakeEngine{
		{script: script{hits: []int{1, 2, 3, 4, 5, 6, 7, 8}}},
		{script: script{hits: []int{1, 5, 3, 4}}},
		{script: script{hits: []int{4, -1}, loss: map[int]float64{1: math.NaN()}}},
		{script: script{hits: []int{-1}, loss: map[int]float64{0: math.NaN()}, params: map[int]float32{0: float32(math.NaN())}}},
		{script: script{hits: []int{1, 2, 3, 4, 5, 6, 7, 8}}},
	}}
	var configs []Config
	d, p := fakeData()
	for k := range f.models {
		c := QuietConfig(f.factory)
		c.Dataset, c.Parts, c.Patience, c.Epochs = d, p, 2, []int{8, 8, 8, 8, 2}[k]
		configs = append(configs, c)
	}
	g, err := NewPool(t.Context(), configs)
	if err != nil {
		t.Fatal(err)
	}
	var ended []int
	heard := make([]int, len(configs))
	g.OnEnd = func(r *Run) { ended = append(ended, r.k) }
	g.OnEpoch = func(trained []*Run) {
		for _, r := range trained {
			if heard[r.k]++; r.History[len(r.History)-1].Epoch != heard[r.k]-1 {
				t.Errorf("model %d: epoch %d is heard of as number %d", r.k, r.History[len(r.History)-1].Epoch, heard[r.k])
			}
		}
	}
	if err := g.Train(t.Context(), math.MaxInt); err != nil {
		t.Fatal(err)
	}
	for k, want := range []struct {
		stopped Stop
		epochs  int
		weights float32
		err     string
	}{
		{StoppedDone, 8, 8, ""}, {StoppedEarly, 4, 2, ""}, {StoppedDiverged, 2, 1, ""},
		{StoppedDiverged, 1, 0, "no epoch before gave usable weights"}, {StoppedDone, 2, 2, ""},
	} {
		r := g.Runs[k]
		if r.Stopped != want.stopped || len(r.History) != want.epochs || heard[k] != want.epochs {
			t.Errorf("model %d stopped %q after %d epochs (%d heard of), want %q, %d", k, r.Stopped, len(r.History), heard[k], want.stopped, want.epochs)
		}
		if got := fmt.Sprint(r.Err()); want.err == "" && r.Err() != nil || !strings.Contains(got, want.err) {
			t.Errorf("model %d: error %v, want %q", k, r.Err(), want.err)
		}
		if want.weights != 0 && (r.BestState().Params[0] != want.weights || f.models[k].state.Params[0] != want.weights) {
			t.Errorf("model %d holds %v, the device %v, want %v", k, r.BestState().Params[0], f.models[k].state.Params[0], want.weights)
		}
		if n := len(f.models[k].plans); n > want.epochs+1 {
			t.Errorf("model %d was handed %d epochs for %d", k, n, want.epochs)
		}
	}
	if !slices.Equal(ended, []int{3, 4, 2, 1, 0}) && !slices.Equal(ended, []int{3, 2, 4, 1, 0}) {
		t.Errorf("they ended in the order %v", ended)
	}
	if n := len(f.calls); n != 8 {
		t.Errorf("%d epochs of the engine, want 8", n)
	}
}

// TestOneOfAPoolFails has a callback of one run fail: the others are trained to their end.
func TestOneOfAPoolFails(t *testing.T) {
	f := &fakeGroup{models: []*fakeEngine{{script: script{hits: []int{1, 2, 3}}}, {script: script{hits: []int{1, 2, 3}}}}}
	d, p := fakeData()
	configs := []Config{QuietConfig(f.factory), QuietConfig(f.factory)}
	for k := range configs {
		configs[k].Dataset, configs[k].Parts, configs[k].Epochs = d, p, 3
	}
	configs[0].Callbacks = []Callback{&probe{epoch: func(_ *Run, e Epoch) error {
		if e.Epoch == 1 {
			return errLost
		}
		return nil
	}}}
	g, err := NewPool(t.Context(), configs)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Train(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if a, b := g.Runs[0], g.Runs[1]; !errors.Is(a.Err(), errLost) || a.Stopped != StoppedError || len(a.History) != 2 ||
		b.Err() != nil || b.Stopped != StoppedDone || len(b.History) != 3 {
		t.Errorf("%v %s %d epochs; %v %s %d epochs", a.Err(), a.Stopped, len(a.History), b.Err(), b.Stopped, len(b.History))
	}
}

// TestInterruptedPool cuts a group short: each run keeps its best weights.
func TestInterruptedPool(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeGroup{models: []*fakeEngine{{script: script{hits: []int{1, 5, 3, 4}}}, {script: script{hits: []int{6, 5, 3, 4}}}}}
	f.models[0].before = func(e int) error {
		if e == 2 {
			cancel()
		}
		return nil
	}
	d, p := fakeData()
	configs := []Config{QuietConfig(f.factory), QuietConfig(f.factory)}
	for k := range configs {
		configs[k].Dataset, configs[k].Parts = d, p
	}
	g, err := NewPool(t.Context(), configs)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Train(ctx, 8); err != nil {
		t.Fatal(err)
	}
	for k, want := range []float32{2, 1} {
		if r := g.Runs[k]; r.Stopped != StoppedInterrupted || len(r.History) != 2 || f.models[k].state.Params[0] != want || r.Err() != nil {
			t.Errorf("model %d: %s after %d epochs, weights %v, %v", k, r.Stopped, len(r.History), f.models[k].state.Params[0], r.Err())
		}
	}
}

// TestPoolRefuses has what cannot lie side by side.
func TestPoolRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func([]Config) []Config
		want   string
	}{
		"nothing":         {func([]Config) []Config { return nil }, "at least one is needed"},
		"other data":      {func(c []Config) []Config { c[1].Dataset = data.Sample(90, 4); return c }, "configuration 1 of a pool has other data"},
		"a sample each":   {func(c []Config) []Config { c[0].Dataset, c[1].Dataset = nil, nil; return c }, "other data"},
		"another network": {func(c []Config) []Config { c[2].Units = []int{6}; return c }, "configuration 2 of a pool has another network"},
		"no sense":        {func(c []Config) []Config { c[3].Batch = 0; return c }, "batch is 0"},
		"a state of another size": {func(c []Config) []Config {
			c[3].From = &Snapshot{State: model.NewState(3), LearningRate: 1}
			return c
		}, "model 3"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := NewPool(t.Context(), tc.change(differing(cpuEngineOf(1))))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, %v; want %q", g, err, tc.want)
			}
		})
	}
}
