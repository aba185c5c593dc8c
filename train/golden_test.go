package train

import (
	"context"
	"math"
	"testing"

	"vklstm/model"
	"vklstm/model/npz"
	"vklstm/model/reference"
	"vklstm/train/data"
	"vklstm/train/internal/traintest"
	"vklstm/train/metrics"
	"vklstm/train/progress"
)

// goldenRun returns the run of a golden trajectory: Keras's model, data, order of windows (not shuffled), and class
// weights. The engine is the float64 reference.
func goldenRun(t *testing.T, f *npz.File, o model.Optimizer, lr float64, weights []float64) *Pool {
	t.Helper()
	read := func(name string) ([]float32, []int) {
		x, shape, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		return x, shape
	}
	x, shape := read("x")
	valX, valShape := read("val_x")
	y, _ := read("y")
	valY, _ := read("val_y")
	d := &data.Dataset{Path: "golden", N: shape[0] + valShape[0], T: shape[1], F: shape[2], X: append(x, valX...), Y: append(y, valY...)}
	p := data.Parts{Train: metrics.All(d.N)[:shape[0]], Val: metrics.All(d.N)[shape[0]:]}

	_, rec := read("lstm/recurrent_kernel")
	_, dense := read("dense/kernel")
	spec := model.Classifier(d.T, d.F, rec[0], 0, dense[1])
	e, err := reference.New(spec, []model.Options{{Loss: model.Loss{Kind: model.BinaryCrossentropy}, Optimizer: o}})
	if err != nil {
		t.Fatal(err)
	}
	layout := spec.Layout()
	s := model.NewState(layout.Size)
	for _, v := range layout.Variables {
		w, _ := read(v.Name)
		copy(v.Of(s.Params), w)
	}
	if err := e.Load(d.Windows()); err != nil {
		t.Fatal(err)
	}
	if err := e.SetState(0, s); err != nil {
		t.Fatal(err)
	}
	_, epochs := read("history/loss")
	cfg := DefaultConfig()
	cfg.Epochs, cfg.Batch = epochs[0], 32
	r := &Run{Config: cfg, Dataset: d, Parts: p, Spec: spec, LearningRate: lr, Weights: weights, engine: e,
		order: func(int) []int32 { return p.Train }, log: &logger{Log: progress.New(nil, progress.Text, true)}}
	return &Pool{Runs: []*Run{r}, engine: e}
}

// TestHistoryAgainstKeras trains the golden trajectories and compares every epoch's numbers with those that Keras's
// fit reports, a short last batch and class weights included. AUC is compared with the exact area, not with Keras's
// 200 thresholds.
//
// The engine computes in float64 and hands over float32: each probability and loss term is off by at most 2⁻²⁵ of
// itself, so a mean of loss terms by 2⁻²⁵ of itself (there are no negative ones); under class weights, whose 0.6 and
// 2.7 are float32 in a plan, by 2⁻²⁴ + 2⁻²⁵; and those weights train: off by 2⁻²⁵ of themselves in every step's
// gradient, they move the parameters, and with them all later losses, by some multiple of that under Adam. 1e-6
// leaves room for a multiple of 30; SGD needs none. Counts (accuracy, precision, recall) and AUC are exact.
func TestHistoryAgainstKeras(t *testing.T) {
	for _, tc := range []struct {
		name    string
		o       model.Optimizer
		lr, tol float64
		weights []float64
	}{
		{"trajectory_sgd", model.Optimizer{Kind: model.SGD}, 0.05, 0x1p-25, nil},
		{"trajectory_sgd_short_batch", model.Optimizer{Kind: model.SGD}, 0.05, 0x1p-25, nil},
		{"trajectory_adam_class_weight", model.DefaultAdam(), 0.01, 1e-6, []float64{0.6, 2.7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := npz.Open(traintest.Shared(t, "golden", tc.name+".npz"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			g := goldenRun(t, f, tc.o, tc.lr, tc.weights)
			r := g.Runs[0]
			epochs := r.Config.Epochs
			if err := g.Train(context.Background(), epochs); err != nil {
				t.Fatal(err)
			}
			if len(r.History) != epochs {
				t.Fatalf("%d epochs, want %d", len(r.History), epochs)
			}
			for _, column := range Columns {
				key, tol := column, 0x1p-50
				switch column {
				case "f1", "val_f1": // Keras's fit was not asked for it
					continue
				case "auc", "val_auc":
					key += "_exact"
				case "loss", "val_loss":
					tol = tc.tol
				}
				want, _, err := f.Float64("history/" + key)
				if err != nil {
					t.Fatal(err)
				}
				worst := 0.0
				for i, got := range r.History.Column(column) {
					e := math.Abs(got-want[i]) / math.Max(want[i], 1e-300)
					if want[i] == 0 {
						e = math.Abs(got)
					}
					worst = math.Max(worst, e)
					if !(e <= tol) {
						t.Errorf("epoch %d: %s is %v, want %v: off by %.3g of itself, tolerance %.3g", i, column, got, want[i], e, tol)
					}
				}
				t.Logf("%s: worst error %.2g of itself", column, worst)
			}
			for i, e := range r.History {
				for _, s := range []Scores{e.Train, e.Val} {
					if want := 2 * s.Precision * s.Recall / (s.Precision + s.Recall + 1e-7); s.F1 != want {
						t.Errorf("epoch %d: F1 is %v, want %v", i, s.F1, want)
					}
				}
			}
		})
	}
}
