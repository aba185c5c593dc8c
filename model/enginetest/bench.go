package enginetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"vklstm/model"
)

// NewBench makes an engine for a benchmark. It ends the benchmark when it cannot.
type NewBench = func(b *testing.B, spec model.Spec, opts []model.Options) model.Engine

func benchEngine(b *testing.B, new NewBench, spec model.Spec, models int) model.Engine {
	b.Helper()
	var opts []model.Options
	for k := range models {
		opts = append(opts, model.Options{Loss: model.Focal(), Optimizer: model.DefaultAdam(), Seed: uint64(k)})
	}
	e := new(b, spec, opts)
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	for k := range models {
		if err := e.SetState(k, spec.Init(uint64(k))); err != nil {
			b.Fatal(err)
		}
	}
	return e
}

// TrainEpoch times epochs of 1,000 windows (1,024 in batches of 1,024), dropout on, no augmentation: the work of the
// peers' figures. It reports windows per second.
func TrainEpoch(b *testing.B, new NewBench) {
	for _, tc := range []struct {
		B, T, F, H int
		masked     float64 // share of steps at a window's end, on average
		models     int
	}{
		{32, 60, 6, 64, 0, 1}, {32, 60, 6, 64, 0.25, 1}, {128, 60, 6, 64, 0, 1}, {1024, 60, 6, 64, 0, 1}, {32, 60, 6, 64, 0, 4}, {32, 60, 51, 128, 0, 1},
	} {
		name := fmt.Sprintf("B=%d/T=%d/F=%d/H=%d", tc.B, tc.T, tc.F, tc.H)
		if tc.masked > 0 {
			name += fmt.Sprintf("/masked=%.0f%%", 100*tc.masked)
		}
		if tc.models > 1 {
			name += fmt.Sprintf("/models=%d", tc.models)
		}
		b.Run(name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			e := benchEngine(b, new, model.Classifier(tc.T, tc.F, tc.H, 0.3, 32), tc.models)
			n := max(1000, tc.B)
			w := windows(rng, n, tc.T, tc.F, false)
			for i := range n {
				length := tc.T - int(2*tc.masked*float64(tc.T)*rng.Float64())
				clear(w.X[(i*tc.T+length)*tc.F : (i+1)*tc.T*tc.F])
			}
			if err := e.Load(w); err != nil {
				b.Fatal(err)
			}
			var plans []model.Plan
			for range tc.models {
				plans = append(plans, plan(shuffled(rng, n), tc.B, 1e-3))
			}
			if _, err := e.Epoch(context.Background(), plans); err != nil { // warm up
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := e.Epoch(context.Background(), plans); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*tc.models*b.N)/b.Elapsed().Seconds(), "windows/s")
		})
	}
}

// Predict times predictions of windows that come from the host. It reports windows per second.
func Predict(b *testing.B, new NewBench) {
	for _, n := range []int{1, 32, 1000} {
		b.Run(fmt.Sprintf("B=%d/T=60/F=6/H=64", n), func(b *testing.B) {
			e := benchEngine(b, new, model.Classifier(60, 6, 64, 0.3, 32), 1)
			x := windows(rand.New(rand.NewPCG(1, 2)), n, 60, 6, false).X
			if _, err := e.Predict(context.Background(), 0, x); err != nil { // warm up
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := e.Predict(context.Background(), 0, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "windows/s")
		})
	}
}
