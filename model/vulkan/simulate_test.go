package vulkan

import (
	"context"
	"math/rand/v2"
	"reflect"
	"testing"

	"vklstm/gpu"
	"vklstm/gpu/gputest"
	"vklstm/model"
)

// An engine hands a simulated device what it hands to the real one with the same limits: what is counted without a GPU is
// what runs on it.
func TestSimulatedCounts(t *testing.T) {
	for _, spec := range []model.Spec{model.Classifier(7, 3, 12, 0.3, 5), model.Stack(7, 3, []int{12, 9}, true, 0.3, 5)} {
		t.Run(spec.Layers[1].Name, func(t *testing.T) { simulatedCounts(t, spec) })
	}
}

func simulatedCounts(t *testing.T, spec model.Spec) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := model.Windows{X: make([]float32, 20*7*3), Y: make([]float32, 20)}
	for i := range w.X {
		w.X[i] = rng.Float32()
	}
	p := model.Plan{Batch: 8, LearningRate: []float64{1e-3, 1e-3, 1e-3}, Eval: []int32{1, 2}}
	for i := range int32(20) {
		p.Train = append(p.Train, i)
	}
	count := func(d *Device) gpu.Submitted {
		e, err := New(d, spec, []model.Options{{Loss: model.Focal(), Optimizer: model.DefaultAdam()}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		before := d.Submitted()
		if err := e.Load(w); err != nil {
			t.Fatal(err)
		}
		if err := e.SetState(0, spec.Init(1)); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Epoch(context.Background(), []model.Plan{p}); err != nil {
			t.Fatal(err)
		}
		s := d.Submitted().Minus(before)
		s.Submissions = 0 // follow from times
		return s
	}
	real := gputest.Device(t)
	want := count(real)
	d := Simulate(real.Info())
	defer d.Close()
	if got := count(d); !reflect.DeepEqual(got, want) {
		t.Errorf("simulated %+v\nreal %+v", got, want)
	}
	if want.Dispatches == 0 || len(want.Kernels) < 2 {
		t.Errorf("nothing was counted: %+v", want)
	}
}
