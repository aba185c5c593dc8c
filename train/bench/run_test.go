package bench

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"vklstm/model"
	"vklstm/train/device"
)

// keras is what Keras 3.15.1 (on JAX 0.10.2) has as its check without dropout, by peers.py on the default shape.
var keras = map[string]float64{MaskNone: 0.3836, MaskRight: 0.330466, MaskHoles: 0.407024}

// checkTol: Keras's value has six digits. Single probabilities of two float32 programs differ by some 1e-7 after ten
// steps of Adam, their mean by less; where Adam adds ε (PyTorch, JAX) moves the mean by 3e-4.
const checkTol = 0.5e-6 + 2e-6

// Ten steps from the peers' data and weights bring us where they bring Keras.
func TestCheckIsKeras(t *testing.T) {
	d, err := device.Open("cpu")
	if err != nil {
		t.Fatal(err)
	}
	for mask, want := range keras {
		w := Workload{Batch: 32, Time: 60, Features: 6, Units: 64, Dense: 32, Windows: 1000, Mask: mask}
		s, err := newTrainer(d.NewEngine, w)
		if err != nil {
			t.Fatal(err)
		}
		defer s.e.Close()
		for range checkSteps {
			if err := s.step(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.check(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got-want) > checkTol {
			t.Errorf("mask %s: the mean probability after ten steps is %.6f, Keras's is %v", mask, got, want)
		}
	}
}

// Run's numbers are of the work that it names.
func TestRun(t *testing.T) {
	d, err := device.Open("cpu")
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	counting := func(spec model.Spec, opts []model.Options) (model.Engine, error) {
		e, err := d.NewEngine(spec, opts)
		return countingEngine{e, &steps}, err
	}
	w := Workload{Batch: 8, Time: 5, Features: 3, Units: 4, Dense: 2, Windows: 20, Mask: MaskHoles, Dropout: 0.3}
	r, err := Run(context.Background(), counting, w, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if want := (Shape{8, 5, 3, 4, 20}); r.Shape != want || r.Mask != MaskHoles || r.Dropout != 0.3 {
		t.Errorf("%+v, mask %s, dropout %v", r.Shape, r.Mask, r.Dropout)
	}
	if e := r.EpochS; !(e.Min > 0 && e.Min <= e.Median && e.Median <= e.Max) {
		t.Errorf("epoch %+v", e)
	}
	if r.StepUS <= 0 || r.Infer1US <= 0 || r.Infer1000US <= 0 || r.StartS <= 0 || r.Check <= 0 || r.Check >= 1 {
		t.Errorf("%+v", r)
	}
	if least := checkSteps + (warmEpochs+timedEpochs)*3 + 5; steps < least {
		t.Errorf("%d steps; the check, the epochs and the single ones are %d at least", steps, least)
	}
}

type countingEngine struct {
	model.Engine
	steps *int
}

func (e countingEngine) Epoch(ctx context.Context, plans []model.Plan) ([]model.Outcome, error) {
	*e.steps += plans[0].Steps()
	return e.Engine.Epoch(ctx, plans)
}

// An interrupt ends the loading too.
func TestLoadInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := Workload{Batch: 2, Time: 2, Features: 2, Units: 2, Dense: 2, Windows: 4, Mask: MaskNone}
	if _, err := Load(ctx, t.TempDir(), w); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted measurement of loading: %v", err)
	}
}
