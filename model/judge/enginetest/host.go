package enginetest

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"vklstm/model"
)

// HostOptions are those of the models in the tests of engines on the CPU: focal loss, Adam, and all of the original's augmentation.
func HostOptions() model.Options {
	return model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Seed: 3,
		Augment: model.Augment{Prob: 0.5, Warp: 0.1, Noise: 0.05, Drop: 0.1}}
}

// Refusal is what an engine must not be made of, and what its error says.
type Refusal struct {
	Name    string
	Spec    model.Spec
	Options []model.Options
	Threads int
	Says    string
}

// HostRefuses holds that an engine on the CPU is not made of what makes no sense, nor of more that this one refuses, and that one
// without windows says so. make returns a nil engine with an error.
func HostRefuses(t *testing.T, make func(spec model.Spec, opts []model.Options, threads int) (model.Engine, error), more ...Refusal) {
	good := model.Classifier(5, 2, 4, 0.1, 3)
	bad := func(change func(o *model.Options)) []model.Options {
		o := []model.Options{HostOptions(), HostOptions()}
		change(&o[1])
		return o
	}
	for _, tc := range append([]Refusal{
		{"no models", good, nil, 0, "no models"},
		{"threads", good, bad(func(*model.Options) {}), -1, "-1 threads"},
		{"units", model.Classifier(5, 2, 0, 0.1, 3), bad(func(*model.Options) {}), 0, "LSTM units"},
		{"size", model.Classifier(1<<24, 1<<20, 64, 0.1, 3), bad(func(*model.Options) {}), 0, "GiB"},
		{"loss", good, bad(func(o *model.Options) { o.Loss.Kind = "mse" }), 0, "model 1"},
		{"optimizer", good, bad(func(o *model.Options) { o.Optimizer.Beta1 = 1 }), 0, "model 1"},
		{"augmentation", good, bad(func(o *model.Options) { o.Augment.Noise = math.NaN() }), 0, "model 1"},
		{"scaling", good, bad(func(o *model.Options) { o.Scaling.Offset = []float32{1} }), 0, "model 1"},
		{"long warp", model.Classifier(30001, 1, 1, 0, 1), bad(func(*model.Options) {}), 0, "time-warped"},
	}, more...) {
		if e, err := make(tc.Spec, tc.Options, tc.Threads); err == nil || e != nil || !strings.Contains(err.Error(), tc.Says) {
			t.Errorf("%s: %v, want %q", tc.Name, err, tc.Says)
		}
	}
	e, err := make(good, []model.Options{HostOptions()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	plans := []model.Plan{{Train: []int32{0}, Batch: 1, LearningRate: []float64{1}}}
	if _, err := e.Epoch(t.Context(), plans); err == nil || !strings.Contains(err.Error(), "call Load") {
		t.Errorf("Epoch without windows: %v", err)
	}
	if _, _, err := e.Gradient(0, plans[0]); err == nil || !strings.Contains(err.Error(), "call Load") {
		t.Errorf("Gradient without windows: %v", err)
	}
	if err := e.Load(model.Windows{X: []float32{1, 2, 3}, Y: []float32{1}}); !errors.Is(err, model.ErrShape) {
		t.Errorf("Load of a wrong shape: %v", err)
	}
	if s := e.String(); !strings.Contains(s, "CPU") || !strings.Contains(s, "4 units") {
		t.Errorf("the engine calls itself %q", s)
	}
}

// HostPredictDoesNotGrow holds that working memory belongs to the blocks in flight, of `rows` rows: predicting many windows
// allocates their probabilities, and no more.
func HostPredictDoesNotGrow(t *testing.T, new NewThreads, rows int) {
	spec := model.Classifier(10, 2, 16, 0, 4)
	e := new(t, spec, []model.Options{HostOptions()}, 2)
	defer e.Close()
	const n = 200_000
	x := make([]float32, n*10*2)
	for i := range x {
		x[i] = float32(i % 7)
	}
	allocated := func(windows int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := e.Predict(context.Background(), 0, x[:windows*20])
		runtime.ReadMemStats(&after)
		if err != nil || len(out) != windows {
			t.Fatalf("%d probabilities, %v", len(out), err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	for range 2 {
		allocated(2000) // the blocks
	}
	// 4 bytes for each window, and 100 for each block's closures.
	if got, most := allocated(n), uint64(4*n+100*n/rows+1<<20); got > most {
		t.Errorf("predicting %d windows allocated %d bytes; at most %d", n, got, most)
	}
}
